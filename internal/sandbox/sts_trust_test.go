package sandbox

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/golang-jwt/jwt/v5"
)

// issuer is an identity provider with a key of each kind.
type issuer struct {
	srv *httptest.Server
	rsa *rsa.PrivateKey
	ec  *ecdsa.PrivateKey
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	var p issuer
	var err error
	if p.rsa, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	if p.ec, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	p.srv = httptest.NewTLSServer(mux)
	t.Cleanup(p.srv.Close)
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, p.srv.URL, p.srv.URL+"/openid/v1/jwks")
	})
	mux.HandleFunc("/openid/v1/jwks", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(p.keys(t)) })
	return &p
}

// keys is the JWKS document.
func (p *issuer) keys(t *testing.T) []byte {
	b64 := base64.RawURLEncoding.EncodeToString
	point, err := p.ec.PublicKey.Bytes()
	if err != nil {
		t.Error(err)
	}
	out, err := json.Marshal(map[string]any{"keys": []any{
		map[string]any{"kty": "RSA", "kid": "r", "alg": "RS256", "use": "sig", "n": b64(p.rsa.N.Bytes()), "e": b64(big.NewInt(int64(p.rsa.E)).Bytes())},
		map[string]any{"kty": "EC", "kid": "e", "alg": "ES256", "use": "sig", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])},
	}})
	if err != nil {
		t.Error(err)
	}
	return out
}

func (p *issuer) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(p.srv.Certificate())
	return pool
}

// claims of a pod's token, changed by pairs of name and value.
func (p *issuer) claims(pairs ...any) jwt.MapClaims {
	out := jwt.MapClaims{
		"iss": p.srv.URL, "sub": "system:serviceaccount:dial:dial-bedrock", "aud": []string{"sts.amazonaws.com"},
		"exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix(), "nbf": time.Now().Unix(),
		"kubernetes.io": map[string]any{"namespace": "dial", "pod": map[string]any{"name": "dial-bedrock-7d9", "uid": "u-1"}},
	}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i].(string)] = pairs[i+1]
	}
	return out
}

func (p *issuer) sign(t *testing.T, claims jwt.MapClaims) string {
	return signed(t, jwt.SigningMethodRS256, "r", p.rsa, claims)
}

