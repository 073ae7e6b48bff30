package main

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"outcrop/internal/sandbox"
)

const (
	grantIssuer = "https://oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE"
	grantNova   = "amazon.nova-lite-v1:0"
	grantConfig = `{"models": {"nova": {"type": "chat", "endpoint": "bedrock:` + grantNova + `"}}}`
)

// grantRig is an account with a cluster whose issuer's key the test has.
type grantRig struct {
	*httptest.Server
	key    *rsa.PrivateKey
	config string
}

func newGrantRig(t *testing.T) grantRig {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	keys, err := json.Marshal(map[string]any{"keys": []any{map[string]any{"kty": "RSA", "kid": "r", "alg": "RS256", "use": "sig", "n": b64(key.N.Bytes()), "e": b64(big.NewInt(int64(key.E)).Bytes())}}})
	if err != nil {
		t.Fatal(err)
	}
	handler, err := sandbox.New(sandbox.Options{
		Account: policyAccount, Clusters: []sandbox.Cluster{{Name: "prod", Issuer: grantIssuer}, {Name: "test"}}, OIDCKeys: map[string]string{grantIssuer: string(keys)},
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	clearAWS(t)
	for name, value := range map[string]string{"AWS_ENDPOINT_URL": server.URL, "AWS_ACCESS_KEY_ID": "sandbox", "AWS_SECRET_ACCESS_KEY": "sandbox", "AWS_REGION": "us-east-1"} {
		t.Setenv(name, value)
	}
	return grantRig{server, key, write(t, grantConfig)}
}

// grant runs outcrop aws grant with the rig's configuration, and wants an exit code.
func (r grantRig) grant(t *testing.T, code int, args ...string) (stdout, stderr string) {
	t.Helper()
	return r.bare(t, code, append(args, "--config", r.config)...)
}

func (r grantRig) bare(t *testing.T, code int, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	if got := run(t.Context(), append([]string{"aws", "grant"}, args...), strings.NewReader(""), &out, &errs); got != code {
		t.Fatalf("%v: exit %d, want %d\n%s%s", args, got, code, &out, &errs)
	}
	return out.String(), errs.String()
}

func (r grantRig) aws() aws.Config {
	return aws.Config{Region: "us-east-1", BaseEndpoint: &r.URL, Credentials: credentials.NewStaticCredentialsProvider("sandbox", "sandbox", "")}
}

// only wants that credentials can call the one model and nothing else.
func (r grantRig) only(t *testing.T, provider aws.CredentialsProvider) {
	t.Helper()
	cfg := r.aws()
	cfg.Credentials = provider
	client := bedrockruntime.NewFromConfig(cfg, func(o *bedrockruntime.Options) { o.RetryMaxAttempts = 1 })
	invoke := func(model string) error {
		_, err := client.InvokeModel(t.Context(), &bedrockruntime.InvokeModelInput{ModelId: &model, Body: []byte(`{"schemaVersion":"messages-v1","messages":[{"role":"user","content":[{"text":"Hi"}]}]}`)})
		return err
	}
	if err := invoke(grantNova); err != nil {
		t.Errorf("the granted model: %v", err)
	}
	for _, other := range []string{"amazon.nova-pro-v1:0", "us." + grantNova} {
		if err := invoke(other); err == nil || !strings.Contains(err.Error(), "not authorized") {
			t.Errorf("%s: %v", other, err)
		}
	}
	if _, err := awsiam.NewFromConfig(cfg).ListUsers(t.Context(), nil); err == nil {
		t.Error("it may list users")
	}
}

// token is one that the cluster gives a pod.
func (r grantRig) token(t *testing.T, account, audience string) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{
		"iss": grantIssuer, "sub": "system:serviceaccount:" + account, "aud": []string{audience}, "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix(),
		"kubernetes.io": map[string]any{"namespace": "dial", "pod": map[string]any{"name": "p-1", "uid": "u-1"}},
	})
	token.Header["kid"] = "r"
	out, err := token.SignedString(r.key)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

type fixedToken string

func (f fixedToken) GetIdentityToken() ([]byte, error) { return []byte(f), nil }

func (r grantRig) webIdentity(t *testing.T, account string) aws.CredentialsProvider {
	return stscreds.NewWebIdentityRoleProvider(sts.NewFromConfig(aws.Config{Region: "us-east-1", BaseEndpoint: &r.URL}),
		"arn:aws:iam::"+policyAccount+":role/dial-bedrock", fixedToken(r.token(t, account, "sts.amazonaws.com")))
}

func (r grantRig) pod(t *testing.T, account string) aws.CredentialsProvider {
	return endpointcreds.New(r.URL+"/v1/credentials", func(o *endpointcreds.Options) {
		o.AuthorizationToken = r.token(t, account, "pods.eks.amazonaws.com")
	})
}

// A directory of files, as a ConfigMap is mounted, is a configuration, too; what the same plan prints of a file.
func TestGrantOfADirectory(t *testing.T) {
	r := newGrantRig(t)
	dir := t.TempDir()
	for name, text := range map[string]string{"a.json": grantConfig, "b.yaml": "models: {pro: {type: chat, endpoint: 'bedrock:amazon.nova-pro-v1:0'}}", ".c.json": "{"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, errs := r.bare(t, 0, "user", "dial", "--config", dir)
	if !strings.Contains(out, grantNova) || !strings.Contains(out, "amazon.nova-pro-v1:0") {
		t.Errorf("%s%s", out, errs)
	}
	if _, errs := r.bare(t, 1, "user", "dial", "--config", t.TempDir()); !strings.Contains(errs, "has no file named *.json") {
		t.Error(errs)
	}
}

// A plan writes nothing to AWS, and what it prints is read in testdata/grant.
func TestGrantPlans(t *testing.T) {
	r := newGrantRig(t)
	upstreams := write(t, `{"models": {"nova": {"type": "chat", "endpoint": "bedrock:`+grantNova+`", "upstreams": [
		{"extraData": {"region": "us-east-1", "aws_assume_role_arn": "arn:aws:iam::`+policyAccount+`:role/team-a", "aws_external_id": "a-1"}},
		{"extraData": {"region": "us-east-1", "aws_assume_role_arn": "arn:aws:iam::444455556666:role/team-b"}}]}}}`)
	for name, args := range map[string][]string{
		"user":         {"user", "dial", "--config", r.config},
		"user-key":     {"user", "dial", "--config", r.config, "--create-access-key", "--secret-out", "-"},
		"irsa":         {"service-account", "dial/dial-bedrock", "--cluster", "prod", "--config", r.config},
		"issuer":       {"service-account", "dial/dial-bedrock", "--issuer", "https://oidc.example/k3s", "--config", r.config},
		"pod-identity": {"service-account", "dial/dial-bedrock", "--cluster", "prod", "--pod-identity", "--config", r.config},
		"role":         {"role", "team", "--trust", "arn:aws:iam::" + policyAccount + ":role/dial-bedrock", "--external-id", "a-1", "--config", r.config},
		"upstreams":    {"service-account", "dial/dial-bedrock", "--cluster", "prod", "--config", upstreams},
	} {
		for _, form := range []string{"text", "json"} {
			out, errs := r.bare(t, 0, append(args, "--output", form)...)
			if name == "user-key" {
				out, errs = errs, out
			}
			if errs != "" {
				t.Errorf("%s: %s", name, errs)
			}
			file := filepath.Join("testdata", "grant", name+"."+form)
			if *update {
				if err := os.WriteFile(file, []byte(out), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if d := cmp.Diff(string(want), out); err != nil || d != "" {
				t.Errorf("%s: %v %s", file, err, d)
			}
		}
	}
	if users, err := awsiam.NewFromConfig(r.aws()).ListUsers(t.Context(), nil); err != nil || len(users.Users) != 0 {
		t.Errorf("a plan made users: %v", err)
	}
}

// The user's key calls the model that was granted and nothing else; its secret is in the file alone.
func TestGrantUser(t *testing.T) {
	r := newGrantRig(t)
	file := filepath.Join(t.TempDir(), "secret.yaml")
	out, errs := r.grant(t, 0, "user", "dial", "--create-access-key", "--secret-out", file, "--namespace", "dial", "--apply")
	written, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		Kind       string
		Metadata   struct{ Name, Namespace string }
		StringData map[string]string `yaml:"stringData"`
	}
	if err := yaml.Unmarshal(written, &manifest); err != nil || manifest.Kind != "Secret" || manifest.Metadata.Name != "bedrock-aws" || manifest.Metadata.Namespace != "dial" {
		t.Fatalf("%+v %v", manifest.Metadata, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	hidden := manifest.StringData["AWS_SECRET_ACCESS_KEY"]
	if hidden == "" || strings.Contains(out+errs, hidden) {
		t.Errorf("the secret is printed, or there is none:\n%s%s", out, errs)
	}
	r.only(t, credentials.NewStaticCredentialsProvider(manifest.StringData["AWS_ACCESS_KEY_ID"], hidden, ""))
	if out, _ := r.grant(t, 0, "user", "dial", "--apply"); !strings.Contains(out, "Applied.") || strings.Contains(out, "create") && strings.Contains(out, ". create") {
		t.Errorf("applied twice:\n%s", out)
	}
	if _, errs := r.grant(t, 1, "user", "dial", "--create-access-key", "--secret-out", file, "--apply"); !strings.Contains(errs, "is not overwritten") {
		t.Error(errs)
	}
	// a second key, on standard output alone, in JSON
	out, errs = r.grant(t, 0, "user", "dial", "--create-access-key", "--secret-out", "-", "--secret-form", "json", "--output", "json", "--apply")
	var second map[string]string
	if err := json.Unmarshal([]byte(out), &second); err != nil || strings.Contains(errs, second["AWS_SECRET_ACCESS_KEY"]) || !strings.Contains(errs, "To rotate") {
		t.Errorf("%v %s", err, errs)
	}
	// and no third
	if _, errs := r.grant(t, 2, "user", "dial", "--create-access-key", "--secret-out", "-", "--apply"); !strings.Contains(errs, "aws iam delete-access-key") {
		t.Error(errs)
	}
}

// A pod of the service account gets the role with its token, one of another does not.
func TestGrantIRSA(t *testing.T) {
	r := newGrantRig(t)
	r.grant(t, 0, "service-account", "dial/dial-bedrock", "--cluster", "prod", "--apply")
	r.only(t, r.webIdentity(t, "dial:dial-bedrock"))
	if _, err := r.webIdentity(t, "dial:other").Retrieve(t.Context()); err == nil {
		t.Error("another service account gets the role")
	}
	if out, _ := r.grant(t, 0, "service-account", "dial/dial-bedrock", "--cluster", "prod"); !strings.Contains(out, "Nothing to do.") {
		t.Errorf("applied twice:\n%s", out)
	}
	// the role for another account, too: only when asked
	other := []string{"service-account", "dial/other", "--cluster", "prod", "--role", "dial-bedrock"}
	if out, _ := r.grant(t, 2, append(other, "--apply")...); !strings.Contains(out, `- `) || !strings.Contains(out, "serviceaccount:dial:other") || !strings.Contains(out, "--add keeps them") {
		t.Errorf("%s", out)
	}
	r.grant(t, 0, append(other, "--add", "--apply")...)
	r.only(t, r.webIdentity(t, "dial:other"))
	r.only(t, r.webIdentity(t, "dial:dial-bedrock"))
	if out, _ := r.grant(t, 0, append(other, "--add")...); !strings.Contains(out, "Nothing to do.") {
		t.Errorf("added twice:\n%s", out)
	}
	r.grant(t, 0, append(other, "--replace", "--apply")...)
	if _, err := r.webIdentity(t, "dial:dial-bedrock").Retrieve(t.Context()); err == nil {
		t.Error("--replace kept the first service account")
	}
}

// A pod gets the role of an association from the agent.
func TestGrantPodIdentity(t *testing.T) {
	r := newGrantRig(t)
	r.grant(t, 0, "service-account", "dial/dial-bedrock", "--cluster", "prod", "--pod-identity", "--apply")
	r.only(t, r.pod(t, "dial:dial-bedrock"))
	if _, err := r.pod(t, "dial:other").Retrieve(t.Context()); err == nil {
		t.Error("another service account gets the role")
	}
	if out, _ := r.grant(t, 0, "service-account", "dial/dial-bedrock", "--cluster", "prod", "--pod-identity"); !strings.Contains(out, "Nothing to do.") || strings.Contains(out, "annotations") {
		t.Errorf("applied twice:\n%s", out)
	}
	again := []string{"service-account", "dial/dial-bedrock", "--cluster", "prod", "--pod-identity", "--role", "second", "--apply"}
	if out, _ := r.grant(t, 2, again...); !strings.Contains(out, "+ arn:aws:iam::"+policyAccount+":role/second") {
		t.Error(out)
	}
	r.grant(t, 0, append(again, "--replace")...)
	r.only(t, r.pod(t, "dial:dial-bedrock"))
}

// A role is assumed by whom it trusts, with the external id.
func TestGrantRole(t *testing.T) {
	r := newGrantRig(t)
	r.grant(t, 0, "role", "team", "--trust", "arn:aws:iam::"+policyAccount+":user/sandbox", "--external-id", "a-1", "--apply")
	assume := func(id string) aws.CredentialsProvider {
		return stscreds.NewAssumeRoleProvider(sts.NewFromConfig(r.aws()), "arn:aws:iam::"+policyAccount+":role/team", func(o *stscreds.AssumeRoleOptions) { o.ExternalID = &id })
	}
	r.only(t, assume("a-1"))
	if _, err := assume("a-2").Retrieve(t.Context()); err == nil {
		t.Error("another external id is taken")
	}
}

// A plan applied with upstreams' roles lets the granted identity assume them, by two ways into one role, and
// chained.
func TestGrantUpstreamsRoles(t *testing.T) {
	r := newGrantRig(t)
	role := func(name string) string { return "arn:aws:iam::" + policyAccount + ":role/" + name }
	r.config = write(t, `{"models": {"nova": {"type": "chat", "endpoint": "bedrock:`+grantNova+`", "upstreams": [
		{"extraData": {"region": "us-east-1", "aws_assume_role_arn": "`+role("teams/a")+`", "aws_external_id": "a-1"}},
		{"extraData": {"region": "us-east-1", "aws_assume_role_arn": "`+role("teams/a")+`", "aws_external_id": "a-2"}},
		{"extraData": {"region": "us-east-1", "aws_assume_role_arn": "`+role("last")+`", "aws_role_chain": ["`+role("first")+`"]}}]}}}`)
	r.grant(t, 0, "service-account", "dial/dial-bedrock", "--cluster", "prod", "--apply")
	as := func(from aws.CredentialsProvider, arn, id string) aws.CredentialsProvider {
		cfg := r.aws()
		cfg.Credentials = from
		return stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), arn, func(o *stscreds.AssumeRoleOptions) {
			if id != "" {
				o.ExternalID = &id
			}
		})
	}
	own := aws.NewCredentialsCache(r.webIdentity(t, "dial:dial-bedrock"))
	r.only(t, as(own, role("teams/a"), "a-1"))
	r.only(t, as(own, role("teams/a"), "a-2"))
	r.only(t, as(as(own, role("first"), ""), role("last"), ""))
	if _, err := as(own, role("teams/a"), "a-3").Retrieve(t.Context()); err == nil {
		t.Error("another external id is taken")
	}
	if _, err := as(own, role("last"), "").Retrieve(t.Context()); err == nil {
		t.Error("the chain can be left out")
	}
	if out, _ := r.grant(t, 0, "service-account", "dial/dial-bedrock", "--cluster", "prod"); !strings.Contains(out, "Nothing to do.") {
		t.Errorf("applied twice:\n%s", out)
	}
}

// A policy that differs gets a new version only with --replace; with five, the oldest goes.
func TestGrantNewVersion(t *testing.T) {
	r := newGrantRig(t)
	for n := range 7 {
		file := write(t, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"bedrock:InvokeModel","Resource":"arn:aws:bedrock:us-east-1::foundation-model/m`+string(rune('a'+n))+`"}]}`)
		args := []string{"user", "dial", "--policy", file, "--apply"}
		if n > 0 {
			if out, _ := r.bare(t, 2, args...); !strings.Contains(out, "+") || !strings.Contains(out, "blocked") {
				t.Fatal(out)
			}
		}
		out, _ := r.bare(t, 0, append(args, "--replace")...)
		if gone := strings.Contains(out, "delete"); gone != (n >= 5) {
			t.Errorf("version %d:\n%s", n+1, out)
		}
	}
	list, err := awsiam.NewFromConfig(r.aws()).ListPolicyVersions(t.Context(), &awsiam.ListPolicyVersionsInput{PolicyArn: aws.String("arn:aws:iam::" + policyAccount + ":policy/outcrop-dial")})
	if err != nil || len(list.Versions) != 5 || *list.Versions[0].VersionId != "v7" && *list.Versions[4].VersionId != "v7" {
		t.Errorf("%+v %v", list, err)
	}
}

// What fails stops the plan; what is done is kept, what is left is told, and the same command goes on from there.
func TestGrantStopsAndGoesOn(t *testing.T) {
	r := newGrantRig(t)
	user := newPolicyUser(t, r.Server, "modest")
	user.put(t, "modest", "p", []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:Get*","iam:List*","iam:CreateUser"],"Resource":"*"}]}`))
	key, err := user.iam.CreateAccessKey(t.Context(), &awsiam.CreateAccessKeyInput{UserName: aws.String("modest")})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", *key.AccessKey.AccessKeyId)
	t.Setenv("AWS_SECRET_ACCESS_KEY", *key.AccessKey.SecretAccessKey)
	out, errs := r.grant(t, 1, "user", "dial", "--apply")
	for _, want := range []string{"done: create IAM user dial", "failed: create managed policy outcrop-dial", `{"Effect":"Allow","Action":"iam:CreatePolicy","Resource":"*"}`} {
		if !strings.Contains(errs, want) {
			t.Errorf("no %q in %s", want, errs)
		}
	}
	if !strings.Contains(out, "Not done:\n  create managed policy outcrop-dial\n  attach arn:") {
		t.Error(out)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "sandbox")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "sandbox")
	if out, _ := r.grant(t, 0, "user", "dial", "--apply"); !strings.Contains(out, "exists         IAM user dial") || !strings.Contains(out, "Applied.") {
		t.Error(out)
	}
}

