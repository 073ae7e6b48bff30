//go:build e2e

package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const exampleConfig = "../docs/example/aidial.config.json"

func TestChat(t *testing.T) {
	url := serve(t).url
	for name, tc := range map[string]struct {
		args           []string
		stdin          string
		code           int
		stdout, stderr string // "" is nothing for stdout, anything for stderr
	}{
		"prompt":         {args: []string{"claude-sonnet", `[[sandbox text="Good morning."]] Hello!`}, stdout: "Good morning.\n"},
		"standard input": {args: []string{"nova-lite"}, stdin: `[[sandbox text="From a pipe."]]`, stdout: "From a pipe.\n"},
		"unknown model":  {args: []string{"nope", "hi"}, code: 1, stderr: "claude-sonnet"},
		"wrong key":      {args: []string{"--key", "wrong", "llama", "hi"}, code: 1, stderr: "OUTCROP_KEY"},
		"cut":            {args: []string{"llama", `[[sandbox text="one two three four" cut=3]]`}, code: 1, stdout: "one two\n", stderr: "broke"},
	} {
		t.Run(name, func(t *testing.T) {
			r := run(t, strings.NewReader(tc.stdin), nil, append([]string{"chat", "--url", url}, tc.args...)...)
			if r.code != tc.code || r.stdout != tc.stdout || !strings.Contains(r.stderr, tc.stderr) {
				t.Errorf("status %d, want %d\nstdout %q, want %q\nstderr %q, want %q in it", r.code, tc.code, r.stdout, tc.stdout, r.stderr, tc.stderr)
			}
		})
	}
}

func TestChatWithoutServer(t *testing.T) {
	r := run(t, nil, nil, "chat", "--url", "http://127.0.0.1:1", "llama", "hi")
	if r.code != 1 || !strings.Contains(r.stderr, "outcrop serve --sandbox") {
		t.Errorf("status %d, stderr %q", r.code, r.stderr)
	}
}

