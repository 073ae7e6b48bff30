package sandbox

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/bedrock"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	brtypes "github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go/auth/bearer"
)

// askIn is a Converse with a directive, in a region.
func askIn(t *testing.T, srv *httptest.Server, key Credential, region, model, directive string) error {
	t.Helper()
	cfg := awsConfig(srv, key)
	cfg.Region = region
	_, err := bedrockruntime.NewFromConfig(cfg).Converse(t.Context(), &bedrockruntime.ConverseInput{ModelId: &model, Messages: sdkUser("hi " + directive)})
	return err
}

// The statements that a profile needs, in the regions that are given; "" is the ARN without a region.
func profilePolicy(profile, conditions string, regions ...string) string {
	var models []string
	for _, r := range regions {
		models = append(models, `"arn:aws:bedrock:`+r+`::foundation-model/`+claudeModel+`"`)
	}
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"bedrock:InvokeModel","Resource":"` + profile + `"},` +
		`{"Effect":"Allow","Action":"bedrock:InvokeModel","Resource":[` + strings.Join(models, ",") + `]` + conditions + `}]}`
}

// Trap: a policy without the ARNs of the destination regions works until Bedrock routes elsewhere.
func TestTrap07TheDestinationRegionJudges(t *testing.T) {
	srv := serve(t, Options{})
	profile := "arn:aws:bedrock:eu-west-1:" + testAccount + ":inference-profile/eu." + claudeModel
	behind := `,"Condition":{"StringEquals":{"bedrock:InferenceProfileArn":"` + profile + `"}}`
	source := newUser(t, srv, "source", profilePolicy(profile, behind, "eu-west-1"))
	all := newUser(t, srv, "all", profilePolicy(profile, behind, "eu-west-1", "eu-west-3", "eu-central-1", "eu-north-1", "eu-south-1", "eu-south-2"))
	model := newUser(t, srv, "model", profilePolicy("arn:aws:bedrock:eu-west-1:"+testAccount+":inference-profile/other", "", "eu-west-1"))
	no := func(name, on string) string {
		return "AccessDeniedException: User: arn:aws:iam::" + testAccount + ":user/" + name + " is not authorized to perform: bedrock:InvokeModel on resource: " + on +
			" because no identity-based policy allows the bedrock:InvokeModel action"
	}
	for _, x := range []struct {
		name, id, directive string
		key                 Credential
		want                string
	}{
		{"in the source region", "eu." + claudeModel, "", source, ""},
		{"routed elsewhere", "eu." + claudeModel, "[[sandbox route=eu-north-1]]", source, no("source", "arn:aws:bedrock:eu-north-1::foundation-model/"+claudeModel)},
		{"all regions, routed elsewhere", "eu." + claudeModel, "[[sandbox route=eu-north-1]]", all, ""},
		{"all regions at once", "eu." + claudeModel, "[[sandbox route=every]]", all, ""},
		{"the first that is missing", "eu." + claudeModel, "[[sandbox route=every]]", source, no("source", "arn:aws:bedrock:eu-central-1::foundation-model/"+claudeModel)},
		{"a region that the profile has not", "eu." + claudeModel, "[[sandbox route=us-east-1]]", source, ""},
		{"the model by itself, behind a profile only", claudeModel, "", all, no("all", "arn:aws:bedrock:eu-west-1::foundation-model/"+claudeModel)},
		{"the model without the profile", "eu." + claudeModel, "", model, no("model", profile)},
		{"the profile by its ARN", profile, "", source, ""},
	} {
		if got := failed(askIn(t, srv, x.key, "eu-west-1", x.id, x.directive)); got != x.want {
			t.Errorf("%s:\n got %q\nwant %q", x.name, got, x.want)
		}
	}
	strict := serve(t, Options{Route: "every"})
	source = newUser(t, strict, "source", profilePolicy(profile, behind, "eu-west-1"))
	if got := failed(askIn(t, strict, source, "eu-west-1", "eu."+claudeModel, "")); !strings.Contains(got, "eu-central-1") {
		t.Errorf("a sandbox that routes everywhere: %q", got)
	}
	if got := failed(askIn(t, strict, source, "eu-west-1", "eu."+claudeModel, "[[sandbox route=source]]")); got != "" {
		t.Errorf("a directive wins over the option: %q", got)
	}
}

// Trap: a global profile wants three grants, the third without a region; and a service control policy on
// the region denies a region that nobody asked for.
func TestTrap08AGlobalProfileHasThreeGrants(t *testing.T) {
	srv := serve(t, Options{})
	profile := "arn:aws:bedrock:eu-west-1:" + testAccount + ":inference-profile/global." + claudeModel
	two := newUser(t, srv, "two", profilePolicy(profile, "", "eu-west-1"))
	three := newUser(t, srv, "three", profilePolicy(profile, "", "eu-west-1", ""))
	unspecified := newUser(t, srv, "unspecified", profilePolicy(profile, `,"Condition":{"StringEquals":{"aws:RequestedRegion":["eu-west-1","unspecified"]}}`, "eu-west-1", ""))
	named := newUser(t, srv, "named", profilePolicy(profile, `,"Condition":{"StringEquals":{"aws:RequestedRegion":"eu-west-1"}}`, "eu-west-1", ""))
	missing := func(name string) string {
		return "AccessDeniedException: User: arn:aws:iam::" + testAccount + ":user/" + name + " is not authorized to perform: bedrock:InvokeModel on resource: " +
			"arn:aws:bedrock:::foundation-model/" + claudeModel + " because no identity-based policy allows the bedrock:InvokeModel action"
	}
	for _, x := range []struct {
		name string
		key  Credential
		want string
	}{{"two grants", two, missing("two")}, {"three grants", three, ""}, {"with the unspecified region", unspecified, ""}, {"with a region that is named", named, missing("named")}} {
		if got := failed(askIn(t, srv, x.key, "eu-west-1", "global."+claudeModel, "")); got != x.want {
			t.Errorf("%s:\n got %q\nwant %q", x.name, got, x.want)
		}
	}
	scp := serve(t, Options{ServiceControlPolicy: []byte(`{"Version":"2012-10-17","Statement":{"Effect":"Deny","NotAction":["iam:*","sts:*"],"Resource":"*",
		"Condition":{"StringNotEquals":{"aws:RequestedRegion":["eu-west-1","eu-central-1"]}}}}`)})
	if err := askIn(t, scp, sandboxKey, "eu-west-1", "eu."+claudeModel, ""); err != nil {
		t.Error(err)
	}
	const by = " with an explicit deny in a service control policy"
	for id, directive := range map[string]string{"global." + claudeModel: "", "eu." + claudeModel: "[[sandbox route=eu-north-1]]"} {
		if got := failed(askIn(t, scp, sandboxKey, "eu-west-1", id, directive)); !strings.HasPrefix(got, "AccessDeniedException: User: arn:aws:iam::"+testAccount+":user/sandbox ") || !strings.HasSuffix(got, by) {
			t.Errorf("%s: %q", id, got)
		}
	}
}

// A guardrail, a stream, counting, an application profile and an agreement each want their own permission.
func TestOtherPermissions(t *testing.T) {
	srv := serve(t, Options{})
	one := newUser(t, srv, "one", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["bedrock:InvokeModel","bedrock:CreateFoundationModelAgreement"],"Resource":"*"}}`)
	runtime := bedrockruntime.NewFromConfig(awsConfig(srv, one))
	_, guarded := runtime.Converse(t.Context(), &bedrockruntime.ConverseInput{ModelId: aws.String(novaID), Messages: sdkUser("hi"),
		GuardrailConfig: &brtypes.GuardrailConfiguration{GuardrailIdentifier: aws.String("gr1"), GuardrailVersion: aws.String("1")}})
	_, streamed := runtime.ConverseStream(t.Context(), &bedrockruntime.ConverseStreamInput{ModelId: aws.String(novaID), Messages: sdkUser("hi")})
	_, counted := runtime.CountTokens(t.Context(), &bedrockruntime.CountTokensInput{ModelId: aws.String(claudeModel),
		Input: &brtypes.CountTokensInputMemberConverse{Value: brtypes.ConverseTokensRequest{Messages: sdkUser("hi")}}})
	_, agreed := bedrock.NewFromConfig(awsConfig(srv, one)).CreateFoundationModelAgreement(t.Context(), &bedrock.CreateFoundationModelAgreementInput{ModelId: aws.String(claudeModel), OfferToken: aws.String("t")})
	narrow := newUser(t, srv, "narrow", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"bedrock:*","Resource":"arn:aws:bedrock:*:*:application-inference-profile/*"}}`)
	application := "arn:aws:bedrock:us-east-1:" + testAccount + ":application-inference-profile/" + demoID("us."+claudeModel)
	for what, x := range map[string]struct {
		err  error
		want string
	}{
		"guardrail":   {guarded, "bedrock:ApplyGuardrail on resource: arn:aws:bedrock:us-east-1:" + testAccount + ":guardrail/gr1 because"},
		"stream":      {streamed, "bedrock:InvokeModelWithResponseStream on resource: arn:aws:bedrock:us-east-1:" + testAccount + ":inference-profile/" + novaID + " because"},
		"count":       {counted, "bedrock:CountTokens on resource: arn:aws:bedrock:us-east-1::foundation-model/" + claudeModel + " because"},
		"agreement":   {agreed, "aws-marketplace:Subscribe because"},
		"application": {askIn(t, srv, narrow, "us-east-1", application, ""), "bedrock:InvokeModel on resource: arn:aws:bedrock:us-east-1::foundation-model/" + claudeModel + " because"},
	} {
		if code(x.err) != "AccessDeniedException" || !strings.Contains(failed(x.err), "is not authorized to perform: "+x.want) {
			t.Errorf("%s: %q", what, failed(x.err))
		}
	}
}

// shortTermKey is an API key as AWS's token generators make it.
func shortTermKey(t *testing.T, key Credential, at time.Time, seconds int) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+shortTermHost+"/?Action=CallWithBearerToken&X-Amz-Expires="+fmt.Sprint(seconds), nil)
	if err != nil {
		t.Fatal(err)
	}
	empty := sha256.Sum256(nil)
	presigned, _, err := v4.NewSigner().PresignHTTP(t.Context(), aws.Credentials{AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey, SessionToken: key.SessionToken},
		r, hex.EncodeToString(empty[:]), "bedrock", "us-east-1", at)
	if err != nil {
		t.Fatal(err)
	}
	return shortTermPrefix + base64.StdEncoding.EncodeToString([]byte(strings.TrimPrefix(presigned, "https://")+"&Version=1"))
}

// A short-term API key has the permissions of its signer, and wants one more.
func TestShortTermKeys(t *testing.T) {
	srv := serve(t, Options{})
	guide := newUser(t, srv, "guide", guidesPolicy)
	full := newUser(t, srv, "full", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"bedrock:*","Resource":"*","Condition":{"StringEqualsIfExists":{"bedrock:BearerTokenType":"SHORT_TERM"}}}}`)
	const bad = "AccessDeniedException: Authentication failed: Please make sure your API Key is valid."
	spoilt := Credential{AccessKeyID: full.AccessKeyID, SecretAccessKey: "x"}
	for _, x := range []struct{ name, key, want string }{
		{"allowed", shortTermKey(t, full, time.Now(), 43200), ""},
		{"the sandbox's own", shortTermKey(t, sandboxKey, time.Now(), 900), ""},
		{"guide's policy", shortTermKey(t, guide, time.Now(), 900), "AccessDeniedException: User: arn:aws:iam::" + testAccount +
			":user/guide is not authorized to perform: bedrock:CallWithBearerToken because no identity-based policy allows the bedrock:CallWithBearerToken action"},
		{"expired", shortTermKey(t, full, time.Now().Add(-time.Hour), 900), bad},
		{"too long", shortTermKey(t, full, time.Now(), 43201), bad},
		{"wrong secret", shortTermKey(t, spoilt, time.Now(), 900), bad},
		{"not a key", shortTermPrefix + "e30=", bad},
	} {
		cfg := awsConfig(srv, Credential{})
		cfg.BearerAuthTokenProvider = bearer.StaticTokenProvider{Token: bearer.Token{Value: x.key}}
		cfg.AuthSchemePreference = []string{"httpBearerAuth"}
		_, err := bedrockruntime.NewFromConfig(cfg).Converse(t.Context(), &bedrockruntime.ConverseInput{ModelId: aws.String(novaID), Messages: sdkUser("hi")})
		if got := failed(err); got != x.want {
			t.Errorf("%s: %q, want %q", x.name, got, x.want)
		}
	}
}

