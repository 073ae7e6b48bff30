package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"outcrop/internal/adapter"
	"outcrop/internal/config"
	"outcrop/internal/models"
	"outcrop/internal/sandbox"
)

// clearAdapter takes the variables of DIAL's adapter out of a test, AWS's among them.
func clearAdapter(t *testing.T) {
	t.Helper()
	clearAWS(t)
	for _, v := range adapter.Variables() {
		if !strings.HasSuffix(v.Name, "*") {
			t.Setenv(v.Name, "")
		}
	}
}

// postWith sends a chat with more headers than its key.
func postWith(t *testing.T, url string, headers map[string]string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(hello))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestAdapterSandbox(t *testing.T) {
	clearAdapter(t)
	t.Setenv("WEB_CONCURRENCY", "4")
	t.Setenv("LOG_LEVEL", "INFO")
	base, stderr := start(t, "adapter", "--sandbox")
	const id = "us.amazon.nova-lite-v1:0"
	if a := post(t, base, "any", id, hello); a.status != http.StatusOK || a.text != "hi there" {
		t.Errorf("%+v", a)
	}
	if a := post(t, base, "", id, hello); a.status != http.StatusBadRequest || a.text != "Api-Key header is required" {
		t.Errorf("without a key: %+v", a)
	}
	resp, err := http.Get(base + "/health") //nolint:noctx // a test
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); err != nil || string(text) != `{"status":"ok"}` {
		t.Errorf("%s, %v", text, err)
	}
	if log := stderr.String(); !strings.Contains(log, "variable=WEB_CONCURRENCY") || strings.Contains(log, "/health") {
		t.Errorf("the log is %s", log)
	}
}

