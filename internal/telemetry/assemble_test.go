package telemetry

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestAssemble: what a stream said is one reply; what broke off, or is no chat, is none.
func TestAssemble(t *testing.T) {
	stream := func(chunks ...string) string { return "data: " + strings.Join(chunks, "\n\ndata: ") + "\n\n" }
	for name, test := range map[string]struct{ body, want string }{
		"a whole reply": {`{"id":"1","x":[]}`, `{"id":"1","x":[]}`},
		"nothing":       {"", "{}"},
		"a page":        {"<html>", "{}"},
		"half a reply":  {`{"id":`, "{}"},
		"a chat": {
			stream(`{"id":"1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}`,
				`{"id":"2","created":2,"model":"n","choices":[{"index":0,"delta":{"content":"Hel","role":"assistant"}}],"usage":null}`, `{"id":"3","created":3,"choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":"stop"}]}`,
				`{"choices":[],"usage":{"prompt_tokens":12345678901234567890},"statistics":{"usage_per_model":[{"index":0,"model":"m"}]}}`, "[DONE]"),
			`{"id":"3","object":"chat.completion","created":3,"model":"m","choices":[{"finish_reason":"stop","index":0,"message":{"content":"Hello","role":"assistant"}}],` +
				`"usage":{"prompt_tokens":12345678901234567890},"statistics":{"usage_per_model":[{"model":"m"}]}}`,
		},
		"tools of two choices": {
			stream(`{"choices":[{"index":1,"delta":{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{"}}]}}]}`,
				`{"choices":[{"index":0,"delta":{"content":"x"}}]}`,
				`{"choices":[{"index":1,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"}"}},{"index":1,"id":"b"}]}}]}`, "[DONE]"),
			`{"object":"chat.completion","choices":[{"index":1,"message":{"tool_calls":[{"function":{"arguments":"{}","name":"f"},"id":"a","type":"function"},{"id":"b"}]}},{"index":0,"message":{"content":"x"}}]}`,
		},
		"a stream that broke off": {stream(`{"choices":[{"index":0,"delta":{"content":"x"}}]}`), "{}"},
		"a stream that failed":    {stream(`{"choices":[{"index":0,"delta":{"content":"x"}}]}`, `{"error":{"message":"m"}}`), "{}"},
		"a list without indices":  {stream(`{"choices":[{"delta":{"content":"x"}}]}`, "[DONE]"), "{}"},
		"an old completion":       {stream(`{"object":"text_completion","choices":[{"index":0,"text":"a"}]}`, `{"object":"text_completion","choices":[{"index":0,"text":"b"}]}`, "[DONE]"), `{"object":"text_completion","choices":[{"index":0,"text":"ab"}]}`},
		"a response": {
			"event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"status\":\"in_progress\"}}\n\nevent: response.completed\ndata: {\"response\":{\"status\":\"completed\",\"id\":\"r\"}}\n\n",
			`{"id":"r","status":"completed"}`,
		},
		"a messages stream": {"event: ping\ndata: {\"type\":\"ping\"}\n\n", "{}"},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, string(assemble([]byte(test.body)))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// FuzzAssemble: whatever an upstream sends, there is an end.
func FuzzAssemble(f *testing.F) {
	f.Add([]byte("data: {\"choices\":[{\"index\":0,\"delta\":{\"a\":[{\"index\":0}]}}]}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"a\":[{\"index\":0}]}}]}\n\ndata: [DONE]"))
	f.Add([]byte("data: {\"choices\":[{\"index\":0,\"delta\":3}]}\ndata: {\"choices\":[{\"index\":0,\"delta\":{}}]}\ndata: [DONE]"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if got := assemble(body); len(got) == 0 {
			t.Error("nothing")
		}
	})
}
