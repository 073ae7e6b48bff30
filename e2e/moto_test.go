//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

const (
	motoRole = "arn:aws:iam::123456789012:role/Bedrock"
	motoKey  = "team-key"
)

var motoReady = regexp.MustCompile(`Running on (http://127\.0\.0\.1:\d+)`)

// moto, which others wrote, judges how a role is assumed: it verifies the signature of the call and knows
// whose the credentials are that Bedrock then sees.
func TestARoleIsAssumedFromMoto(t *testing.T) {
	moto := startMoto(t)
	ask := func(service, key, form string, into any) { motoCall(t, moto, service, key, form, into) }
	ask("iam", "nobody", "Action=CreateUser&UserName=outcrop", nil)
	ask("iam", "nobody", "Action=PutUserPolicy&UserName=outcrop&PolicyName=p&PolicyDocument="+
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}]}`, nil)
	var made struct {
		ID     string `xml:"CreateAccessKeyResult>AccessKey>AccessKeyId"`
		Secret string `xml:"CreateAccessKeyResult>AccessKey>SecretAccessKey"`
	}
	ask("iam", "nobody", "Action=CreateAccessKey&UserName=outcrop", &made)
	motoVerifies(t, moto, "0") // from now on

	seen := make(chan string, 1) // access key ids
	bedrock := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, scope, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
		id, _, _ := strings.Cut(scope, "/")
		seen <- id
		_, _ = io.WriteString(w, `{"output":{"message":{"role":"assistant","content":[{"text":"Yes."}]}},"stopReason":"end_turn","usage":{"inputTokens":1,"outputTokens":1,"totalTokens":2}}`)
	}))
	defer bedrock.Close()
	upstream := func(secret string) []any {
		return []any{map[string]any{
			"extraData": map[string]any{
				"region": "us-east-1", "aws_access_key_id": made.ID, "aws_assume_role_arn": motoRole, "aws_role_session_name": "by-team",
				"aws_role_duration": "30m", "aws_external_id": "ex-1", "aws_endpoint_url_sts": moto, "aws_endpoint_url_bedrock_runtime": bedrock.URL,
			},
			"secretExtraData": map[string]any{"aws_secret_access_key": secret},
		}}
	}
	s := serveModels(t, map[string]any{
		"good":  map[string]any{"type": "chat", "endpoint": "bedrock:us.amazon.nova-lite-v1:0", "upstreams": upstream(made.Secret)},
		"wrong": map[string]any{"type": "chat", "endpoint": "bedrock:us.amazon.nova-lite-v1:0", "upstreams": upstream("not-the-secret")},
	})
	if status, body := chat(t, s.url, "good"); status != http.StatusOK || !strings.Contains(body, "Yes.") {
		t.Fatalf("%d %s", status, body)
	}
	if status, body := chat(t, s.url, "wrong"); status != http.StatusBadGateway || !strings.Contains(body, "AWS did not give the gateway the credentials") || strings.Contains(body, "arn:") {
		t.Errorf("with a wrong secret: %d %s", status, body)
	}

	motoVerifies(t, moto, "10000") // no more: the session's secret is not ours to know
	var who struct {
		ARN string `xml:"GetCallerIdentityResult>Arn"`
	}
	ask("sts", <-seen, "Action=GetCallerIdentity&Version=2011-06-15", &who)
	if want := "arn:aws:sts::123456789012:assumed-role/Bedrock/by-team"; who.ARN != want {
		t.Errorf("Bedrock was called as %s, want %s", who.ARN, want)
	}
}

// startMoto starts moto's server at a free port.
func startMoto(t *testing.T) string {
	t.Helper()
	python, err := filepath.Abs(filepath.Join(".venv", "bin", "python"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0")
	cmd.Env = append(cleanEnv(t), "INITIAL_NO_AUTH_ACTION_COUNT=10000", "PYTHONUNBUFFERED=1")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = patience
	out, ended := newOutput(), make(chan struct{})
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatalf("moto: %v (make e2e-deps installs it)", err)
	}
	go func() {
		_ = cmd.Wait() // it ends by a signal
		close(ended)
	}()
	t.Cleanup(func() { <-ended })
	match := out.wait(t.Context(), motoReady, ended)
	if match == nil {
		t.Fatalf("moto did not start (make e2e-deps installs it); it wrote:\n%s", out)
	}
	return match[1]
}

// motoVerifies sets after how many calls moto verifies signatures and evaluates policies.
func motoVerifies(t *testing.T, moto, after string) {
	t.Helper()
	if status, body := post(t, moto+"/moto-api/reset-auth", "text/plain", after, nil); status != http.StatusOK {
		t.Fatalf("moto: %d %s", status, body)
	}
}

// motoCall asks moto without a good signature and reads its XML.
func motoCall(t *testing.T, moto, service, key, form string, into any) {
	t.Helper()
	status, body := post(t, moto, "application/x-www-form-urlencoded", form, http.Header{"Authorization": {
		"AWS4-HMAC-SHA256 Credential=" + key + "/20260101/us-east-1/" + service + "/aws4_request, SignedHeaders=host, Signature=0",
	}})
	if status != http.StatusOK {
		t.Fatalf("moto: %d %s", status, body)
	}
	if into != nil {
		if err := xml.Unmarshal([]byte(body), into); err != nil {
			t.Fatalf("moto: %v in %s", err, body)
		}
	}
}

// serveModels starts outcrop serve with these models and one key.
func serveModels(t *testing.T, models map[string]any) *server {
	t.Helper()
	data, err := json.Marshal(map[string]any{"models": models, "keys": map[string]any{motoKey: map[string]any{"project": "team", "roles": []string{"default"}}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "aidial.config.json")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return start(t, configReady, nil, "serve", "--config", file, "--listen", "127.0.0.1:0")
}

func chat(t *testing.T, url, model string) (status int, body string) {
	t.Helper()
	return post(t, url+"/openai/deployments/"+model+"/chat/completions", "application/json",
		`{"messages": [{"role": "user", "content": "Hi"}]}`, http.Header{"Api-Key": {motoKey}})
}

func post(t *testing.T, url, contentType, body string, header http.Header) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	req.Header.Set("Content-Type", contentType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}
