package bedrock

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"outcrop/internal/sandbox"
	"outcrop/internal/secret"
)

const (
	roleOne = "arn:aws:iam::123456789012:role/One"
	roleTwo = "arn:aws:iam::123456789012:role/Two"
)

// cloud is what gives credentials, on the loopback: STS, Pod Identity's agent and the metadata of an
// instance. It notes who asked.
type cloud struct {
	url   string
	token string // file of an OpenID Connect token
	agent string // file of the agent's token

	mu    sync.Mutex
	asked []string
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	stand, err := sandbox.New(sandbox.Options{Credentials: []sandbox.Credential{
		{AccessKeyID: "ENVKEY", SecretAccessKey: "env-secret"}, {AccessKeyID: "UPKEY", SecretAccessKey: "up-secret"},
		{AccessKeyID: "FILEKEY", SecretAccessKey: "file-secret"}, {AccessKeyID: "PODKEY", SecretAccessKey: "pod-secret", SessionToken: "pod-token"},
		{AccessKeyID: "NODEKEY", SecretAccessKey: "node-secret", SessionToken: "node-token"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	c := &cloud{token: write(t, "token", webToken(t)), agent: write(t, "agent", "agent-token")}
	server := httptest.NewServer(c.handler(stand))
	t.Cleanup(server.Close)
	c.url = server.URL
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_STS": c.url, "AWS_EC2_METADATA_SERVICE_ENDPOINT": c.url,
		"AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent", "AWS_REGION": "us-east-1",
	} {
		t.Setenv(name, value)
	}
	return c
}

func (c *cloud) handler(stand http.Handler) http.Handler {
	credentials := func(w http.ResponseWriter, key, hidden string) {
		w.Header().Set("Content-Type", "application/json")
		printTo(w, `{"Code": "Success", "AccessKeyId": %q, "SecretAccessKey": %q, "Token": %q, "Expiration": %q}`,
			key, hidden, strings.TrimSuffix(hidden, "secret")+"token", time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /pod", func(w http.ResponseWriter, r *http.Request) {
		c.note("pod " + r.Header.Get("Authorization"))
		credentials(w, "PODKEY", "pod-secret")
	})
	mux.HandleFunc("PUT /latest/api/token", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600")
		printTo(w, "%s", "metadata-token")
	})
	const roles = "/latest/meta-data/iam/security-credentials/"
	mux.HandleFunc("GET "+roles, func(w http.ResponseWriter, _ *http.Request) { printTo(w, "%s", "node") })
	mux.HandleFunc("GET "+roles+"node", func(w http.ResponseWriter, _ *http.Request) {
		c.note("imds")
		credentials(w, "NODEKEY", "node-secret")
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		c.note("sts")
		stand.ServeHTTP(w, r)
	})
	return mux
}

func (c *cloud) note(who string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, who)
}

func (c *cloud) notes() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.asked, ", ")
}

// printTo writes what a fake answers.
func printTo(w io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(w, format, args...) // a client that left is not the fake's business
}

// webToken is an OpenID Connect token as Kubernetes gives it, good for an hour.
func webToken(t *testing.T) string {
	t.Helper()
	part := func(v any) string {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(data)
	}
	return part(map[string]string{"alg": "HS256"}) + "." + part(map[string]any{
		"iss": "https://oidc.example.com", "sub": "system:serviceaccount:dial:outcrop", "aud": "sts.amazonaws.com", "exp": time.Now().Add(time.Hour).Unix(),
	}) + ".c2ln"
}

func write(t *testing.T, name, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// The variables of the sources of the default chain.
func (c *cloud) env(t *testing.T, sources string) {
	t.Helper()
	for source := range strings.FieldsSeq(sources) {
		switch source {
		case "keys":
			t.Setenv("AWS_ACCESS_KEY_ID", "ENVKEY")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "env-secret")
		case "web":
			t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", c.token)
			t.Setenv("AWS_ROLE_ARN", roleOne)
		case "role-without-token":
			t.Setenv("AWS_ROLE_ARN", roleOne)
		case "token-missing":
			t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent/token")
			t.Setenv("AWS_ROLE_ARN", roleOne)
		case "pod":
			t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", c.url+"/pod")
			t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", c.agent)
		case "profile":
			t.Setenv("AWS_PROFILE", "team")
			t.Setenv("AWS_SHARED_CREDENTIALS_FILE", write(t, "credentials", "[team]\naws_access_key_id = FILEKEY\naws_secret_access_key = file-secret\n"))
		case "stranger-in-pod":
			t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.0.2.1/pod")
		case "api-key":
			t.Setenv("AWS_BEARER_TOKEN_BEDROCK", "process-key")
		case "api-key-file":
			t.Setenv("AWS_BEARER_TOKEN_BEDROCK_FILE", write(t, "key", " process-file-key\n"))
		case "role":
			t.Setenv("AWS_ASSUME_ROLE_ARN", roleTwo)
		}
	}
}

// who is as whom a client calls: the key, or the role, and where that comes from.
func who(t *testing.T, c *Client) string {
	t.Helper()
	if err := c.Ready(t.Context()); err != nil {
		return "error: " + err.Error()
	}
	id := c.Identity()
	out := id.Source
	if id.Provider != "" {
		out += " (" + id.Provider + ")"
	}
	for _, role := range id.Roles {
		out += " > " + role[strings.LastIndexByte(role, '/')+1:]
	}
	if id.Warning != "" {
		out += " !"
	}
	return out
}