func TestGrantBadInput(t *testing.T) {
	r := newGrantRig(t)
	tree := t.TempDir()
	if err := os.Mkdir(filepath.Join(tree, ".git"), 0o700); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		`"a b" cannot be the name of a user`: {"user", "a b"},
		"There is: prod, test":               {"service-account", "dial/x", "--cluster", "nope"},
		"write NAMESPACE/NAME":               {"service-account", "x", "--cluster", "prod"},
		"give --cluster NAME, or --issuer":   {"service-account", "dial/x"},
		"it must be an https URL":            {"service-account", "dial/x", "--issuer", "http://x"},
		"it must be the ARN of a role":       {"role", "x", "--trust", "arn:aws:iam::12:role/x"},
		"inside the git work tree":           {"user", "x", "--create-access-key", "--secret-out", filepath.Join(tree, "s.yaml")},
		"give --secret-out FILE":             {"user", "x", "--create-access-key"},
		"--secret-out without a key":         {"user", "x", "--secret-out", "-"},
		"it must be manifest, env or json":   {"user", "x", "--create-access-key", "--secret-out", "-", "--secret-form", "xml"},
		"--namespace is":                     {"user", "x", "--create-access-key", "--secret-out", "-", "--namespace", "x; rm"},
		"leave one out":                      {"user", "x", "--policy", "p.json"},
	} {
		if _, errs := r.grant(t, 1, args...); !strings.Contains(errs, want) {
			t.Errorf("no %q in %s", want, errs)
		}
	}
	if _, errs := r.bare(t, 1, "user", "x"); !strings.Contains(errs, "which policy is not said") {
		t.Error(errs)
	}
	if _, errs := r.bare(t, 1, "user", "x", "--policy", "arn:aws:iam::aws:role/x"); !strings.Contains(errs, "--policy is") {
		t.Error(errs)
	}
	r.bare(t, 0, "user", "x", "--policy", "arn:aws:iam::aws:policy/AmazonBedrockFullAccess", "--apply")
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	if _, errs := r.grant(t, 1, "user", "x"); !strings.Contains(errs, "log in (aws sso login)") {
		t.Error(errs)
	}
}

