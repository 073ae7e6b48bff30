package onboard

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/models"
)

func TestLifecycleWarnings(t *testing.T) {
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	m := Models{Models: []ModelHere{
		{ID: "a", Region: "us-east-1", Lifecycle: Lifecycle{EndOfLife: "2026-11-26"}}, {ID: "a", Region: "eu-west-1", Lifecycle: Lifecycle{EndOfLife: "2026-11-26"}},
		{ID: "b", Lifecycle: Lifecycle{EndOfLife: "2027-11-26"}}, {ID: "c", Lifecycle: Lifecycle{EndOfLife: "2026-11-01"}}, {ID: "d"},
	}}
	m.lifecycleWarnings(now)
	var texts []string
	for _, w := range m.Warnings {
		texts = append(texts, w.Text)
	}
	if d := cmp.Diff([]string{"a ends on 2026-11-26", "c has ended on 2026-11-01"}, texts); d != "" {
		t.Error(d)
	}
}

// What needs no question to AWS.
func TestOfflineState(t *testing.T) {
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for want, m := range map[string]ModelHere{
		"":                              {Call: []string{"x"}, InferenceTypes: []string{"ON_DEMAND"}},
		"end of life: since 2026-11-01": {Call: []string{"x"}, Lifecycle: Lifecycle{EndOfLife: "2026-11-01"}},
		"end of life":                   {Call: []string{"x"}, Lifecycle: Lifecycle{Status: models.EndOfLife}},
		"provisioned throughput only":   {InferenceTypes: []string{"PROVISIONED"}},
		"profile needed: none reaches it from here": {InferenceTypes: []string{"INFERENCE_PROFILE"}},
	} {
		if got := offline(m, now, nil).String(); got != want {
			t.Errorf("%+v: %q, want %q", m, got, want)
		}
	}
	got := offline(ModelHere{InferenceTypes: []string{"INFERENCE_PROFILE"}}, now, &Problem{Kind: ProblemDenied, Action: "bedrock:ListInferenceProfiles"}).String()
	if got != "profile needed: which there are is not known: it needs bedrock:ListInferenceProfiles" {
		t.Error(got)
	}
}

// The four answers in every combination that says something.
func TestStateOf(t *testing.T) {
	for _, c := range []struct{ answers, message, want string }{
		{"AVAILABLE AUTHORIZED AVAILABLE AVAILABLE", "", AccessAvailable},
		{"PENDING AUTHORIZED NOT_AVAILABLE AVAILABLE", "", AccessPending},
		{"NOT_AVAILABLE AUTHORIZED NOT_AVAILABLE AVAILABLE", "", AccessAgreement},
		{"NOT_AVAILABLE AUTHORIZED NOT_AVAILABLE AVAILABLE", "no payment", AccessFailed},
		{"ERROR AUTHORIZED NOT_AVAILABLE AVAILABLE", "no payment", AccessFailed},
		{"AVAILABLE AUTHORIZED NOT_AVAILABLE AVAILABLE", "", AccessNotEntitled},
		{"NOT_AVAILABLE NOT_AUTHORIZED NOT_AVAILABLE AVAILABLE", "", AccessNotAuthorized},
		{"NOT_AVAILABLE NOT_AUTHORIZED NOT_AVAILABLE NOT_AVAILABLE", "", AccessNotInRegion},
	} {
		f := strings.Fields(c.answers)
		if got := stateOf(Access{Agreement: f[0], Authorization: f[1], Entitlement: f[2], Region: f[3]}, c.message); got != c.want {
			t.Errorf("%s: %s, want %s", c.answers, got, c.want)
		}
	}
}

func TestFold(t *testing.T) {
	for _, c := range []struct {
		words string
		width int
		want  []string
	}{
		{"a bb ccc", 4, []string{"a bb", "ccc"}}, {"aaaaaa b", 3, []string{"aaaaaa", "b"}}, {"", 3, nil},
	} {
		if d := cmp.Diff(c.want, foldWords(strings.Fields(c.words), " ", c.width)); d != "" {
			t.Errorf("%q: %s", c.words, d)
		}
	}
}