func signed(t *testing.T, method jwt.SigningMethod, kid string, key any, claims jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(method, claims)
	token.Header["kid"] = kid
	out, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// irsa is a sandbox with a provider and a role that trusts one service account of it.
func irsa(t *testing.T, p *issuer) (*httptest.Server, string) {
	t.Helper()
	srv := serve(t, Options{OIDCRoots: p.pool()})
	c := iamClient(srv, sandboxKey)
	provider, err := c.CreateOpenIDConnectProvider(t.Context(), &iam.CreateOpenIDConnectProviderInput{Url: &p.srv.URL, ClientIDList: []string{"sts.amazonaws.com"}})
	if err != nil {
		t.Fatal(err)
	}
	host := strings.TrimPrefix(p.srv.URL, "https://")
	return srv, newRole(t, srv, "dial", fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":%q},"Action":"sts:AssumeRoleWithWebIdentity",
		"Condition":{"StringEquals":{%q:"sts.amazonaws.com",%q:"system:serviceaccount:dial:dial-bedrock"}}}]}`, *provider.OpenIDConnectProviderArn, host+":aud", host+":sub"))
}

// newRole makes a role and gives its ARN.
func newRole(t *testing.T, srv *httptest.Server, name, trust string) string {
	t.Helper()
	out, err := iamClient(srv, sandboxKey).CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust})
	if err != nil {
		t.Fatal(err)
	}
	return *out.Role.Arn
}

func allowRole(t *testing.T, srv *httptest.Server, name, policy string) {
	t.Helper()
	if _, err := iamClient(srv, sandboxKey).PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("p"), PolicyDocument: &policy}); err != nil {
		t.Fatal(err)
	}
}

// Tokens as a real cluster signs them, and what STS says of those that are not good.
func TestWebIdentityIsVerified(t *testing.T) {
	p, stranger := newIssuer(t), newIssuer(t)
	srv, role := irsa(t, p)
	assume := func(token, role string) (*sts.AssumeRoleWithWebIdentityOutput, error) {
		return stsClient(srv, Credential{}).AssumeRoleWithWebIdentity(t.Context(), &sts.AssumeRoleWithWebIdentityInput{
			RoleArn: &role, RoleSessionName: aws.String("pod"), WebIdentityToken: &token,
		})
	}
	const denied = "AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity"
	for _, x := range []struct{ name, token, role, want string }{
		{"RS256", p.sign(t, p.claims()), role, ""},
		{"ES256", signed(t, jwt.SigningMethodES256, "e", p.ec, p.claims()), role, ""},
		{"wrong audience", p.sign(t, p.claims("aud", "kubernetes")), role, "InvalidIdentityToken: Incorrect token audience"},
		{"wrong subject", p.sign(t, p.claims("sub", "system:serviceaccount:dial:default")), role, denied},
		{"expired", p.sign(t, p.claims("exp", time.Now().Add(-time.Minute).Unix())), role, "ExpiredTokenException: Token expired"},
		{"not yet valid", p.sign(t, p.claims("nbf", time.Now().Add(time.Hour).Unix())), role, "InvalidIdentityToken: Token must be issued in the past"},
		{"another's key under a known id", signed(t, jwt.SigningMethodRS256, "r", stranger.rsa, p.claims()), role, "InvalidIdentityToken: " + tokenNotValid},
		{"a key that nobody has", signed(t, jwt.SigningMethodRS256, "x", stranger.rsa, p.claims()), role, "InvalidIdentityToken: " + noVerificationKey},
		{"no signature", signed(t, jwt.SigningMethodNone, "r", jwt.UnsafeAllowNoneSignatureType, p.claims()), role, "InvalidIdentityToken: " + tokenNotValid},
		{"public key as secret", signed(t, jwt.SigningMethodHS256, "r", p.keys(t), p.claims()), role, "InvalidIdentityToken: " + tokenNotValid},
		{"unknown issuer", stranger.sign(t, stranger.claims()), role, "InvalidIdentityToken: No OpenIDConnect provider found in your account for " + stranger.srv.URL},
		{"no such role in IAM", stranger.sign(t, stranger.claims()), "arn:aws:iam::" + testAccount + ":role/elsewhere", ""},
	} {
		_, err := assume(x.token, x.role)
		if got := failed(err); got != x.want && (x.want == "" || !strings.HasPrefix(got, x.want)) {
			t.Errorf("%s: %q, want %q", x.name, got, x.want)
		}
	}
	// The role's own policies decide what its sessions may do.
	out, err := assume(p.sign(t, p.claims()), role)
	if err != nil {
		t.Fatal(err)
	}
	err = converse(t.Context(), srv, credential(out.Credentials))
	if want := "AccessDeniedException: User: arn:aws:sts::" + testAccount + ":assumed-role/dial/pod is not authorized to perform: bedrock:InvokeModel on resource: " +
		"arn:aws:bedrock:us-east-1:" + testAccount + ":inference-profile/" + novaID + " because no identity-based policy allows the bedrock:InvokeModel action"; failed(err) != want {
		t.Errorf("%v", err)
	}
	allowRole(t, srv, "dial", guidesPolicy)
	if err := converse(t.Context(), srv, credential(out.Credentials)); err != nil {
		t.Error(err)
	}
	p.srv.Close()
	if _, err := assume(p.sign(t, p.claims()), role); code(err) != "IDPCommunicationError" {
		t.Errorf("a provider that does not answer: %v", err)
	}
}

// The keys of an issuer that cannot be asked are given.
func TestWebIdentityWithGivenKeys(t *testing.T) {
	p := newIssuer(t)
	p.srv.Close()
	srv := serve(t, Options{OIDCKeys: map[string]string{p.srv.URL: string(p.keys(t))}})
	provider, err := iamClient(srv, sandboxKey).CreateOpenIDConnectProvider(t.Context(), &iam.CreateOpenIDConnectProviderInput{Url: &p.srv.URL, ClientIDList: []string{"sts.amazonaws.com"}})
	if err != nil {
		t.Fatal(err)
	}
	role := newRole(t, srv, "dial", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"`+*provider.OpenIDConnectProviderArn+`"},"Action":"sts:AssumeRoleWithWebIdentity"}]}`)
	if _, err := stsClient(srv, Credential{}).AssumeRoleWithWebIdentity(t.Context(), &sts.AssumeRoleWithWebIdentityInput{
		RoleArn: &role, RoleSessionName: aws.String("pod"), WebIdentityToken: aws.String(p.sign(t, p.claims())),
	}); err != nil {
		t.Error(err)
	}
}