// A cluster without the agent is told of, with the command that adds it.
func TestGrantPodIdentityWithoutTheAgent(t *testing.T) {
	r := newGrantRig(t)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if strings.Contains(q.URL.Path, "/addons/") {
			w.Header().Set("X-Amzn-Errortype", "ResourceNotFoundException")
			w.WriteHeader(http.StatusNotFound)
			return
		}
		r.Config.Handler.ServeHTTP(w, q)
	}))
	t.Cleanup(front.Close)
	t.Setenv("AWS_ENDPOINT_URL", front.URL)
	out, _ := r.grant(t, 0, "service-account", "dial/dial-bedrock", "--cluster", "prod", "--pod-identity")
	if !strings.Contains(out, "aws --region us-east-1 eks create-addon --cluster-name prod --addon-name eks-pod-identity-agent") {
		t.Error(out)
	}
}

// Who may not look is told which action to allow.
func TestGrantNamesThePermissionThatItMisses(t *testing.T) {
	r := newGrantRig(t)
	user := newPolicyUser(t, r.Server, "blind")
	key, err := user.iam.CreateAccessKey(t.Context(), &awsiam.CreateAccessKeyInput{UserName: aws.String("blind")})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", *key.AccessKey.AccessKeyId)
	t.Setenv("AWS_SECRET_ACCESS_KEY", *key.AccessKey.SecretAccessKey)
	for action, args := range map[string][]string{
		"iam:GetUser":                  {"user", "dial"},
		"iam:GetRole":                  {"role", "team", "--trust", "arn:aws:iam::" + policyAccount + ":root"},
		"eks:DescribeCluster":          {"service-account", "dial/x", "--cluster", "prod"},
		"iam:GetOpenIDConnectProvider": {"service-account", "dial/x", "--issuer", "https://oidc.example/k3s"},
	} {
		if _, errs := r.grant(t, 1, args...); !strings.Contains(errs, `{"Effect":"Allow","Action":"`+action+`","Resource":"*"}`) {
			t.Errorf("no %s in %s", action, errs)
		}
	}
}

