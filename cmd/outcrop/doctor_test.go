package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/doctor"
)

// base64url is not base64: it is how IAM writes documents.
func base64url(text string) string { return url.PathEscape(text) }

// serviceAccountToken is an unsigned token as Kubernetes makes them.
func serviceAccountToken(t *testing.T, more map[string]any) string {
	t.Helper()
	claims := map[string]any{
		"iss": "https://" + issuer, "sub": "system:serviceaccount:dial:dial-bedrock", "aud": []string{"sts.amazonaws.com"}, "exp": time.Now().Add(time.Hour).Unix(),
	}
	maps.Copy(claims, more)
	if _, none := more[""]; none {
		return "not a token"
	}
	body, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	part := base64.RawURLEncoding.EncodeToString
	return part([]byte(`{"alg":"RS256"}`)) + "." + part(body) + "." + part([]byte("thesignature"))
}

// TestDoctorOfAHealthyAccount: nothing is wrong, and the report says what was looked at.
func TestDoctorOfAHealthyAccount(t *testing.T) {
	a := newAccount(t)
	a.quotas = `{"Quotas":[{"QuotaName":"Cross-region model inference tokens per minute for Anthropic Claude Haiku 4.5","QuotaCode":"L-1","Value":400000},
		{"QuotaName":"On-demand model inference requests per minute for Amazon Nova Lite","QuotaCode":"L-2","Value":200}]}`
	a.policies(map[string]string{"outcrop": `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":["bedrock:InvokeModel","bedrock:InvokeModelWithResponseStream"],"Resource":["arn:aws:bedrock:*:000000000000:inference-profile/us.*","arn:aws:bedrock:*::foundation-model/a*"]},
		{"Effect":"Allow","Action":"bedrock-mantle:CreateInference","Resource":"arn:aws:bedrock-mantle:*:*:project/*"},
		{"Effect":"Allow","Action":["bedrock:CountTokens","bedrock:Get*"],"Resource":"*"}]}`})
	file := a.models(map[string]string{"claude": claudeModel, "nova": novaModel, "titan": `{"type": "embedding", "endpoint": "bedrock:amazon.titan-embed-text-v2:0"}`})
	stdout, stderr, code := a.ask(t.Context(), "--config", file)
	if code != 0 || !strings.Contains(stderr, "The probes of the models cost about $0.000") {
		t.Errorf("exit %d, %s", code, stderr)
	}
	got := regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllString(stdout, "127.0.0.1:9001")
	got = regexp.MustCompile(`in \d+\s+ms`).ReplaceAllString(got, "in 5 ms")
	got = regexp.MustCompile(`(?m)^  \w+ +LIMIT-.*\n( {21}.*\n)*`).ReplaceAllString(got, "")
	got = regexp.MustCompile(`(?m)^.*ok$`).ReplaceAllStringFunc(got, func(s string) string { return regexp.MustCompile(`\d+ info|\d+ ok`).ReplaceAllString(s, "n") })
	compareGolden(t, "testdata/doctor/healthy.golden", got)
}

// compareGolden compares with a file, or writes it with -update.
func compareGolden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll("testdata/doctor", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got, -update rewrites it):\n%s", file, diff)
	}
}

// TestDoctorInterrupted: what was found is told, the rest is marked, and the exit code says so.
func TestDoctorInterrupted(t *testing.T) {
	a := newAccount(t)
	ctx, interrupt := context.WithCancel(t.Context())
	a.paths["/converse"] = func(_ http.ResponseWriter, r *http.Request) {
		interrupt()
		<-r.Context().Done()
	}
	stdout, _, code := a.ask(ctx, "--config", a.chats(novaModel), "--json")
	var r doctor.Report
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatal(err)
	}
	if code != doctor.ExitInterrupted || !r.Interrupted {
		t.Errorf("exit %d", code)
	}
	a.want(r, "CONF-000")
	a.want(r, "STS-000")
	a.want(r, "RUN-001", "not checked")
}

// TestDoctorExitCodes: the first class with an error wins.
func TestDoctorExitCodes(t *testing.T) {
	for _, tt := range []struct {
		name    string
		prepare func(a *account) []string
		want    int
	}{
		{"well", chatting(novaModel, func(*account) {}), 0},
		{"a warning", chatting(globalModel, func(a *account) { a.t.Setenv("DEFAULT_REGION", "eu-west-1") }), 0},
		{"a warning, strictly", func(a *account) []string {
			a.t.Setenv("DEFAULT_REGION", "eu-west-1")
			return []string{"--config", a.chats(novaModel), "--strict"}
		}, 7},
		{"bad flags", with("--probe", "all", "--only", "environment"), 1},
		{"a class that is none", with("--only", "environments"), 1},
		{"configuration", with("--config", "/nowhere.json"), 2},
		{"credentials", chatting(novaModel, mood("expired-token")), 3},
		{"network", only("network", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://127.0.0.1:1"), 4},
		{"permissions", chatting(novaModel, mood("iam")), 5},
		{"access", chatting(claudeModel, mood("use-case-form")), 5},
		{"a model", chatting(novaModel, mood("end-of-life")), 6},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newAccount(t)
			stdout, stderr, code := a.ask(t.Context(), tt.prepare(a)...)
			if code != tt.want {
				t.Errorf("exit %d, want %d: %s%s", code, tt.want, stdout, stderr)
			}
		})
	}
}

