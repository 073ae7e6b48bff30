package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"outcrop/internal/config"
)

// scribe is an AWS that answers every chat alike and keeps what it was asked.
type scribe struct {
	mu   sync.Mutex
	last string // path and body
}

func (s *scribe) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.last = r.URL.Path + " " + string(body)
	s.mu.Unlock()
	if strings.Contains(string(body), "wait for it") {
		select {
		case <-r.Context().Done():
		case <-time.After(time.Minute):
		}
		return
	}
	answer := `{"output":{"message":{"content":[{"text":"Yes."}],"role":"assistant"}},"stopReason":"end_turn","usage":{"inputTokens":1,"outputTokens":1,"totalTokens":2}}`
	if strings.HasSuffix(r.URL.Path, "/chat/completions") {
		answer = `{"id":"1","choices":[{"index":0,"message":{"role":"assistant","content":"Yes."},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, answer)
}

func (s *scribe) asked() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// TestWhatAConfigurationSaysOfAModelReachesAWS: every setting of a model and its upstream that shapes
// requests is seen in what AWS is asked.
func TestWhatAConfigurationSaysOfAModelReachesAWS(t *testing.T) {
	clearAWS(t)
	aws := &scribe{}
	server := httptest.NewServer(aws)
	t.Cleanup(server.Close)
	t.Setenv("AWS_ENDPOINT_URL", server.URL)
	t.Setenv("AWS_ENDPOINT_URL_BEDROCK_MANTLE", server.URL)
	t.Setenv("AWS_ACCESS_KEY_ID", "PROCESS")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "process-secret")
	t.Setenv("AWS_REGION", "us-east-1")
	const profile = `"endpoint": "bedrock:arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc123"`
	const claude = `"anthropic.claude-sonnet-4-5-20250929-v1:0"`
	const say = `{"messages":[{"role":"user","content":"Hello!"}]`
	base, _ := start(t, "serve", "--config", write(t, configOf(
		`"guarded": {"type": "chat", "endpoint": "bedrock:us.amazon.nova-lite-v1:0", "upstreams": [{"guardrail": {"id": "gr1abc2def3", "version": "7", "trace": "enabled_full", "streamProcessingMode": "sync"}}]}`,
		`"behind": {"type": "chat", `+profile+`, "upstreams": [{"baseModel": `+claude+`}]}`,
		`"compatible": {"type": "chat", `+profile+`, "upstreams": [{"extraData": {"compatible_model_id": `+claude+`}}]}`,
		`"elsewhere": {"type": "chat", "endpoint": "bedrock:openai.gpt-oss-120b-1:0", "upstreams": [{"surface": "openai"}]}`,
		`"mantle": {"type": "chat", "endpoint": "bedrock:qwen.qwen3-32b"}`,
		`"defaults": {"type": "chat", "endpoint": "bedrock:us.amazon.nova-lite-v1:0", "defaults": {"max_tokens": 77}}`,
		`"hasty": {"type": "chat", "endpoint": "bedrock:us.amazon.nova-lite-v1:0", "timeouts": {"total": "50ms"}}`,
	)))
	for _, tt := range []struct{ name, body, path, want string }{
		{"guarded", say + `}`, "/converse", `"guardrailConfig":{"guardrailIdentifier":"gr1abc2def3","guardrailVersion":"7","trace":"enabled_full"`},
		{"guarded", say + `,"stream":true}`, "/converse-stream", `"streamProcessingMode":"sync"`},
		{"behind", say + `,"reasoning_effort":"low"}`, "/converse", `"budget_tokens"`},
		{"compatible", say + `,"reasoning_effort":"low"}`, "/converse", `"budget_tokens"`},
		{"elsewhere", say + `}`, "/openai/v1/chat/completions", `"model":"openai.gpt-oss-120b-1:0"`},
		{"mantle", say + `}`, "/v1/chat/completions", `"model":"qwen.qwen3-32b"`},
		{"defaults", say + `}`, "/converse", `"maxTokens":77`},
		{"defaults", say + `,"max_tokens":5}`, "/converse", `"maxTokens":5`},
		{"defaults", say + `}`, "/converse", `"requestMetadata":{"deployment":"defaults","project":"team"}`},
	} {
		post(t, base, "a-key-of-a-team", tt.name, tt.body)
		path, body, _ := strings.Cut(aws.asked(), " ")
		if !strings.HasSuffix(path, tt.path) || !strings.Contains(body, tt.want) {
			t.Errorf("%s: AWS was asked %s %s, want %s with %s", tt.name, path, body, tt.path, tt.want)
		}
	}
	began := time.Now()
	if a := post(t, base, "a-key-of-a-team", "hasty", `{"messages":[{"role":"user","content":"wait for it"}]}`); a.status != http.StatusGatewayTimeout {
		t.Errorf("after %v: %+v", time.Since(began), a)
	}
}

func TestAShortConnectTimeoutIsTheModels(t *testing.T) {
	for stated, want := range map[time.Duration]time.Duration{3 * time.Second: 3 * time.Second, config.LongestConnect: 0} {
		m := config.Model{Timeouts: config.Timeouts{Connect: stated}}
		if got := modelOptions(m, config.Upstream{}).Connect; got != want {
			t.Errorf("%v becomes %v", stated, got)
		}
	}
}