// A trust policy that this program cannot read is not added to: what it says would be lost.
func TestGrantDoesNotAddToWhatItCannotRead(t *testing.T) {
	r := newGrantRig(t)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err != nil {
			t.Error(err)
		}
		if strings.Contains(string(body), "Action=GetRole&") {
			_, _ = io.WriteString(w, `<GetRoleResponse><GetRoleResult><Role><Arn>arn:aws:iam::`+policyAccount+`:role/team</Arn><RoleName>team</RoleName>`+
				`<AssumeRolePolicyDocument>%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Principal%22%3A%7B%22New%22%3A%22x%22%7D%2C%22Action%22%3A%22sts%3AAssumeRole%22%7D%5D%7D</AssumeRolePolicyDocument></Role></GetRoleResult></GetRoleResponse>`)
			return
		}
		if strings.Contains(string(body), "Action=ListAttachedRolePolicies&") {
			_, _ = io.WriteString(w, `<ListAttachedRolePoliciesResponse><ListAttachedRolePoliciesResult><AttachedPolicies/></ListAttachedRolePoliciesResult></ListAttachedRolePoliciesResponse>`)
			return
		}
		q.Body = io.NopCloser(bytes.NewReader(body))
		r.Config.Handler.ServeHTTP(w, q)
	}))
	t.Cleanup(front.Close)
	t.Setenv("AWS_ENDPOINT_URL", front.URL)
	out, _ := r.grant(t, 2, "role", "team", "--trust", "arn:aws:iam::"+policyAccount+":root", "--add", "--apply")
	if !strings.Contains(out, "It has parts that this program does not know") {
		t.Error(out)
	}
}

