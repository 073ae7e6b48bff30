package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"outcrop/internal/bedrock"
	"outcrop/internal/config"
	"outcrop/internal/memnet"
	"outcrop/internal/models"
	"outcrop/internal/sandbox"
)

// output is a stream that a test reads while a command writes it.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// wait returns when the text has been written.
func (o *output) wait(t *testing.T, text string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(10 * time.Second)
	for !strings.Contains(o.String(), text) {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("%q was not written: %s", text, o)
		}
	}
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

var addressPattern = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

// start runs outcrop until the test ends and returns its address.
func start(t *testing.T, args ...string) (base string, stderr *output) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	r, w := io.Pipe()
	stderr = &output{}
	done := make(chan int, 1)
	go func() {
		code := run(ctx, append(args, "--listen", "127.0.0.1:0"), strings.NewReader(""), w, stderr)
		_ = w.Close()
		done <- code
	}()
	t.Cleanup(func() {
		stop()
		if code := <-done; code != 0 {
			t.Errorf("exit status %d: %s", code, stderr)
		}
	})
	var banner []byte
	for base == "" {
		buf := make([]byte, 4096)
		n, err := r.Read(buf)
		if banner = append(banner, buf[:n]...); err != nil {
			t.Fatalf("no address in %q: %s", banner, stderr)
		}
		base = addressPattern.FindString(string(banner))
	}
	go io.Copy(io.Discard, r) //nolint:errcheck // the rest of the banner; ends with the command
	return base, stderr
}

type answer struct {
	status int
	text   string // of the first choice, or of the error
	param  string
}

