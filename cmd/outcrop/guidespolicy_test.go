package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"outcrop/internal/sandbox"
)

// The permissions of DIAL's guide, and no other, are enough to serve: chats work, streamed too. What is off
// degrades or is refused, and is named: tokens are estimated, a model behind an application profile cannot be
// looked up unless the configuration names it, and the log says which permission mantle
// wants.
func TestTheGuidesPolicyServes(t *testing.T) {
	srv := awsSandbox(t, sandbox.Options{})
	signIn(t, srv.URL, "guide", `{"Effect":"Allow","Action":["bedrock:GetFoundationModel","bedrock:ListFoundationModels","bedrock:InvokeModel","bedrock:InvokeModelWithResponseStream"],"Resource":"*"}`)
	t.Setenv("AWS_ENDPOINT_URL", srv.URL)
	const profile = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/sandbox-us-amazon-nova-2-lite-v1-0"
	file := filepath.Join(t.TempDir(), "aidial.config.json")
	if err := os.WriteFile(file, []byte(`{
		"models": {
			"claude": {"type": "chat", "endpoint": "bedrock:us.anthropic.claude-sonnet-4-5-20250929-v1:0"},
			"behind": {"type": "chat", "endpoint": "bedrock:`+profile+`", "upstreams": [{"extraData": {"compatible_model_id": "amazon.nova-2-lite-v1:0"}}]},
			"qwen": {"type": "chat", "endpoint": "bedrock:qwen.qwen3-32b"}},
		"keys": {"k": {"project": "p", "role": "default"}}, "roles": {"default": {}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	base, log := start(t, "serve", "--config", file)
	for _, name := range []string{"claude", "behind"} {
		if a := post(t, base, "k", name, `{"messages":[{"role":"user","content":"Hello!"}]}`); a.status != http.StatusOK || !strings.Contains(a.text, "Hello!") {
			t.Errorf("%s: %+v", name, a)
		}
		if body := postRaw(t, base+"/openai/deployments/"+name+"/chat/completions", `{"stream":true,"messages":[{"role":"user","content":"Hello!"}]}`); !strings.HasSuffix(body, "data: [DONE]\n\n") {
			t.Errorf("%s: the stream is not whole: %s", name, body)
		}
	}
	counted := postRaw(t, base+"/v1/deployments/claude/tokenize", `{"inputs":[{"type":"string","value":"Hello!"}]}`)
	var out struct {
		Outputs []struct {
			Status     string
			TokenCount int `json:"token_count"`
		}
	}
	if err := json.Unmarshal([]byte(counted), &out); err != nil || len(out.Outputs) != 1 || out.Outputs[0].Status != "success" || out.Outputs[0].TokenCount == 0 {
		t.Errorf("tokens are not estimated: %v %s", err, counted)
	}
	if a := post(t, base, "k", "qwen", `{"messages":[{"role":"user","content":"Hello!"}]}`); a.status != http.StatusForbidden || !strings.Contains(a.text, "IAM") {
		t.Errorf("mantle's refusal: %+v", a)
	}
	if !strings.Contains(log.String(), "bedrock-mantle:CreateInference") { // the client learns nothing of the account
		t.Errorf("the log does not name the permission: %s", log)
	}
}

func postRaw(t *testing.T, url, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Api-Key", "k")
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