// Upstreams that begin with credentials of their own are not the plan's, and that is said, without their keys.
func TestGrantNotesWhomItLeavesOut(t *testing.T) {
	r := newGrantRig(t)
	const hidden = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	role := `, "aws_assume_role_arn": "arn:aws:iam::` + policyAccount + `:role/`
	for upstream, want := range map[string]string{
		`{"extraData": {"region": "us-east-1", "aws_profile": "dev"` + role + `team-a"}}`:                                                "team-a is assumed by profile dev, which is not granted to here",
		`{"extraData": {"region": "us-east-1", "aws_profile": "dev"}}`:                                                                   "models.nova is called by profile dev",
		`{"key": "bedrock-` + hidden + `", "extraData": {"region": "us-east-1"}}`:                                                        "models.nova is called by the owner of the API key of models.nova",
		`{"extraData": {"region": "us-east-1", "aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "` + hidden + `"}}`: "models.nova is called by the owner of the access key",
		`{"extraData": {"region": "us-east-1", "aws_web_identity_token_file": "/var/run/token"` + role + `team-a"}}`:                     "team-a is assumed with the token in /var/run/token",
		`{"extraData": {"region": "us-east-1", "aws_container_credentials_full_uri": "http://169.254.170.23/v1/credentials"}}`:           "models.nova is called by the role behind http://169.254.170.23/v1/credentials",
	} {
		r.config = write(t, `{"models": {"own": {"type": "chat", "endpoint": "bedrock:`+grantNova+`"}, "nova": {"type": "chat", "endpoint": "bedrock:`+grantNova+`", "upstreams": [`+upstream+`]}}}`)
		for _, form := range []string{"text", "json", "yaml"} {
			out, errs := r.grant(t, 0, "service-account", "dial/dial-bedrock", "--cluster", "prod", "--output", form)
			if form == "yaml" { // which breaks lines
				out = strings.Join(strings.Fields(out), " ")
			}
			if !strings.Contains(out, want) || strings.Contains(out+errs, hidden) || strings.Contains(out, "role team-a") && form == "text" && strings.Contains(out, ". create         IAM role team-a") {
				t.Errorf("%s: no %q in\n%s%s", form, want, out, errs)
			}
		}
	}
}

// The commands of a plan are for the region and the profile that the plan was made with, whatever the shell has.
func TestGrantCommandsGoWhereThePlanDoes(t *testing.T) {
	r := newGrantRig(t)
	file := write(t, "[dev]\naws_access_key_id = sandbox\naws_secret_access_key = sandbox\n")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
	out, _ := r.grant(t, 0, "service-account", "dial/dial-bedrock", "--cluster", "prod", "--pod-identity", "--region", "eu-west-1", "--profile", "dev")
	for _, want := range []string{"$ aws --profile dev iam create-role ", "$ aws --profile dev --region eu-west-1 eks create-pod-identity-association "} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in %s", want, out)
		}
	}
	out, _ = r.grant(t, 0, "user", "dial", "--region", "us-gov-west-1")
	if !strings.Contains(out, "$ aws --region us-gov-west-1 iam create-user ") || !strings.Contains(out, "arn:aws-us-gov:iam::") {
		t.Error(out)
	}
}