// TestSources: each source alone and in the combinations in which AWS's SDKs and DIAL's adapter
// disagree or surprise, of the process and of an upstream.
func TestSources(t *testing.T) {
	up := Settings{AccessKeyID: "UPKEY", SecretAccessKey: secret.New("up-secret")}
	as := func(s Settings, role string) Settings { s.AssumeRoleARN = role; return s }
	for _, tt := range []struct {
		env      string
		settings func(*testing.T, *cloud) Settings
		want     string
		asked    string
	}{
		{"keys", nil, "default chain (EnvConfigCredentials)", ""},
		{"web", nil, "default chain (WebIdentityCredentials)", "sts"},
		{"profile", nil, "default chain (SharedConfigCredentials", ""},
		{"pod", nil, "default chain (CredentialsEndpointProvider)", "pod agent-token"},
		{"", nil, "default chain (EC2RoleProvider)", "imds"},
		{"api-key", nil, "the process's Bedrock API key", ""},
		{"api-key-file", nil, "the process's Bedrock API key", ""},
		{"keys web pod profile", nil, "default chain (EnvConfigCredentials)", ""},
		{"web pod profile", nil, "default chain (WebIdentityCredentials)", "sts"},
		{"pod profile", nil, "default chain (SharedConfigCredentials", ""},
		{"keys api-key", nil, "the process's Bedrock API key", ""},
		{"role-without-token", nil, "default chain (EC2RoleProvider) !", "imds"},
		{"role-without-token pod", nil, "default chain (CredentialsEndpointProvider)", "pod agent-token"},
		{"token-missing", nil, "error: getting AWS credentials: ", ""},
		{"stranger-in-pod", nil, "load: reading the AWS configuration: ", ""},
		{"role keys", nil, "default chain (EnvConfigCredentials) > Two", "sts"},
		{"role web", nil, "default chain (WebIdentityCredentials) > Two", "sts, sts"},
		{"role pod", nil, "default chain (CredentialsEndpointProvider) > Two", "pod agent-token, sts"},
		{"role api-key keys", nil, "default chain (EnvConfigCredentials) > Two", "sts"},

		{"keys web api-key role", func(*testing.T, *cloud) Settings { return up }, "static keys", ""},
		{"keys web api-key role", func(*testing.T, *cloud) Settings { return as(up, roleOne) }, "static keys > One", "sts"},
		{"keys api-key role", func(*testing.T, *cloud) Settings { return as(Settings{}, roleOne) }, "default chain (EnvConfigCredentials) > One", "sts"},
		{"web", func(*testing.T, *cloud) Settings { return as(Settings{RoleChain: []string{roleOne}}, roleTwo) }, "default chain (WebIdentityCredentials) > One > Two", "sts, sts, sts"},
		{"keys role", func(_ *testing.T, c *cloud) Settings { return as(Settings{WebIdentityTokenFile: c.token}, roleOne) }, "web identity > One", "sts"},
		{"keys role", func(_ *testing.T, c *cloud) Settings {
			return as(Settings{WebIdentityTokenFile: c.token, RoleChain: []string{roleOne}}, roleTwo)
		}, "web identity > One > Two", "sts, sts"},
		{"keys web role", func(_ *testing.T, c *cloud) Settings {
			return Settings{ContainerCredentialsURI: c.url + "/pod", ContainerTokenFile: c.agent}
		}, "container credentials", "pod agent-token"},
		{"keys", func(_ *testing.T, c *cloud) Settings {
			return as(Settings{ContainerCredentialsURI: c.url + "/pod"}, roleOne)
		}, "container credentials > One", "pod , sts"},
		{"keys web pod api-key role", func(t *testing.T, _ *cloud) Settings {
			t.Setenv("AWS_SHARED_CREDENTIALS_FILE", write(t, "credentials", "[other]\naws_access_key_id = FILEKEY\naws_secret_access_key = file-secret\n"))
			return Settings{Profile: "other"}
		}, "profile other (SharedConfigCredentials", ""},
		{"keys", func(*testing.T, *cloud) Settings { return Settings{Profile: "missing"} }, "client: the profile \"missing\": ", ""},
		{"keys role", func(*testing.T, *cloud) Settings { return Settings{APIKey: secret.New("k")} }, "Bedrock API key", ""},
		{"keys role", func(t *testing.T, _ *cloud) Settings { return Settings{APIKeyFile: write(t, "key", "k")} }, "Bedrock API key in a file", ""},
		{"keys", func(*testing.T, *cloud) Settings { return Settings{APIKeyFile: "/nonexistent/key"} }, "error: getting AWS credentials: the file of the Bedrock API key: open /nonexistent/key", ""},
		{"keys", func(t *testing.T, _ *cloud) Settings { return Settings{APIKeyFile: write(t, "key", "\n")} }, "error: getting AWS credentials: the file of the Bedrock API key, ", ""},
		{"keys", func(*testing.T, *cloud) Settings {
			return as(Settings{WebIdentityTokenFile: "/nonexistent/token"}, roleOne)
		}, "error: getting AWS credentials: ", ""},
	} {
		t.Run(tt.env+" "+tt.want, func(t *testing.T) {
			c := newCloud(t)
			c.env(t, tt.env)
			got := func() string {
				p, _, err := Load(t.Context(), os.Getenv, nil)
				if err != nil {
					return "load: " + err.Error()
				}
				var s Settings
				if tt.settings != nil {
					s = tt.settings(t, c)
				}
				client, err := p.Client(s)
				if err != nil {
					return "client: " + err.Error()
				}
				return who(t, client)
			}()
			if !strings.HasPrefix(got, tt.want) || strings.HasSuffix(got, "!") != strings.HasSuffix(tt.want, "!") {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if asked := c.notes(); asked != tt.asked {
				t.Errorf("asked %q, want %q", asked, tt.asked)
			}
		})
	}
}