func post(t *testing.T, base, key, deployment, body string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/openai/deployments/"+deployment+"/chat/completions", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Api-Key", key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var out struct {
		Choices []struct {
			Message struct{ Content string }
		}
		Error struct{ Message, Param string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		t.Fatal(err)
	}
	a := answer{status: resp.StatusCode, text: out.Error.Message, param: out.Error.Param}
	if len(out.Choices) > 0 {
		a.text = out.Choices[0].Message.Content
	}
	return a
}

const hello = `{"messages":[{"role":"user","content":"Hello! [[sandbox text=\"hi there\"]]"}]}`

func TestServeSandboxAnswersForEveryDemoModel(t *testing.T) {
	base, _ := start(t, "serve", "--sandbox")
	for _, m := range demoModels {
		if m.kind != config.TypeChat || m.name == "stable-image" {
			continue
		}
		if a := post(t, base, demoKey, m.name, hello); a.status != http.StatusOK || a.text != "hi there" {
			t.Errorf("%s: %+v", m.name, a)
		}
	}
	if a := post(t, base, "wrong", "claude-sonnet", hello); a.status != http.StatusUnauthorized {
		t.Errorf("a wrong key: %+v", a)
	}
}

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "aidial.config.json")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// clearAWS takes the developer's own AWS settings out of a test.
func clearAWS(t *testing.T) {
	t.Helper()
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "AWS_") || name == "DEFAULT_REGION" {
			t.Setenv(name, "")
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

// TestServeWithAConfigurationTalksToAWS: to a sandbox in AWS's place, found as AWS's tools find it.
func TestServeWithAConfigurationTalksToAWS(t *testing.T) {
	handler, err := sandbox.New(sandbox.Options{APIKeys: []string{"upstream-api-key"}})
	if err != nil {
		t.Fatal(err)
	}
	aws := httptest.NewServer(handler)
	defer aws.Close()
	clearAWS(t)
	t.Setenv("AWS_ENDPOINT_URL", aws.URL)
	t.Setenv("AWS_ACCESS_KEY_ID", "sandbox")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "sandbox")
	t.Setenv("DEFAULT_REGION", "us-west-2")
	file := write(t, `{
		"models": {
			"plain": {"type": "chat", "endpoint": "bedrock:us.amazon.nova-lite-v1:0"},
			"renamed": {"type": "chat", "endpoint": "bedrock:us.does-not-exist-v1:0", "overrideName": "us.amazon.nova-lite-v1:0"},
			"by-api-key": {"type": "chat", "endpoint": "bedrock:us.amazon.nova-lite-v1:0", "upstreams": [{"key": "upstream-api-key", "extraData": {"region": "us-east-1"}}]},
			"by-role": {"type": "chat", "endpoint": "bedrock:us.amazon.nova-lite-v1:0", "upstreams": [{"extraData": {"region": "us-east-1", "aws_assume_role_arn": "arn:aws:iam::123456789012:role/BedrockAccess"}}]},
			"by-wrong-keys": {"type": "chat", "endpoint": "bedrock:us.amazon.nova-lite-v1:0", "upstreams": [{"extraData": {"region": "us-east-1", "aws_access_key_id": "AKIAWRONG", "aws_secret_access_key": "wrong-secret-key"}}]},
			"unknown-model": {"type": "chat", "endpoint": "bedrock:us.does-not-exist-v1:0"},
			"elsewhere": {"type": "chat", "endpoint": "http://127.0.0.1:1/openai/deployments/x/chat/completions"},
			"for-power": {"type": "chat", "endpoint": "bedrock:us.amazon.nova-lite-v1:0", "userRoles": ["power"]}
		},
		"keys": {"a-key-of-a-team": {"project": "team", "role": "default"}},
		"roles": {"default": {}, "power": {}}
	}`)
	base, stderr := start(t, "serve", "--config", file)
	tests := []struct {
		deployment string
		status     int
		text       string
	}{
		{"plain", http.StatusOK, "hi there"},
		{"renamed", http.StatusOK, "hi there"},
		{"by-api-key", http.StatusOK, "hi there"},
		{"by-role", http.StatusOK, "hi there"},
		{"by-wrong-keys", http.StatusBadGateway, "own AWS credentials"},
		{"unknown-model", http.StatusNotFound, "model id and region"},
		{"elsewhere", http.StatusBadGateway, "Failed to connect"},
		{"for-power", http.StatusForbidden, "Forbidden deployment"},
	}
	for _, tt := range tests {
		if a := post(t, base, "a-key-of-a-team", tt.deployment, hello); a.status != tt.status || !strings.Contains(a.text, tt.text) {
			t.Errorf("%s: %+v", tt.deployment, a)
		}
	}
	log := stderr.String()
	for _, want := range []string{"set AWS_REGION", "models.unknown-model"} {
		if !strings.Contains(log, want) {
			t.Errorf("standard error does not say %q:\n%s", want, log)
		}
	}
	for _, secret := range []string{"a-key-of-a-team", "upstream-api-key", "wrong-secret-key", "hi there"} {
		if strings.Contains(log, secret) {
			t.Errorf("standard error holds %q:\n%s", secret, log)
		}
	}
}

func TestWithoutCredentialsTheLogAndTheClientSaySo(t *testing.T) {
	clearAWS(t)
	t.Setenv("AWS_REGION", "us-east-1")
	base, stderr := start(t, "serve", "--config", write(t, `{
		"models": {"m": {"type": "chat", "endpoint": "bedrock:us.amazon.nova-lite-v1:0"}},
		"keys": {"a-key-of-a-team": {"project": "team", "role": "default"}}, "roles": {"default": {}}}`))
	if a := post(t, base, "a-key-of-a-team", "m", hello); a.status != http.StatusBadGateway || !strings.Contains(a.text, "no AWS credentials") {
		t.Errorf("%+v", a)
	}
	stderr.wait(t, "cannot get AWS credentials")
}

