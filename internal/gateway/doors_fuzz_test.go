package gateway_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// otherDoors are the paths that take bodies and that FuzzChat, FuzzImages and FuzzFrontDoor do not go through.
func otherDoors() []string {
	return []string{
		"/openai/v1/completions", "/openai/deployments/claude/completions", "/openai/v1/embeddings", "/openai/v1/responses", "/v2/rerank", "/v1/rerank", "/openai/v1/images/generations",
		"/anthropic/v1/messages", "/anthropic/v1/messages/count_tokens", "/v1/deployments/claude/tokenize", "/v1/deployments/claude/truncate_prompt", "/v1/claude/rate", "/v1/consent/claude",
	}
}

// FuzzOtherDoors: no body makes one of them fail by itself, and each answers JSON or a stream.
func FuzzOtherDoors(f *testing.F) {
	for door := range otherDoors() {
		for _, seed := range []string{
			`{"model":"claude","prompt":["Hi"],"max_tokens":5,"stream":true}`, `{"model":"model","input":["a","b"],"dimensions":256}`, `{"model":"claude","input":[{"role":"user","content":"Hi"}],"stream":true,"store":true}`,
			`{"model":"model","query":"a","documents":["b",{"text":"c"}],"top_n":1}`, `{"model":"claude","max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}],"stream":true}`,
			`{"inputs":[{"type":"string","value":"a"},{"type":"request","value":{"messages":[` + hi + `]}}]}`, `{"inputs":[{"messages":[` + hi + `],"max_prompt_tokens":3}]}`, `{"responseId":"a","rate":true}`, `[`, ``, `null`,
		} {
			f.Add(uint8(door), []byte(seed))
		}
	}
	aws := newCanned(f)
	handler := newGateway(f, aws, io.Discard, setting{model: "us.anthropic.claude-sonnet-4-5-20250929-v1:0", remotes: remotes{t: lenient{f}}})
	f.Fuzz(func(t *testing.T, door uint8, body []byte) {
		path := otherDoors()[int(door)%len(otherDoors())]
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, bytes.NewReader(body))
		r.Header.Set("Api-Key", "key-a")
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		stream := strings.HasPrefix(w.Header().Get("Content-Type"), "text/event-stream")
		if w.Code == http.StatusInternalServerError || !stream && w.Body.Len() > 0 && !json.Valid(w.Body.Bytes()) {
			t.Fatalf("%s %q: %d %.1000q", path, body, w.Code, w.Body)
		}
	})
}
