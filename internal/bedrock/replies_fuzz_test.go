package bedrock_test

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"outcrop/internal/bedrock"
	"outcrop/internal/llm"
)

// says is a Bedrock that answers every call with the same bytes.
type saysBytes struct {
	kind string
	body []byte
}

// RoundTrip implements http.RoundTripper.
func (s saysBytes) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {s.kind}}, Body: io.NopCloser(bytes.NewReader(s.body)), Request: r}, nil
}

// FuzzReplies: whatever a model of any family answers, whole or as a stream, its chat ends, with an end or an error.
func FuzzReplies(f *testing.F) {
	ids := []string{"us.amazon.nova-lite-v1:0", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "openai.gpt-oss-120b-1:0", "qwen.qwen3-32b", "us.twelvelabs.pegasus-1-2-v1:0", "stability.stable-image-core-v1:1"}
	for id := range ids {
		for _, seed := range []string{
			`{"output":{"message":{"role":"assistant","content":[{"text":"Hi"},{"toolUse":{"toolUseId":"a","name":"f","input":{}}},{"reasoningContent":{"reasoningText":{"text":"a","signature":"b"}}}]}},"stopReason":"end_turn","usage":{"inputTokens":5,"outputTokens":1,"totalTokens":6}}`,
			`{"id":"a","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}`,
			`{"message":"Hi","finishReason":"stop"}`, `{"seeds":[7],"finish_reasons":[null],"images":["iVBORw0KGgo="]}`,
			"data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\ndata: [DONE]\n\n", `{"content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":2}}`, `null`, ``,
		} {
			f.Add(id, []byte(seed), false)
			f.Add(id, []byte(seed), true)
		}
	}
	f.Fuzz(func(t *testing.T, which int, body []byte, stream bool) {
		kind := "application/json"
		if stream {
			kind = "text/event-stream"
		}
		client := newClient(t, saysBytes{kind, body})
		chat, err := client.Model(ids[max(0, which)%len(ids)], bedrock.ModelOptions{})
		if err != nil {
			t.Fatal(err)
		}
		req := &llm.ChatRequest{Messages: []llm.Message{{Role: llm.RoleUser, Parts: []llm.Part{llm.Text{Text: "Hi"}}}}, Whole: !stream}
		ended := false
		for event, err := range chat.Chat(t.Context(), req) {
			if ended {
				t.Fatalf("%q: %v, %v after the end", body, event, err)
			}
			ended = err != nil
		}
	})
}
