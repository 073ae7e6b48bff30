package sandbox

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	smithy "github.com/aws/smithy-go"
	"github.com/golang-jwt/jwt/v5"
)

const roleARN = "arn:aws:iam::123456789012:role/team/Caller"

// clock is a time that a test sets.
type clock struct{ offset time.Duration }

func (c *clock) now() time.Time { return time.Now().Add(c.offset) }

func stsClient(srv *httptest.Server, key Credential) *sts.Client {
	return sts.NewFromConfig(awsConfig(srv, key))
}

func credential(c *types.Credentials) Credential {
	return Credential{AccessKeyID: *c.AccessKeyId, SecretAccessKey: *c.SecretAccessKey, SessionToken: *c.SessionToken}
}

// token is a JWT of some identity provider.
func token(t *testing.T, claims jwt.MapClaims) string {
	t.Helper()
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte("somebody's key"))
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func converse(ctx context.Context, srv *httptest.Server, key Credential) error {
	_, err := bedrockruntime.NewFromConfig(awsConfig(srv, key)).Converse(ctx, &bedrockruntime.ConverseInput{ModelId: aws.String(novaID), Messages: sdkUser("hi")})
	return err
}

func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

func TestGetCallerIdentity(t *testing.T) {
	srv := serve(t, Options{Account: "210987654321"})
	out, err := stsClient(srv, sandboxKey).GetCallerIdentity(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if *out.Account != "210987654321" || *out.Arn != "arn:aws:iam::210987654321:user/sandbox" || !strings.HasPrefix(*out.UserId, "AIDA") {
		t.Errorf("%s %s %s", *out.Account, *out.Arn, *out.UserId)
	}
	for key, want := range map[Credential]string{
		{AccessKeyID: "nobody", SecretAccessKey: "x"}:  "InvalidClientTokenId",
		{AccessKeyID: "sandbox", SecretAccessKey: "x"}: "SignatureDoesNotMatch",
	} {
		if _, err := stsClient(srv, key).GetCallerIdentity(t.Context(), nil); code(err) != want {
			t.Errorf("%v: %v, want %s", key, err, want)
		}
	}
}

// A role's credentials open the runtime until they expire.
func TestAssumeRole(t *testing.T) {
	var now clock
	srv := serve(t, Options{Now: now.now})
	out, err := stsClient(srv, sandboxKey).AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: aws.String(roleARN), RoleSessionName: aws.String("me@example.com"), DurationSeconds: aws.Int32(900), ExternalId: aws.String("ex-1"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := time.Until(*out.Credentials.Expiration); got > 15*time.Minute || got < 14*time.Minute {
		t.Errorf("expires in %s", got)
	}
	if *out.AssumedRoleUser.Arn != "arn:aws:sts::123456789012:assumed-role/Caller/me@example.com" || !strings.HasSuffix(*out.AssumedRoleUser.AssumedRoleId, ":me@example.com") {
		t.Errorf("%s %s", *out.AssumedRoleUser.Arn, *out.AssumedRoleUser.AssumedRoleId)
	}
	role := credential(out.Credentials)
	if !strings.HasPrefix(role.AccessKeyID, "ASIA") || len(role.AccessKeyID) != 20 || len(role.SecretAccessKey) != 40 {
		t.Errorf("key %q, secret of %d", role.AccessKeyID, len(role.SecretAccessKey))
	}
	if err := converse(t.Context(), srv, role); err != nil {
		t.Error(err)
	}
	who, err := stsClient(srv, role).GetCallerIdentity(t.Context(), nil)
	if err != nil || *who.Arn != *out.AssumedRoleUser.Arn || *who.Account != "123456789012" {
		t.Errorf("%v %v", who, err)
	}
	for name, change := range map[string]func(*Credential){
		"no token":         func(c *Credential) { c.SessionToken = "" },
		"token changed":    func(c *Credential) { c.SessionToken = "e30" + c.SessionToken },
		"key of a session": func(c *Credential) { c.AccessKeyID = "ASIAANOTHERKEY000000" },
	} {
		spoilt := role
		change(&spoilt)
		if err := converse(t.Context(), srv, spoilt); code(err) != "UnrecognizedClientException" {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A chained role lives an hour at most.
	_, err = stsClient(srv, role).AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: aws.String(roleARN), RoleSessionName: aws.String("me"), DurationSeconds: aws.Int32(7200)})
	if code(err) != "ValidationError" || !strings.Contains(err.Error(), "role chaining") {
		t.Errorf("chained for two hours: %v", err)
	}
	now.offset = 4 * time.Minute // still valid, and within the skew of a signature
	if err := converse(t.Context(), srv, role); err != nil {
		t.Error(err)
	}
	// The token is judged before the clock of the signature, so it is enough to
	// let it run out.
	now.offset = 16 * time.Minute
	if err := converse(t.Context(), srv, role); code(err) != "ExpiredTokenException" {
		t.Errorf("after its end: %v", err)
	}
	if _, err := stsClient(srv, role).GetCallerIdentity(t.Context(), nil); code(err) != "ExpiredToken" {
		t.Errorf("STS after its end: %v", err)
	}
}

func TestAssumeRoleRefusals(t *testing.T) {
	srv := serve(t, Options{})
	for _, c := range []struct {
		form, code, message string
	}{
		{"Action=AssumeRole&RoleSessionName=me", "ValidationError", "'roleArn'"},
		{"Action=AssumeRole&RoleSessionName=me&RoleArn=arn:aws:s3:::bucket", "ValidationError", "arn:aws:s3:::bucket is invalid"},
		{"Action=AssumeRole&RoleArn=" + roleARN, "ValidationError", "'roleSessionName'"},
		{"Action=AssumeRole&RoleSessionName=m&RoleArn=" + roleARN, "ValidationError", "greater than or equal to 2"},
		{"Action=AssumeRole&RoleSessionName=a%2Fb&RoleArn=" + roleARN, "ValidationError", "regular expression"},
		{"Action=AssumeRole&RoleSessionName=" + strings.Repeat("m", 65) + "&RoleArn=" + roleARN, "ValidationError", "less than or equal to 64"},
		{"Action=AssumeRole&RoleSessionName=me&DurationSeconds=899&RoleArn=" + roleARN, "ValidationError", "Value '899' at 'durationSeconds'"},
		{"Action=AssumeRole&RoleSessionName=me&DurationSeconds=43201&RoleArn=" + roleARN, "ValidationError", "Value '43201' at 'durationSeconds'"},
		{"Action=AssumeRole&RoleSessionName=me&DurationSeconds=x&RoleArn=" + roleARN, "MalformedInput", "DurationSeconds"},
		{"Action=AssumeRole&RoleSessionName=me&ExternalId=x&RoleArn=" + roleARN, "ValidationError", "'externalId'"},
		{"Action=GetSessionToken", "InvalidAction", "Could not find operation GetSessionToken"},
		{"", "MissingAction", "GetCallerIdentity, AssumeRole and AssumeRoleWithWebIdentity"},
		{"Action=%zz", "MalformedInput", "not a form"},
	} {
		r := wire{srv, sandboxKey, "sts"}.request(t, "/", []byte(c.form))
		got := send(t, srv, r)
		if got.status != 400 || !strings.Contains(string(got.body), "<Code>"+c.code+"</Code>") || !strings.Contains(unescapeXML(got.body), c.message) {
			t.Errorf("%s: %d %s", c.form, got.status, got.body)
		}
	}
	if got := send(t, srv, wire{srv, sandboxKey, "bedrock"}.request(t, "/", []byte("Action=GetCallerIdentity"))); got.status != 403 ||
		!strings.Contains(unescapeXML(got.body), "Credential should be scoped to correct service: 'sts'.") {
		t.Errorf("signed for bedrock: %d %s", got.status, got.body)
	}
}

func unescapeXML(b []byte) string { return strings.ReplaceAll(string(b), "&#39;", "'") }

func TestAssumeRoleWithWebIdentity(t *testing.T) {
	srv := serve(t, Options{})
	client := stsClient(srv, Credential{AccessKeyID: "nobody", SecretAccessKey: "x"}) // the call is not signed
	hour := time.Now().Add(time.Hour).Unix()
	whole := func() jwt.MapClaims {
		return jwt.MapClaims{"iss": "https://oidc.example.com/id/1", "sub": "system:serviceaccount:dial:outcrop", "aud": []string{"sts.amazonaws.com"}, "exp": hour}
	}
	out, err := client.AssumeRoleWithWebIdentity(t.Context(), &sts.AssumeRoleWithWebIdentityInput{
		RoleArn: aws.String(roleARN), RoleSessionName: aws.String("pod"), WebIdentityToken: aws.String(token(t, whole())),
	})
	if err != nil {
		t.Fatal(err)
	}
	if *out.SubjectFromWebIdentityToken != "system:serviceaccount:dial:outcrop" || *out.Audience != "sts.amazonaws.com" || *out.Provider != "oidc.example.com/id/1" {
		t.Errorf("%s %s %s", *out.SubjectFromWebIdentityToken, *out.Audience, *out.Provider)
	}
	if err := converse(t.Context(), srv, credential(out.Credentials)); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		name   string
		change func(jwt.MapClaims)
		code   string
	}{
		{"expired", func(m jwt.MapClaims) { m["exp"] = time.Now().Add(-time.Minute).Unix() }, "ExpiredTokenException"},
		{"no exp", func(m jwt.MapClaims) { delete(m, "exp") }, "InvalidIdentityToken"},
		{"no sub", func(m jwt.MapClaims) { delete(m, "sub") }, "InvalidIdentityToken"},
		{"no iss", func(m jwt.MapClaims) { delete(m, "iss") }, "InvalidIdentityToken"},
		{"no aud", func(m jwt.MapClaims) { delete(m, "aud") }, "InvalidIdentityToken"},
		{"aud is a number", func(m jwt.MapClaims) { m["aud"] = 7 }, "InvalidIdentityToken"},
		{"aud is one string", func(m jwt.MapClaims) { m["aud"] = "me" }, ""},
	} {
		claims := whole()
		c.change(claims)
		_, err := client.AssumeRoleWithWebIdentity(t.Context(), &sts.AssumeRoleWithWebIdentityInput{
			RoleArn: aws.String(roleARN), RoleSessionName: aws.String("pod"), WebIdentityToken: aws.String(token(t, claims)),
		})
		if code(err) != c.code || (c.code == "") != (err == nil) {
			t.Errorf("%s: %v, want %q", c.name, err, c.code)
		}
	}
	_, err = client.AssumeRoleWithWebIdentity(t.Context(), &sts.AssumeRoleWithWebIdentityInput{
		RoleArn: aws.String(roleARN), RoleSessionName: aws.String("pod"), WebIdentityToken: aws.String("not a token"),
	})
	if code(err) != "InvalidIdentityToken" {
		t.Errorf("not a token: %v", err)
	}
}
