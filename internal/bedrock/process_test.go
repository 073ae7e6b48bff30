package bedrock

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"outcrop/internal/models"
	"outcrop/internal/sandbox"
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
		if got := environmentEndpoints(environment(tt.env)).runtime; got != tt.want {
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
		var got string
		if c.bearer != nil {
			key, err := c.bearer.get()
			if err != nil {
				t.Fatal(err)
			}
			got = "bearer " + key.Reveal()
		} else {
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

// TestARoleIsAskedForByWhoeverTheSettingsName: by the upstream's own keys where it has some, else by the
// process, even when that has an API key too.
func TestARoleIsAskedForByWhoeverTheSettingsName(t *testing.T) {
	stand, err := sandbox.New(sandbox.Options{Credentials: []sandbox.Credential{
		{AccessKeyID: "ENVKEY", SecretAccessKey: "env-secret"},
		{AccessKeyID: "UPKEY", SecretAccessKey: "up-secret"},
		{AccessKeyID: "UPTEMP", SecretAccessKey: "temp-secret", SessionToken: "tok"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	var asked string // by the newest call of STS, in words
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		form, err := url.ParseQuery(string(body))
		if err != nil {
			t.Error(err)
		}
		_, scope, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
		part := strings.Split(scope, "/") // the key, the day, the region
		if len(part) < 3 {
			t.Errorf("not signed: %q", scope)
			return
		}
		asked = strings.Join([]string{part[0], r.Header.Get("X-Amz-Security-Token"), part[2],
			form.Get("RoleArn"), form.Get("RoleSessionName"), form.Get("ExternalId")}, " ")
		r.Body = io.NopCloser(bytes.NewReader(body))
		stand.ServeHTTP(w, r)
	}))
	defer server.Close()
	t.Setenv("AWS_ACCESS_KEY_ID", "ENVKEY")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "env-secret")
	t.Setenv("AWS_SESSION_TOKEN", "")
	t.Setenv("AWS_PROFILE", "")
	t.Setenv("AWS_CONFIG_FILE", "/nonexistent")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
	t.Setenv("AWS_ENDPOINT_URL_STS", server.URL)
	const role = "arn:aws:iam::123456789012:role/One"
	tests := []struct {
		name, env, want string
		settings        Settings
	}{
		{"the process", "", "ENVKEY  us-east-1 " + role + " outcrop ", Settings{}},
		{"the process, not its API key", "AWS_BEARER_TOKEN_BEDROCK=proc", "ENVKEY  us-east-1 " + role + " outcrop ", Settings{}},
		{"the upstream's keys", "", "UPKEY  us-east-1 " + role + " outcrop ",
			Settings{AccessKeyID: "UPKEY", SecretAccessKey: secret.New("up-secret")}},
		{"the upstream's temporary keys", "", "UPTEMP tok us-east-1 " + role + " outcrop ",
			Settings{AccessKeyID: "UPTEMP", SecretAccessKey: secret.New("temp-secret"), SessionToken: secret.New("tok")}},
		{"everything said", "", "UPKEY  eu-west-1 " + role + " by-team our-id",
			Settings{Region: "eu-west-1", AccessKeyID: "UPKEY", SecretAccessKey: secret.New("up-secret"), RoleSessionName: "by-team", ExternalID: "our-id"}},
	}
	for _, tt := range tests {
		p, _, err := Load(t.Context(), environment("AWS_REGION=us-east-1 "+tt.env), nil)
		if err != nil {
			t.Fatal(err)
		}
		tt.settings.AssumeRoleARN = role
		c, err := p.Client(tt.settings)
		if err != nil {
			t.Fatal(err)
		}
		asked = ""
		got, err := c.wallet.get(t.Context())
		if err != nil || !strings.HasPrefix(got.AccessKeyID, "ASIA") || got.SessionToken == "" {
			t.Errorf("%s: the credentials are of %q, %v", tt.name, got.AccessKeyID, err)
		}
		if asked != tt.want {
			t.Errorf("%s: STS was asked %q, want %q", tt.name, asked, tt.want)
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
		c := &Client{base: "http://h", mantle: "http://h", control: "http://h", catalogue: catalogue}
		model, err := c.Model(id, ModelOptions{})
		if err != nil {
			t.Fatal(err)
		}
		u := model.current.Load().whole.url
		if u.Host != "h" || u.RawQuery != "" || u.Fragment != "" || u.Path != "/model/"+id+"/converse" {
			t.Fatalf("%q leads to %s", id, u)
		}
		if label := strings.TrimSuffix(strings.TrimPrefix(u.EscapedPath(), "/model/"), "/converse"); strings.ContainsAny(label, "/:?#") {
			t.Fatalf("%q is not one label: %s", id, u.EscapedPath())
		}
	})
}