// TestAdapterTalksToAWS: to a sandbox in AWS's place, in the way that the headers of each request say.
func TestAdapterTalksToAWS(t *testing.T) {
	handler, err := sandbox.New(sandbox.Options{APIKeys: []string{"upstream-api-key"}, Credentials: []sandbox.Credential{
		{AccessKeyID: "AKIAPROCESS", SecretAccessKey: "process-secret"}, {AccessKeyID: "AKIAUPSTREAM", SecretAccessKey: "upstream-secret"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	aws := httptest.NewServer(handler)
	defer aws.Close()
	clearAdapter(t)
	t.Setenv("AWS_ENDPOINT_URL", aws.URL)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAPROCESS")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "process-secret")
	t.Setenv("AWS_DEFAULT_REGION", "us-east-1")
	t.Setenv("DEFAULT_REGION", "us-west-2")
	base, stderr := start(t, "adapter", "--log", "json")
	const nova = "/openai/deployments/us.amazon.nova-lite-v1:0/chat/completions"
	for _, tt := range []struct {
		name, path, extra string
		status            int
		text              string
	}{
		{"the process's keys", nova, ``, 200, "hi there"},
		{"the upstream's keys", nova, `{"region": "us-east-1", "aws_access_key_id": "AKIAUPSTREAM", "aws_secret_access_key": "upstream-secret"}`, 200, "hi there"},
		{"a role", nova, `{"aws_assume_role_arn": "arn:aws:iam::123456789012:role/BedrockAccess"}`, 200, "hi there"},
		{"an API key", nova, `{"aws_bearer_token_bedrock": "upstream-api-key"}`, 200, "hi there"},
		{"wrong keys are not replaced by the process's", nova, `{"aws_access_key_id": "AKIAWRONG", "aws_secret_access_key": "wrong-secret"}`, 502, "own AWS credentials"},
		{"half a key", nova, `{"aws_access_key_id": "AKIAUPSTREAM"}`, 400, "X-Upstream-Extra-Data: aws_access_key_id without aws_secret_access_key (add it in extraData or secretExtraData)"},
		{"wrong JSON", nova, `{"aws_secret_access_key": "upstream-secret"`, 400, "X-Upstream-Extra-Data: this is no JSON"},
		{"wrong types", nova, `{"region": 1.5, "aws_secret_access_key": ["upstream-secret"]}`, 400, "X-Upstream-Extra-Data.region"},
		{"an unknown region", nova, `{"region": "mars"}`, 400, `"param":"X-Upstream-Extra-Data.region"`},
		{"an unknown field", nova, `{"colour": "red"}`, 200, "hi there"},
		{"an address", nova, `{"aws_endpoint_url_bedrock_runtime": "http://169.254.169.254"}`, 400, "X-Upstream-Extra-Data.aws_endpoint_url_bedrock_runtime"},
		{"a model id", "/openai/deployments/my-assistant/chat/completions", `{"model_id": "us.amazon.nova-lite-v1:0"}`, 200, `"model":"my-assistant"`},
		{"a surface that is none", nova, `{"surface": "moon"}`, 400, "X-Upstream-Extra-Data.surface"},
		{"an unknown model", "/openai/deployments/us.does-not-exist-v1:0/chat/completions", ``, 404, "model id and region"},
		{"an impossible model id", "/openai/deployments/a%20b/chat/completions", ``, 400, "the model id holds"},
	} {
		status, body := postWith(t, base+tt.path, map[string]string{"Api-Key": "per-request-key", "X-UPSTREAM-EXTRA-DATA": tt.extra})
		if status != tt.status || !strings.Contains(body, tt.text) || strings.Contains(body, "-secret\"") {
			t.Errorf("%s: %d %s", tt.name, status, body)
		}
	}
	log := stderr.String()
	for _, want := range []string{"DEFAULT_REGION=us-west-2 goes first", "set AWS_DEFAULT_REGION", "unknown field, ignored"} {
		if !strings.Contains(log, want) {
			t.Errorf("standard error does not say %q:\n%s", want, log)
		}
	}
	for _, secret := range []string{"per-request-key", "upstream-api-key", "process-secret", "upstream-secret", "wrong-secret", "hi there"} {
		if strings.Contains(log, secret) {
			t.Errorf("standard error holds %q:\n%s", secret, log)
		}
	}
}

// A reply through serve is the reply through the adapter, but for what is made up for each.
func TestAdapterIsServe(t *testing.T) {
	clearAdapter(t)
	adapted, _ := start(t, "adapter", "--sandbox")
	served, _ := start(t, "serve", "--sandbox")
	for _, m := range demoModels {
		if m.kind != config.TypeChat {
			continue // equality_test.go has them
		}
		var replies []string
		for _, at := range []string{adapted + "/openai/deployments/" + m.id, served + "/openai/deployments/" + m.name} {
			status, body := postWith(t, at+"/chat/completions", map[string]string{"Api-Key": demoKey, "X-Request-Id": "same"})
			var reply map[string]any
			if err := json.Unmarshal([]byte(body), &reply); err != nil || status != http.StatusOK {
				t.Fatalf("%s: %d %s", m.id, status, body)
			}
			delete(reply, "created")
			delete(reply, "model")
			delete(reply, "statistics") // which a Core tells
			text, err := json.Marshal(reply)
			if err != nil {
				t.Fatal(err)
			}
			replies = append(replies, string(text))
		}
		if replies[0] != replies[1] {
			t.Errorf("%s: adapter %s, serve %s", m.id, replies[0], replies[1])
		}
	}
}

// What is wrong in the environment ends the start, all of it at once.
func TestAdapterRefusesAWrongEnvironment(t *testing.T) {
	clearAdapter(t)
	t.Setenv("AWS_CLAUDE_DEFAULT_CLIENT", "x")
	t.Setenv("REQUEST_TIMEOUT_SECONDS", "abc")
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"adapter", "--sandbox", "--listen", "127.0.0.1:0"}, strings.NewReader(""), &stdout, &stderr)
	if code != 1 || !strings.Contains(stderr.String(), "AWS_CLAUDE_DEFAULT_CLIENT must be one of legacy, mantle, converse") || !strings.Contains(stderr.String(), "REQUEST_TIMEOUT_SECONDS must be a number") {
		t.Errorf("exit status %d: %s", code, &stderr)
	}
}

func TestAdapterWithoutARegionStarts(t *testing.T) {
	clearAdapter(t)
	base, stderr := start(t, "adapter")
	if a := post(t, base, "any", "us.amazon.nova-lite-v1:0", hello); a.status != http.StatusInternalServerError || !strings.Contains(a.text, "AWS_DEFAULT_REGION") {
		t.Errorf("%+v", a)
	}
	stderr.wait(t, "no AWS region")
}

func TestListedModels(t *testing.T) {
	catalogue, err := models.Load()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for _, m := range listed(catalogue) {
		all[m.ID] = true
	}
	for _, id := range []string{"us.anthropic.claude-sonnet-4-5-20250929-v1:0", "global.anthropic.claude-sonnet-4-5-20250929-v1:0", "amazon.titan-embed-text-v2:0", "stability.sd3-5-large-v1:0"} {
		if !all[id] {
			t.Errorf("%s is not listed", id)
		}
	}
	if len(all) < 100 || all["anthropic.claude-sonnet-4-5-20250929-v1:0"] {
		t.Errorf("%d are listed", len(all))
	}
}