// Mantle has permissions of its own.
func TestMantlePermissions(t *testing.T) {
	srv := serve(t, Options{})
	guide := newUser(t, srv, "guide", guidesPolicy)
	if _, err := iamClient(srv, sandboxKey).AttachUserPolicy(t.Context(), &iam.AttachUserPolicyInput{UserName: aws.String("guide"), PolicyArn: aws.String("arn:aws:iam::aws:policy/AmazonBedrockReadOnly")}); err != nil {
		t.Fatal(err)
	}
	post := func() (int, string) {
		w := wire{srv, guide, mantleService}
		answer, err := srv.Client().Do(w.request(t, pathMantleChat, []byte(`{"model":"openai.gpt-oss-120b","messages":[{"role":"user","content":"hi"}]}`)))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = answer.Body.Close() }()
		return answer.StatusCode, readText(t, answer.Body)
	}
	if status, body := post(); status != http.StatusForbidden || !strings.Contains(body, "bedrock-mantle:CreateInference on resource: arn:aws:bedrock-mantle:us-east-1:"+testAccount+":project/default because") {
		t.Errorf("%d %s", status, body)
	}
	if _, err := iamClient(srv, sandboxKey).AttachUserPolicy(t.Context(), &iam.AttachUserPolicyInput{UserName: aws.String("guide"), PolicyArn: aws.String("arn:aws:iam::aws:policy/AmazonBedrockMantleInferenceAccess")}); err != nil {
		t.Fatal(err)
	}
	if status, body := post(); status != http.StatusOK {
		t.Errorf("%d %s", status, body)
	}
}