// TestDoctorForms: JSON, YAML and text say the same.
func TestDoctorForms(t *testing.T) {
	a := newAccount(t)
	file := a.chats(novaModel)
	for _, form := range []string{"json", "yaml", "text"} {
		stdout, _, _ := a.ask(t.Context(), "--config", file, "--output", form, "--probe", "none")
		for _, part := range []string{"MODEL-002", "NOT TRIED", "STS-000"} {
			if !strings.Contains(stdout, part) {
				t.Errorf("%s has no %q: %s", form, part, stdout)
			}
		}
	}
}

// TestDoctorTellsNoSecrets: not the keys, not the token, not the API key, not a proxy's password.
func TestDoctorTellsNoSecrets(t *testing.T) {
	a := newAccount(t)
	t.Setenv("AWS_SECRET_ACCESS_KEY", "thesecret")
	t.Setenv("AWS_SESSION_TOKEN", "thesessiontoken")
	t.Setenv("HTTPS_PROXY", "http://me:thepassword@127.0.0.1:3128")
	tokens(nil, nil)(a)
	t.Setenv("AWS_BEARER_TOKEN_BEDROCK", shortTermKey("us-east-1", time.Hour))
	file := a.models(map[string]string{"chat": novaModel, "own": `{"type": "chat", "endpoint": "bedrock:amazon.nova-pro-v1:0", "upstreams": [{"extraData": {"aws_access_key_id": "AKIAOWN", "aws_secret_access_key": "theothersecret"}}]}`})
	text, stderr, _ := a.ask(t.Context(), "--config", file)
	jsonText, _, _ := a.ask(t.Context(), "--config", file, "--json")
	for _, endpoint := range []string{"https://me:thepassword@127.0.0.1:1", "https://me:thepassword@[bad"} {
		for _, name := range []string{"AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "AWS_ENDPOINT_URL_STS"} {
			t.Setenv(name, endpoint)
			more, told, _ := a.ask(t.Context(), "--config", file, "--timeout", "2s")
			text += more + told
			t.Setenv(name, a.url)
		}
	}
	for _, secret := range []string{"thesecret", "thesessiontoken", "thepassword", "theothersecret", "thesignature", "a-key-that-nobody-guesses", "bedrock-api-key-", "eyJ"} {
		if strings.Contains(text+stderr+jsonText, secret) {
			t.Errorf("%q is told: %s", secret, text)
		}
	}
}

// TestDoctorOfTheAdapter: the environment is the adapter's, and models come from flags.
func TestDoctorOfTheAdapter(t *testing.T) {
	a := newAccount(t)
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "eu-west-1")
	r, code := a.report("--adapter", "--model", "eu.amazon.nova-lite-v1:0")
	a.want(r, "ENV-000", "eu-west-1")
	a.want(r, "MODEL-000", "eu.amazon.nova-lite-v1:0")
	if code != 0 {
		t.Errorf("exit %d", code)
	}
	t.Setenv("AWS_DEFAULT_REGION", "")
	r, code = a.report("--adapter")
	a.want(r, "ENV-001", "AWS_REGION")
	if code != 2 {
		t.Errorf("exit %d", code)
	}
}

// TestDoctorKnowsOneRegion: an ARN's region and the environment's are one upstream where they are the same.
func TestDoctorKnowsOneRegion(t *testing.T) {
	a := newAccount(t)
	r, _ := a.report("--config", a.models(map[string]string{"nova": novaModel,
		"arn": `{"type": "chat", "endpoint": "bedrock:arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0"}`}))
	n := 0
	for _, f := range r.Findings {
		if f.Code == "STS-000" {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d upstreams", n)
	}
}

// TestDoctorTellsACauseOnce: without a way to AWS the models are not each an error of their own.
func TestDoctorTellsACauseOnce(t *testing.T) {
	a := newAccount(t)
	t.Setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://127.0.0.1:1")
	r, code := a.report("--config", a.models(map[string]string{"claude": claudeModel, "nova": novaModel}))
	a.want(r, "NET-002")
	a.want(r, "RUN-003", "NET-002")
	if r.Counts["error"] != 1 || code != doctor.ExitNetwork {
		t.Errorf("exit %d with %v", code, r.Counts)
	}
}
