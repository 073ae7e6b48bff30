package bedrock

import (
	"strings"
	"testing"

	"outcrop/internal/models"
	"outcrop/internal/secret"
)

func environment(pairs string) func(string) string {
	return func(name string) string {
		for pair := range strings.FieldsSeq(pairs) {
			if key, value, _ := strings.Cut(pair, "="); key == name {
				return value
			}
		}
		return ""
	}
}

func TestRegion(t *testing.T) {
	tests := []struct{ env, region, warnings string }{
		{"", "", ""},
		{"AWS_REGION=us-west-2", "us-west-2", ""},
		{"AWS_DEFAULT_REGION=eu-west-1", "eu-west-1", ""},
		{"AWS_REGION=us-west-2 AWS_DEFAULT_REGION=us-west-2", "us-west-2", ""},
		{"AWS_REGION=us-west-2 AWS_DEFAULT_REGION=eu-west-1", "us-west-2", "AWS_DEFAULT_REGION=eu-west-1 is not used"},
		{"DEFAULT_REGION=eu-west-1", "eu-west-1", "set AWS_REGION"},
		{"AWS_REGION=us-west-2 DEFAULT_REGION=eu-west-1", "us-west-2", "DEFAULT_REGION=eu-west-1 is not used"},
	}
	for _, tt := range tests {
		region, warnings := Region(environment(tt.env))
		joined := strings.Join(warnings, "|")
		if region != tt.region || !strings.Contains(joined, tt.warnings) || (joined == "") != (tt.warnings == "") {
			t.Errorf("%s: got %q, %q", tt.env, region, joined)
		}
	}
}

func TestEndpoint(t *testing.T) {
	tests := []struct{ env, want string }{
		{"", ""},
		{"AWS_ENDPOINT_URL=http://a", "http://a"},
		{"AWS_ENDPOINT_URL=http://a AWS_ENDPOINT_URL_BEDROCK_RUNTIME=http://b", "http://b"},
		{"AWS_ENDPOINT_URL=http://a AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true", ""},
	}
	for _, tt := range tests {
		if got := endpoint(environment(tt.env)); got != tt.want {
			t.Errorf("%s: got %q", tt.env, got)
		}
	}
}

func TestHosts(t *testing.T) {
	catalogue, err := models.Load()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ region, endpoint, want string }{
		{"us-east-1", "", "https://bedrock-runtime.us-east-1.amazonaws.com"},
		{"us-gov-west-1", "", "https://bedrock-runtime.us-gov-west-1.amazonaws.com"},
		{"cn-north-1", "", "https://bedrock-runtime.cn-north-1.amazonaws.com.cn"},
		{"us-east-1", "http://127.0.0.1:9001/", "http://127.0.0.1:9001"},
		{"", "", "no AWS region"},
		{"us-east", "", "is not an AWS region"},
		{"us-east-1", "http://localhost:9001", "http://localhost:9001"},
		{"us-east-1", "http://10.0.0.1", "over https only"},
		{"us-east-1", "http://vpce.example", "over https only"},
		{"eusc-de-east-1", "", "https://bedrock-runtime.eusc-de-east-1.amazonaws.eu"},
		{"evil.example/", "", "is not an AWS region"},
		{"us-east-1", "127.0.0.1:9001", "must be http(s)://host"},
		{"us-east-1", "http://host/path", "must be http(s)://host"},
	}
	for _, tt := range tests {
		c, err := New(Options{Region: tt.region, Endpoint: tt.endpoint, APIKey: secret.New("k"), Catalogue: catalogue})
		switch {
		case err != nil && !strings.Contains(err.Error(), tt.want):
			t.Errorf("%+v: %v", tt, err)
		case err == nil && c.base != tt.want:
			t.Errorf("%+v: got %s", tt, c.base)
		}
	}
	if _, err := New(Options{Region: "us-east-1"}); err == nil {
		t.Error("a client without credentials")
	}
}

// TestAnUpstreamsOwnCredentialsReplaceTheProcesss: each source alone and in combination.
func TestAnUpstreamsOwnCredentialsReplaceTheProcesss(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "ENVKEY")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "env-secret")
	t.Setenv("AWS_CONFIG_FILE", "/nonexistent")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
	key := Settings{APIKey: secret.New("upstream-api-key")}
	static := Settings{AccessKeyID: "UPKEY", SecretAccessKey: secret.New("up-secret"), SessionToken: secret.New("tok")}
	tests := []struct {
		name, env, want string
		settings        Settings
	}{
		{"nothing said", "", "sigv4 ENVKEY", Settings{}},
		{"an API key of the process", "AWS_BEARER_TOKEN_BEDROCK=proc", "bearer proc", Settings{}},
		{"static keys over the process's keys", "", "sigv4 UPKEY", static},
		{"static keys over the process's API key", "AWS_BEARER_TOKEN_BEDROCK=proc", "sigv4 UPKEY", static},
		{"an API key over the process's keys", "", "bearer upstream-api-key", key},
		{"an API key over the process's API key", "AWS_BEARER_TOKEN_BEDROCK=proc", "bearer upstream-api-key", key},
	}
	for _, tt := range tests {
		p, _, err := Load(t.Context(), environment("AWS_REGION=us-east-1 "+tt.env), nil)
		if err != nil {
			t.Fatal(err)
		}
		c, err := p.Client(tt.settings)
		if err != nil {
			t.Fatal(err)
		}
		got := "bearer " + c.apiKey.Reveal()
		if c.apiKey.IsZero() {
			credentials, err := c.wallet.get(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got = "sigv4 " + credentials.AccessKeyID
		}
		if got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

func FuzzEscapeLabel(f *testing.F) {
	f.Add("us.anthropic.claude-sonnet-4-5-20250929-v1:0")
	f.Add("arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.x-v1:0")
	f.Add("../../x?y#z %2F")
	catalogue, err := models.Load()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, id string) {
		if err := CheckModelID(id); err != nil {
			return
		}
		c := &Client{base: "http://h", catalogue: catalogue}
		chat, err := c.Chat(id)
		if err != nil {
			t.Fatal(err)
		}
		u := chat.(*model).converse
		if u.Host != "h" || u.RawQuery != "" || u.Fragment != "" || u.Path != "/model/"+id+"/converse" {
			t.Fatalf("%q leads to %s", id, u)
		}
		if label := strings.TrimSuffix(strings.TrimPrefix(u.EscapedPath(), "/model/"), "/converse"); strings.ContainsAny(label, "/:?#") {
			t.Fatalf("%q is not one label: %s", id, u.EscapedPath())
		}
	})
}