// Who may enter a role of IAM: whom its trust names, with the external id and the tags that it wants, and
// who may by policies of its own.
func TestAssumeRoleObeysTrust(t *testing.T) {
	srv := serve(t, Options{})
	me := "arn:aws:iam::" + testAccount + ":user/"
	trust := func(principal, actions, condition string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + principal + `"},"Action":` + actions + condition + `}]}`
	}
	plain := newUser(t, srv, "plain", "")
	able := newUser(t, srv, "able", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["sts:AssumeRole"],"Resource":"*"}}`)
	kept := newUser(t, srv, "kept", `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":["sts:*"],"Resource":"*"}}`)
	direct := newRole(t, srv, "direct", trust(me+"plain", `"sts:AssumeRole"`, ""))
	whole := newRole(t, srv, "whole", trust("arn:aws:iam::"+testAccount+":root", `["sts:AssumeRole","sts:TagSession"]`, ""))
	secret := newRole(t, srv, "secret", trust(testAccount, `"sts:AssumeRole"`, `,"Condition":{"StringEquals":{"sts:ExternalId":"dial-1"}}`))
	chained := newRole(t, srv, "chained", trust(whole, `"sts:AssumeRole"`, ""))
	no := func(name, action, role, why string) string {
		return "AccessDenied: User: " + me + name + " is not authorized to perform: " + action + " on resource: " + role + why
	}
	implicit := " because no identity-based policy allows the sts:AssumeRole action"
	for _, x := range []struct {
		name       string
		key        Credential
		role       string
		externalID string
		tagged     bool
		want       string
	}{
		{"named", plain, direct, "", false, ""},
		{"not named", able, direct, "", false, no("able", "sts:AssumeRole", direct, "")},
		{"the account, allowed", able, whole, "", false, ""},
		{"the account, not allowed", plain, whole, "", false, no("plain", "sts:AssumeRole", whole, implicit)},
		{"denied by oneself", kept, whole, "", false, no("kept", "sts:AssumeRole", whole, " with an explicit deny in an identity-based policy")},
		{"without the external id", able, secret, "", false, no("able", "sts:AssumeRole", secret, "")},
		{"with another external id", able, secret, "dial-2", false, no("able", "sts:AssumeRole", secret, "")},
		{"with the external id", able, secret, "dial-1", false, ""},
		{"tags, not trusted", plain, direct, "", true, no("plain", "sts:TagSession", direct, "")},
		{"tags, not allowed", able, whole, "", true, no("able", "sts:TagSession", whole, " because no identity-based policy allows the sts:TagSession action")},
		{"tags, the sandbox's own key", sandboxKey, whole, "", true, ""},
		{"an unknown path", sandboxKey, strings.Replace(whole, "role/", "role/x/", 1), "", false, no("sandbox", "sts:AssumeRole", strings.Replace(whole, "role/", "role/x/", 1), "")},
		{"a role that IAM does not know", sandboxKey, roleARN, "", false, ""},
		{"a role that IAM does not know, not allowed", plain, roleARN, "", false, no("plain", "sts:AssumeRole", roleARN, implicit)},
	} {
		in := &sts.AssumeRoleInput{RoleArn: &x.role, RoleSessionName: aws.String("me")}
		if x.externalID != "" {
			in.ExternalId = &x.externalID
		}
		if x.tagged {
			in.Tags = []types.Tag{{Key: aws.String("team"), Value: aws.String("dial")}}
		}
		if _, err := stsClient(srv, x.key).AssumeRole(t.Context(), in); failed(err) != x.want {
			t.Errorf("%s:\n got %q\nwant %q", x.name, failed(err), x.want)
		}
	}
	// A role that another role's trust names is entered with the first one's session.
	first, err := stsClient(srv, able).AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: &whole, RoleSessionName: aws.String("me")})
	if err != nil {
		t.Fatal(err)
	}
	second, err := stsClient(srv, credential(first.Credentials)).AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: &chained, RoleSessionName: aws.String("me")})
	if err != nil {
		t.Fatal(err)
	}
	if who, err := stsClient(srv, credential(second.Credentials)).GetCallerIdentity(t.Context(), nil); err != nil || !strings.HasSuffix(*who.Arn, ":assumed-role/chained/me") {
		t.Errorf("%v %v", who, err)
	}
	if _, err := stsClient(srv, sandboxKey).AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: &whole, RoleSessionName: aws.String("me"), DurationSeconds: aws.Int32(7200)}); failed(err) !=
		"ValidationError: The requested DurationSeconds exceeds the MaxSessionDuration set for this role." {
		t.Error(err)
	}
}