func TestServeRefusesWhatItCannotServe(t *testing.T) {
	clearAWS(t)
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	model := write(t, `{"models": {"m": {"type": "chat", "endpoint": "bedrock:us.amazon.nova-lite-v1:0"}}, "keys": {"a-key-of-a-team": {"project": "team", "role": "default"}}}`)
	broken := write(t, "{\n \"models\": {,}\n}")
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"nothing to serve", []string{"serve"}, "--sandbox"},
		{"a port in use", []string{"serve", "--sandbox", "--listen", taken.Addr().String()}, taken.Addr().String() + " is in use"},
		{"no address", []string{"serve", "--sandbox", "--listen", "nowhere"}, "cannot listen at nowhere"},
		{"a missing file", []string{"serve", "--config", "/nonexistent.json"}, "/nonexistent.json: error: cannot read the file"},
		{"a broken file", []string{"serve", "--config", broken}, ":2:13: error"},
		{"no region", []string{"serve", "--config", model, "--listen", "127.0.0.1:0"}, "no AWS region: set AWS_REGION"},
		{"an unknown log format", []string{"serve", "--sandbox", "--log", "xml"}, "json or text"},
		{"an unknown command", []string{"bogus"}, "unknown command"},
		{"an unknown flag", []string{"serve", "--bogus"}, "unknown flag"},
	}
	for _, tt := range tests {
		var stderr bytes.Buffer
		if code := run(t.Context(), tt.args, strings.NewReader(""), io.Discard, &stderr); code != 1 || !strings.Contains(stderr.String(), tt.want) {
			t.Errorf("%s: exit status %d, %s", tt.name, code, stderr.String())
		}
	}
}

// TestStoppingTellsClientsThatTheirAnswerIsCut: what still runs after the drain ends with an error.
func TestStoppingTellsClientsThatTheirAnswerIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log output
		logger := slog.New(slog.NewTextHandler(&log, nil))
		handler, _, err := build(demoConfig(), newParts(inMemory(t), nil, logger))
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		listener := memnet.Listen()
		done := make(chan error, 1)
		go func() {
			done <- service{newServer(handler, logger), listener, drain{timeout: drainTimeout}, nil, logger, nil}.run(ctx)
		}()
		client := &http.Client{Transport: &http.Transport{DialContext: listener.DialContext}}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://gateway/openai/deployments/nova-lite/chat/completions",
			strings.NewReader(`{"stream":true,"messages":[{"role":"user","content":"[[sandbox drip=1s tokens=200]]"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Api-Key", demoKey)
		req.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		stop()
		body, err := io.ReadAll(resp.Body)
		if err != nil || !strings.Contains(string(body), "data: {\"error\":{\"message\":\"The server is stopping") || strings.Contains(string(body), "[DONE]") {
			t.Errorf("the stream ends with %q, %v", body[max(0, len(body)-300):], err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if !strings.Contains(log.String(), "kind=server_unavailable") || !strings.Contains(log.String(), "a second signal ends at once") {
			t.Errorf("the log reads %s", &log)
		}
	})
}

// inMemory makes clients of a sandbox that lives in the test's bubble.
func inMemory(t *testing.T) *upstreams {
	t.Helper()
	catalogue, err := models.Load()
	if err != nil {
		t.Fatal(err)
	}
	handler, err := sandbox.New(sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	transport := memnet.Serve(t, handler)
	return &upstreams{clients: map[[32]byte]*bedrock.Client{}, make: func(bedrock.Settings) (*bedrock.Client, error) {
		return bedrock.New(bedrock.Options{
			Region: "us-east-1", Endpoint: "http://bedrock", Transport: transport, Catalogue: catalogue,
			Credentials: credentials.NewStaticCredentialsProvider("sandbox", "sandbox", ""),
		})
	}}
}

// TestFetchAllow: a file of a private network is fetched only where the operator allows the network.
func TestFetchAllow(t *testing.T) {
	var calls atomic.Int32
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		_, _ = w.Write([]byte("name,value\na,1\n"))
	}))
	defer files.Close()
	body := `{"messages":[{"role":"user","content":[{"type":"text","text":"Hi"},{"type":"file","file":{"filename":"a.csv","file_data":"` + files.URL + `/a.csv"}}]}]}`
	for _, tt := range []struct {
		args   []string
		status int
		calls  int32
	}{{nil, http.StatusBadRequest, 0}, {[]string{"--fetch-allow", "127.0.0.1/32"}, http.StatusOK, 1}} {
		calls.Store(0)
		base, _ := start(t, append([]string{"serve", "--sandbox"}, tt.args...)...)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/openai/deployments/claude-sonnet/chat/completions", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Api-Key", "outcrop-demo")
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != tt.status || calls.Load() != tt.calls {
			t.Errorf("%q: status %d, %d calls", tt.args, resp.StatusCode, calls.Load())
		}
	}
}