func TestTokens(t *testing.T) {
	for n, want := range map[int]string{77: "77", 8191: "8k", 200000: "200k", 1_000_000: "1M", 1_048_576: "1M", 1_050_000: "1.1M", 3_500_000: "3.5M"} {
		if got := tokens(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestRegions(t *testing.T) {
	for like, want := range map[string]int{"us-gov-west-1": 2, "cn-north-1": 1, "eusc-de-east-1": 1, "eu-west-1": 33} {
		if got := Regions(like); len(got) != want {
			t.Errorf("%s: %d %v", like, len(got), got)
		}
	}
}

func TestPrincipalKind(t *testing.T) {
	role := "arn:aws:sts::111122223333:assumed-role/pod/session"
	for _, c := range []struct {
		arn, provider, want string
		env                 map[string]string
	}{
		{"arn:aws:iam::111122223333:root", "EnvConfigCredentials", "root user", nil},
		{"arn:aws:iam::111122223333:user/team/ann", "EnvConfigCredentials", "IAM user", nil},
		{"arn:aws:sts::111122223333:federated-user/ann", "EnvConfigCredentials", "federated user", nil},
		{role, "EnvConfigCredentials", "assumed role", nil},
		{role, "WebIdentityCredentials", "IRSA role (EKS service account)", map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"}},
		{role, "WebIdentityCredentials", "assumed role (web identity)", map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": "/run/github/token"}},
		{role, "CredentialsEndpointProvider", "EKS Pod Identity role", map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials"}},
		{role, "CredentialsEndpointProvider", "EKS Pod Identity role", map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://[fd00:ec2::23]/v1/credentials"}},
		{role, "CredentialsEndpointProvider", "role of a container endpoint", map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://localhost:1338/latest/meta-data/container/security-credentials"}},
		{role, "CredentialsEndpointProvider", "ECS task role", map[string]string{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/x"}},
		{role, "EC2RoleProvider", "EC2 instance role (of a node, when this is a pod)", nil},
		{"arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Admin_0123/ann", "SSOProvider", "IAM Identity Center role", nil},
		{"nonsense", "", "unknown", nil},
	} {
		if got := principalKind(c.arn, Credentials{Provider: c.provider}, func(n string) string { return c.env[n] }); got != c.want {
			t.Errorf("%s by %s: %q, want %q", c.arn, c.provider, got, c.want)
		}
	}
}

// What the root user and a key that has expired are told.
func TestCredentialWarnings(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	before := now.Add(-time.Minute)
	w := Whoami{Principal: Principal{Kind: "root user"}, Credentials: Credentials{Expires: &before, Provider: "EnvConfigCredentials"}}
	w.credentialWarnings(t.Context(), WhoamiInput{Now: now, Getenv: func(string) string { return "" }}, nil)
	var codes []string
	for _, x := range w.Warnings {
		codes = append(codes, x.Code)
	}
	if d := cmp.Diff([]string{"root", "expired"}, codes); d != "" || !w.Wrong() {
		t.Error(d)
	}
}

func TestNearest(t *testing.T) {
	ids := []string{"anthropic.claude-haiku-4-5-20251001-v1:0", "anthropic.claude-opus-4-8", "amazon.nova-lite-v1:0", "amazon.nova-pro-v1:0"}
	for asked, want := range map[string]string{
		"amazon.nova-lit-v1:0": "amazon.nova-lite-v1:0", "claude-haiku": ids[0], "anthropic.claude-opus-4.8": ids[1], "gpt-4": "",
	} {
		got := nearIDs(asked, ids)
		if want == "" && len(got) > 0 || want != "" && (len(got) == 0 || got[0] != want) {
			t.Errorf("%s: %v, want %s first", asked, got, want)
		}
	}
}
