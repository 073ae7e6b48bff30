package gateway_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"outcrop/internal/fixturetest"
)

// canned is a Bedrock that gives every call the same good answer, in the form that was asked for.
type canned struct {
	stream []byte
	called atomic.Bool // choices are asked for side by side
}

func newCanned(t testing.TB) *canned {
	t.Helper()
	var stream bytes.Buffer
	for _, event := range [][2]string{
		{"messageStart", `{"role":"assistant"}`}, {"contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":"{}"}}`},
		{"contentBlockStop", `{"contentBlockIndex":0}`}, {"messageStop", `{"stopReason":"end_turn"}`},
		{"metadata", `{"usage":{"inputTokens":1,"outputTokens":1,"totalTokens":2}}`},
	} {
		stream.Write(fixturetest.EncodeFrame(t, "event", event[0], event[1]))
	}
	return &canned{stream: stream.Bytes()}
}

const cannedReply = `{"output":{"message":{"role":"assistant","content":[{"text":"{}"}]}},"stopReason":"end_turn",` +
	`"usage":{"inputTokens":1,"outputTokens":1,"totalTokens":2}}`

func (c *canned) RoundTrip(r *http.Request) (*http.Response, error) {
	c.called.Store(true)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if !json.Valid(body) {
		return nil, fmt.Errorf("Bedrock was sent %q", body)
	}
	resp := &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Request: r}
	if resp.Body = io.NopCloser(strings.NewReader(cannedReply)); strings.HasSuffix(r.URL.Path, "/converse-stream") {
		resp.Header.Set("Content-Type", "application/vnd.amazon.eventstream")
		resp.Body = io.NopCloser(bytes.NewReader(c.stream))
	}
	return resp, nil
}

// lenient is a test in which strangers may be asked for files that they do not have.
type lenient struct{ testing.TB }

func (lenient) Errorf(string, ...any) {}

// FuzzChat: whatever the body is, the gateway does not panic and does not fail by itself, and its answer is
// one that OpenAI could give: an error, a reply, or a stream that ends with either.
func FuzzChat(f *testing.F) {
	for _, h := range hostileBodies() {
		if len(h.body) < 4<<10 {
			f.Add([]byte(h.body))
		}
	}
	for _, model := range []string{"claude", "llama", "model"} {
		for _, rest := range []string{
			``, `,"stream":true`, `,"stream":true,"stream_options":{"include_usage":true},"n":2`, `,"n":3,"max_tokens":5,"stop":["a","b"],"temperature":0.5`,
			`,"response_format":{"type":"json_object"}`, `,"response_format":{"type":"json_schema","json_schema":{"name":"a","strict":true,"schema":{"type":"object"}}}`,
			`,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],"tool_choice":"auto","parallel_tool_calls":false`,
			`,"reasoning_effort":"low"`, `,"custom_fields":{"configuration":{"thinking":{"type":"enabled","budget_tokens":2000}}}`, `,"max_prompt_tokens":100`,
		} {
			f.Add([]byte(`{"model":"` + model + `","messages":[{"role":"system","content":"Be kind."},` + hi + `]` + rest + `}`))
		}
		f.Add([]byte(`{"model":"` + model + `","messages":[{"role":"user","content":[{"type":"text","text":"Hi"},` + image("http://example.com/a.png") + `]}]}`))
		f.Add([]byte(`{"model":"` + model + `","messages":[{"role":"user","content":[{"type":"text","text":"Hi"},` + image(picture(8, 8)) + `,` + file(data("text/plain", "a")) + `]},` +
			`{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"a","content":"b"}]}`))
	}
	aws := newCanned(f)
	handler := newGateway(f, aws, io.Discard, setting{model: "us.amazon.nova-lite-v1:0", remotes: remotes{t: lenient{f}}})
	f.Fuzz(func(t *testing.T, body []byte) {
		aws.called.Store(false)
		w := httptest.NewRecorder()
		r := chatRequest(t.Context(), bytes.NewReader(body))
		r.Header.Set("Api-Key", "key-a")
		handler.ServeHTTP(w, r)
		if err := checkAnswer(w, aws.called.Load()); err != nil {
			t.Fatalf("%q: %d, %v: %.1000q", body, w.Code, err, w.Body)
		}
	})
}

// checkAnswer says what is wrong with an answer to a chat. Only when Bedrock was called may something else
// than the request be at fault: its answer may not be what the client's schema wants.
func checkAnswer(w *httptest.ResponseRecorder, called bool) error {
	body, stream := w.Body.Bytes(), strings.HasPrefix(w.Header().Get("Content-Type"), "text/event-stream")
	switch {
	case w.Code == http.StatusInternalServerError:
		return fmt.Errorf("the gateway failed")
	case w.Code >= 500 && !called || w.Code < 500 && w.Code >= 400 && called:
		return fmt.Errorf("whose fault is it? Bedrock was called: %t", called)
	case w.Code >= 400:
		_, err := readRefused(body)
		return err
	case w.Code != http.StatusOK:
		return fmt.Errorf("no such status")
	case stream:
		return checkStream(string(body))
	default:
		return checkReply(body, "chat.completion")
	}
}

func checkReply(body []byte, object string) error {
	var reply struct{ Object, ID, Model string }
	if err := json.Unmarshal(body, &reply); err != nil {
		return err
	}
	if reply.Object != object || reply.ID == "" || reply.Model == "" {
		return fmt.Errorf("not a %s", object)
	}
	return nil
}

func checkStream(text string) error {
	frames, ok := strings.CutSuffix(text, "\n\n")
	if !ok {
		return fmt.Errorf("the last frame is not ended")
	}
	ended := false
	for frame := range strings.SplitSeq(frames, "\n\n") {
		event, ok := strings.CutPrefix(frame, "data: ")
		if !ok || ended {
			return fmt.Errorf("a frame that is none: %q", frame)
		}
		if ended = event == "[DONE]"; ended {
			continue
		}
		if _, err := readRefused([]byte(event)); err == nil {
			ended = true
		} else if err := checkReply([]byte(event), "chat.completion.chunk"); err != nil {
			return err
		}
	}
	if !ended {
		return fmt.Errorf("the stream does not end")
	}
	return nil
}