func TestConfigCheck(t *testing.T) {
	r := run(t, nil, nil, "config", "check", exampleConfig)
	if r.code != 0 || !strings.Contains(r.stdout, "0 errors") || !strings.Contains(r.stdout, "claude-sonnet") {
		t.Errorf("status %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	if strings.Contains(r.stdout+r.stderr, "replace-me-") {
		t.Error("the report shows a key")
	}

	broken := filepath.Join(t.TempDir(), "broken.json")
	writeFile(t, broken, `{"models":{"a":{"type":"chat","endpoint":"bedrock:"},"b":{"type":"nonsense","endpoint":"bedrock:x.y"}},"keys":{"secret-key-1":{}}}`)
	r = run(t, nil, nil, "config", "check", broken)
	for _, want := range []string{"broken.json", "models.a.endpoint", "models.b.type", "secret-key-1"} {
		if strings.Contains(r.stdout, want) == (want == "secret-key-1") {
			t.Errorf("the report and %q:\n%s", want, r.stdout)
		}
	}
	if r.code != 1 {
		t.Errorf("status %d, want 1", r.code)
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// What cannot start says why, and what to do.
func TestCannotStart(t *testing.T) {
	busy := strings.TrimPrefix(serve(t).url, "http://")
	dir := t.TempDir()
	broken, nowhere := filepath.Join(dir, "broken.json"), filepath.Join(dir, "nowhere.json")
	writeFile(t, broken, "{\n  \"models\": [}\n")
	writeFile(t, nowhere, `{"models":{"nova":{"type":"chat","endpoint":"bedrock:us.amazon.nova-lite-v1:0"}},"keys":{"a-key-of-tests":{"project":"p","roles":["default"]}},"roles":{"default":{}}}`)
	for name, tc := range map[string]struct {
		args []string
		env  string
		want []string
	}{
		"port in use":         {[]string{"serve", "--sandbox", "--listen", busy}, "", []string{busy, "in use", "--listen"}},
		"sandbox port in use": {[]string{"sandbox", "--listen", busy}, "", []string{busy, "in use", "--listen"}},
		"bad address":         {[]string{"serve", "--sandbox", "--listen", "nowhere"}, "", []string{"nowhere", "missing port"}},
		"nothing to serve":    {[]string{"serve"}, "", []string{"--config", "--sandbox"}},
		"no such file":        {[]string{"serve", "--config", "missing.json", "--listen", "127.0.0.1:0"}, "", []string{"missing.json"}},
		"broken file":         {[]string{"serve", "--config", broken, "--listen", "127.0.0.1:0"}, "", []string{"broken.json", "2:"}},
		"no region":           {[]string{"serve", "--config", nowhere, "--listen", "127.0.0.1:0"}, "AWS_REGION=", []string{"models.nova", "AWS_REGION"}},
		"wrong region":        {[]string{"serve", "--config", nowhere, "--listen", "127.0.0.1:0"}, "AWS_REGION=Frankfurt", []string{"models.nova", "Frankfurt", "us-east-1"}},
		"unknown flag":        {[]string{"serve", "--nonsense"}, "", []string{"--nonsense"}},
		"unknown command":     {[]string{"sreve"}, "", []string{"sreve"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := run(t, nil, strings.Fields(tc.env), tc.args...)
			if r.code == 0 {
				t.Error("status 0")
			}
			for _, want := range tc.want {
				if !strings.Contains(r.stderr, want) {
					t.Errorf("stderr %q lacks %q", r.stderr, want)
				}
			}
			if strings.Contains(r.stderr, "goroutine ") {
				t.Errorf("a panic: %s", r.stderr)
			}
		})
	}
}

const oneModel = `{
  "models": {"nova": {"type": "chat", "endpoint": "bedrock:us.amazon.nova-lite-v1:0", "upstreams": [{"extraData": {"region": "us-east-1"}}]}},
  "keys": {"a-key-of-tests": {"project": "p", "roles": ["default"]}},
  "roles": {"default": {}}
}`

// configured starts serve with a configuration of one model, nova, and the key a-key-of-tests.
func configured(t *testing.T, env ...string) *server {
	t.Helper()
	path := filepath.Join(t.TempDir(), "aidial.config.json")
	writeFile(t, path, oneModel)
	return start(t, configReady, env, "serve", "--config", path, "--listen", "127.0.0.1:0")
}

func (s *server) ask(t *testing.T, headers ...string) reply {
	t.Helper()
	return send(t, http.MethodPost, s.url+"/openai/deployments/nova/chat/completions", strings.NewReader(hello), append(headers, "Api-Key", "a-key-of-tests")...)
}

// Without credentials every request says so, the log has said so before, and SIGTERM still ends the
// program in good order.
func TestNoCredentials(t *testing.T) {
	s := configured(t)
	r := s.ask(t)
	refused := readRefusal(t, r)
	if r.status != http.StatusBadGateway || !strings.Contains(strings.ToLower(refused.Error.Message), "credentials") {
		t.Errorf("%d %q", r.status, refused.Error.Message)
	}
	s.stop(t)
	if log := s.log.String(); !strings.Contains(log, "AWS_ACCESS_KEY_ID") {
		t.Errorf("the log does not say what to set:\n%s", log)
	}
	for line := range strings.Lines(s.log.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not a line of JSON: %s", line)
		}
	}
}

// A configured model answers from the endpoint and with the credentials of the environment.
func TestConfiguredModel(t *testing.T) {
	aws := serveAWS(t)
	keys := []string{"AWS_ACCESS_KEY_ID=sandbox", "AWS_SECRET_ACCESS_KEY=sandbox"}
	for name, env := range map[string][]string{
		"service's endpoint": {"AWS_ENDPOINT_URL_BEDROCK_RUNTIME=" + aws.url},
		"common endpoint":    {"AWS_ENDPOINT_URL=" + aws.url},
	} {
		t.Run(name, func(t *testing.T) {
			r := configured(t, append(env, keys...)...).ask(t)
			if r.status != http.StatusOK || !strings.Contains(r.body, "Hello!") {
				t.Errorf("%d %s", r.status, r.body)
			}
		})
	}
	t.Run("wrong secret", func(t *testing.T) {
		s := configured(t, "AWS_ENDPOINT_URL="+aws.url, "AWS_ACCESS_KEY_ID=sandbox", "AWS_SECRET_ACCESS_KEY=wrong-secret-1")
		r := s.ask(t)
		if refused := readRefusal(t, r); r.status != http.StatusBadGateway {
			t.Errorf("%d %q", r.status, refused.Error.Message)
		}
		s.stop(t)
		if strings.Contains(r.body+s.log.String(), "wrong-secret-1") {
			t.Error("a secret is in the reply or the log")
		}
	})
}

// An API key of Bedrock instead of an access key, over TLS as AWS's SDKs want it.
func TestAPIKey(t *testing.T) {
	certificate := filepath.Join(t.TempDir(), "sandbox.pem")
	aws := serveAWS(t, "--tls", "--tls-cert-out", certificate)
	s := configured(t, "AWS_ENDPOINT_URL="+aws.url, "AWS_BEARER_TOKEN_BEDROCK=sandbox", "SSL_CERT_FILE="+certificate)
	if r := s.ask(t); r.status != http.StatusOK {
		t.Errorf("%d %s", r.status, r.body)
	}
}

// A reply under way survives SIGTERM.
func TestDrain(t *testing.T) {
	s := serve(t)
	body := `{"messages":[{"role":"user","content":"[[sandbox text=\"one two three\" drip=200ms]]"}],"stream":true}`
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/openai/deployments/llama/chat/completions", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Api-Key", demoKey)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	s.stop(t)
	text := new(strings.Builder)
	if err := response.Write(text); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "data: [DONE]") {
		t.Errorf("the reply was cut:\n%s", text)
	}
}