// A count on mantle is an action of its own, which the managed policy for inference does not have.
func TestMantleCountPermission(t *testing.T) {
	srv := serve(t, Options{})
	policy := func(action string) Credential {
		return newUser(t, srv, action, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"bedrock-mantle:`+action+`","Resource":"*"}}`)
	}
	for key, want := range map[Credential]int{policy("CreateInference"): http.StatusForbidden, policy("CountTokens"): http.StatusOK} {
		w := wire{srv, key, mantleService}
		answer, err := srv.Client().Do(w.request(t, pathCountMessages, []byte(`{"model":"anthropic.claude-haiku-4-5","messages":[{"role":"user","content":"hi"}]}`), "Anthropic-Version", "2023-06-01"))
		if err != nil {
			t.Fatal(err)
		}
		body := readText(t, answer.Body)
		if _ = answer.Body.Close(); answer.StatusCode != want || want == http.StatusForbidden && !strings.Contains(body, "bedrock-mantle:CountTokens on resource") {
			t.Errorf("%d %s", answer.StatusCode, body)
		}
	}
}

// What a call works on is what it is judged by: members that its action does not read open nothing.
func TestStrayMembersOpenNothing(t *testing.T) {
	srv := serve(t, Options{})
	own := "arn:aws:iam::" + testAccount + ":user/mallory"
	key := newUser(t, srv, "mallory", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:*","Resource":"`+own+`"}}`)
	trust := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + own + `"},"Action":"sts:AssumeRole"}}`
	if _, err := iamClient(srv, sandboxKey).CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("admin"), AssumeRolePolicyDocument: &trust}); err != nil {
		t.Fatal(err)
	}
	all := url.QueryEscape(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`)
	for _, form := range []string{
		"Action=PutRolePolicy&RoleName=admin&UserName=mallory&PolicyName=p&PolicyDocument=" + all,
		"Action=UpdateAssumeRolePolicy&RoleName=admin&UserName=mallory&PolicyDocument=" + url.QueryEscape(trust),
		"Action=CreatePolicy&PolicyName=p&PolicyArn=" + own + "&PolicyDocument=" + all,
		"Action=CreateOpenIDConnectProvider&Url=https%3A%2F%2Fevil.example&UserName=mallory&PolicySourceArn=" + own,
		"Action=ListPolicies&PolicyArn=" + own,
	} {
		w := wire{srv, key, "iam"}
		answer, err := srv.Client().Do(w.request(t, "/", []byte(form+"&Version=2010-05-08"), "Content-Type", "application/x-www-form-urlencoded"))
		if err != nil {
			t.Fatal(err)
		}
		body := readText(t, answer.Body)
		if _ = answer.Body.Close(); answer.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d %s", form, answer.StatusCode, body)
		}
	}
	if _, err := iamClient(srv, key).CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{}); err != nil {
		t.Errorf("without a name the user is the caller: %v", err)
	}
}

func TestSimulatePrincipalPolicy(t *testing.T) {
	srv := serve(t, Options{})
	newUser(t, srv, "guide", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"bedrock:InvokeModel","Resource":"*","Condition":{"StringEquals":{"aws:RequestedRegion":"eu-west-1"}}},
		{"Effect":"Deny","Action":"bedrock:Delete*","Resource":"*"}]}`)
	simulate := func(action string, context ...iamtypes.ContextEntry) iamtypes.EvaluationResult {
		out, err := iamClient(srv, sandboxKey).SimulatePrincipalPolicy(t.Context(), &iam.SimulatePrincipalPolicyInput{
			PolicySourceArn: aws.String("arn:aws:iam::" + testAccount + ":user/guide"), ActionNames: []string{action}, ContextEntries: context,
		})
		if err != nil {
			t.Fatal(err)
		}
		return out.EvaluationResults[0]
	}
	region := iamtypes.ContextEntry{ContextKeyName: aws.String("aws:RequestedRegion"), ContextKeyType: iamtypes.ContextKeyTypeEnumString, ContextKeyValues: []string{"eu-west-1"}}
	if got := simulate("bedrock:InvokeModel", region); got.EvalDecision != "allowed" || *got.MatchedStatements[0].SourcePolicyId != "user_guide_p" {
		t.Errorf("%+v", got)
	}
	if got := simulate("bedrock:InvokeModel"); got.EvalDecision != "implicitDeny" || len(got.MissingContextValues) != 1 || got.MissingContextValues[0] != "aws:RequestedRegion" {
		t.Errorf("%+v", got)
	}
	if got := simulate("bedrock:DeleteGuardrail"); got.EvalDecision != "explicitDeny" {
		t.Errorf("%+v", got)
	}
}

func readText(t *testing.T, r io.Reader) string {
	t.Helper()
	body, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
