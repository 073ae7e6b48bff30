package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"outcrop/internal/auth"
	"outcrop/internal/catalog"
	"outcrop/internal/gateway"
	"outcrop/internal/llm"
	"outcrop/internal/llm/llmtest"
)

// vendor is a model that speaks Anthropic's wire: it keeps what it is asked, and plays its pieces.
type vendor struct {
	pieces []llm.MessagesPiece
	err    error
	wait   time.Duration // before the second piece
	got    *llm.MessagesRequest
	left   bool
}

func (v *vendor) Messages(ctx context.Context, req *llm.MessagesRequest) iter.Seq2[llm.MessagesPiece, error] {
	copied := *req
	copied.Body = bytes.Clone(req.Body)
	v.got = &copied
	return func(yield func(llm.MessagesPiece, error) bool) {
		for i, piece := range v.pieces {
			if i == 1 && v.wait > 0 {
				select {
				case <-time.After(v.wait):
				case <-ctx.Done():
					yield(llm.MessagesPiece{}, &llm.Error{Kind: llm.KindCanceled, Message: "Gone.", Err: ctx.Err()})
					return
				}
			}
			if !yield(piece, nil) {
				v.left = true
				return
			}
		}
		if v.err != nil {
			yield(llm.MessagesPiece{}, v.err)
		}
	}
}

func (v *vendor) CountMessages(_ context.Context, req *llm.MessagesRequest) (llm.Count, error) {
	v.got = req
	return llm.Count{Tokens: 42, Exact: true}, v.err
}

func piece(kind string, last bool) llm.MessagesPiece {
	return llm.MessagesPiece{Type: kind, JSON: []byte(`{"type":"` + kind + `"}`), Last: last}
}

// newNative is a gateway, or an adapter, whose one deployment "claude" is the vendor's.
func newNative(t *testing.T, v *vendor, timeouts catalog.Timeouts, face func(gateway.Options) (*gateway.Gateway, error)) http.Handler {
	t.Helper()
	visible, err := catalog.New([]*catalog.Deployment{{Name: "claude", Messages: func() llm.MessagesModel { return v }, Timeouts: timeouts}})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := auth.New(auth.Options{Keys: []auth.Key{{Digest: auth.Digest("key-a"), Project: "team-a"}}})
	if err != nil {
		t.Fatal(err)
	}
	g, err := face(gateway.Options{
		Auth: keys, Deployments: gateway.Fixed(visible), Version: "test", Log: slog.New(slog.DiscardHandler), Metadata: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func messagesRequest(ctx context.Context, path, body string) *http.Request {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "http://gateway"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Api-Key", "key-a")
	r.Header.Set("X-Request-Id", "req-1")
	return r
}

const nativeBody = `{"model": "claude", "stream": true, "new_member": {"a": 1}, "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "ttl": "1h"}}], "messages": []}`

// TestNativeMessages: the body goes to the model as it came, with the betas, and its events to the client.
func TestNativeMessages(t *testing.T) {
	first := piece("message_start", false)
	first.Ignored = []string{"anthropic-beta: old"}
	v := &vendor{pieces: []llm.MessagesPiece{{}, first, {}, piece("message_stop", true)}}
	r := messagesRequest(t.Context(), "/anthropic/v1/messages", nativeBody)
	r.Header["Anthropic-Beta"] = []string{"a-1, b-2", "c-3,"}
	w := httptest.NewRecorder()
	newNative(t, v, catalog.Timeouts{}, gateway.New).ServeHTTP(w, r)
	if w.Code != http.StatusOK || w.Body.String() != "event: message_start\ndata: {\"type\":\"message_start\"}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n" {
		t.Errorf("%d %q", w.Code, w.Body)
	}
	if string(v.got.Body) != nativeBody || v.got.Whole || !slices.Equal(v.got.Betas, []string{"a-1", "b-2", "c-3"}) || v.got.Metadata["project"] != "team-a" {
		t.Errorf("the model was asked %+v", v.got)
	}
	h := w.Header()
	if h.Get("X-Outcrop-Ignored") != "anthropic-beta: old" || h.Get("X-DIAL-CACHE-BREAKPOINT-PATH") != "prefix.body.system[0]" ||
		h.Get("X-DIAL-CACHE-EXPIRE-AT") == "" || h.Get("Request-Id") != "req-1" || h.Get("Content-Type") != "text/event-stream" {
		t.Errorf("the header is %v", h)
	}
}

// TestNativeMessagesWhole: without stream the reply is the vendor's message.
func TestNativeMessagesWhole(t *testing.T) {
	v := &vendor{pieces: []llm.MessagesPiece{piece("message", true)}}
	w := httptest.NewRecorder()
	newNative(t, v, catalog.Timeouts{}, gateway.New).ServeHTTP(w, messagesRequest(t.Context(), "/anthropic/v1/messages", `{"model":"claude"}`))
	if w.Code != http.StatusOK || w.Body.String() != `{"type":"message"}` || !v.got.Whole || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%d %q, %+v", w.Code, w.Body, v.got)
	}
}

// TestNativeCount: the vendor counts its own tokens.
func TestNativeCount(t *testing.T) {
	v := &vendor{}
	w := httptest.NewRecorder()
	newNative(t, v, catalog.Timeouts{}, gateway.New).ServeHTTP(w, messagesRequest(t.Context(), "/anthropic/v1/messages/count_tokens", `{"model":"claude"}`))
	if w.Code != http.StatusOK || strings.TrimSpace(w.Body.String()) != `{"input_tokens":42}` {
		t.Errorf("%d %q", w.Code, w.Body)
	}
	v.err = &llm.Error{Kind: llm.KindNoRoute, Message: "It does not count."}
	w = httptest.NewRecorder()
	newNative(t, v, catalog.Timeouts{}, gateway.New).ServeHTTP(w, messagesRequest(t.Context(), "/anthropic/v1/messages/count_tokens", `{"model":"claude"}`))
	if w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), `"not_found_error"`) {
		t.Errorf("%d %q", w.Code, w.Body)
	}
}

// TestMessagesNaming: the body names the deployment; at the gateway a header that DIAL Core sets to what is
// behind it does not.
func TestMessagesNaming(t *testing.T) {
	for _, tt := range []struct {
		face   func(gateway.Options) (*gateway.Gateway, error)
		header string
		model  string
		want   int
	}{
		{gateway.New, "", "claude", 200}, {gateway.New, "nobody", "claude", 200}, {gateway.New, "claude", "nobody", 404},
		{gateway.NewAdapter, "", "claude", 200}, {gateway.NewAdapter, "", "nobody", 404},
	} {
		v := &vendor{pieces: []llm.MessagesPiece{piece("message", true)}}
		r := messagesRequest(t.Context(), "/anthropic/v1/messages", `{"model":"`+tt.model+`"}`)
		if tt.header != "" {
			r.Header.Set("X-Dial-Deployment-Id", tt.header)
		}
		w := httptest.NewRecorder()
		newNative(t, v, catalog.Timeouts{}, tt.face).ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("header %q, model %q: %d %s", tt.header, tt.model, w.Code, w.Body)
		}
	}
}

// TestNativeFaults: a reply that fails before its first event is a status, one that fails at any later
// moment ends with an event error and never with message_stop.
func TestNativeFaults(t *testing.T) {
	whole := []llm.MessagesPiece{piece("message_start", false), {}, piece("content_block_start", false), piece("content_block_delta", false), {}, piece("message_delta", false)}
	for after := range len(whole) + 1 {
		for _, fault := range []error{nil, &llm.Error{Kind: llm.KindRateLimited, Message: "Slow down."}} {
			v := &vendor{pieces: whole[:after], err: fault}
			w := httptest.NewRecorder()
			newNative(t, v, catalog.Timeouts{}, gateway.New).ServeHTTP(w, messagesRequest(t.Context(), "/anthropic/v1/messages", nativeBody))
			kind, status := "api_error", http.StatusBadGateway
			if fault != nil {
				kind, status = "rate_limit_error", http.StatusTooManyRequests
			}
			if after > 0 {
				status = http.StatusOK
			}
			body := w.Body.String()
			if w.Code != status || !strings.Contains(body, `"type":"error","error":{"type":"`+kind+`"`) || strings.Contains(body, "message_stop") ||
				strings.Contains(body, "event: error") != (after > 0) {
				t.Errorf("after %d, %v: %d %s", after, fault, w.Code, body)
			}
		}
	}
}

// TestTranslatedFaults is TestNativeFaults for a model of another wire, plain and as a stream.
func TestTranslatedFaults(t *testing.T) {
	events := []llm.Event{
		llm.Start{Model: "m"}, llm.Pause{}, llm.ReasoningDelta{Text: "hm"}, llm.ReasoningDelta{Signature: "s"}, &llm.TextDelta{Text: "a"}, llm.Pause{},
		llm.ToolCallStart{ID: "1", Name: "f"}, llm.ToolCallDelta{Args: `{"a":`}, llm.ToolCallStart{Index: 1, ID: "2", Name: "g"}, llm.ToolCallDelta{Args: "1}"},
	}
	for after := range len(events) + 1 {
		for _, stream := range []bool{true, false} {
			script := llmtest.Play(events[:after]...)
			script.Steps = append(script.Steps, llmtest.Step{Err: &llm.Error{Kind: llm.KindRateLimited, Message: "Slow down."}})
			w := httptest.NewRecorder()
			newTranslated(t, script).ServeHTTP(w, messagesRequest(t.Context(), "/anthropic/v1/messages",
				fmt.Sprintf(`{"model":"model","stream":%v,"messages":[{"role":"user","content":"a"}]}`, stream)))
			begun := stream && after > 2
			status := map[bool]int{true: http.StatusOK, false: http.StatusTooManyRequests}[begun]
			body := w.Body.String()
			if w.Code != status || !strings.Contains(body, `"type":"error","error":{"type":"rate_limit_error"`) || strings.Contains(body, "message_stop") ||
				strings.Contains(body, "event: error") != begun || script.Open() != 0 {
				t.Errorf("after %d, stream %v: %d %s", after, stream, w.Code, body)
			}
		}
	}
}

// newTranslated is a gateway whose one deployment "model" chats.
func newTranslated(t *testing.T, chat llm.ChatModel) http.Handler {
	t.Helper()
	visible, err := catalog.New([]*catalog.Deployment{{Name: "model", Chat: chat}})
	if err != nil {
		t.Fatal(err)
	}
	return newHandler(t, gateway.Options{Auth: anyone{}, Deployments: gateway.Fixed(visible), Log: slog.New(slog.DiscardHandler)})
}

// TestTranslatedClientGone: the model is left when the client has gone.
func TestTranslatedClientGone(t *testing.T) {
	script := llmtest.Play(&llm.TextDelta{Text: "a"}, llm.Pause{}, &llm.TextDelta{Text: "b"}, llm.Finish{Reason: llm.FinishStop})
	newTranslated(t, script).ServeHTTP(gone{httptest.NewRecorder()}, messagesRequest(t.Context(), "/anthropic/v1/messages",
		`{"model":"model","stream":true,"messages":[{"role":"user","content":"a"}]}`))
	if script.Open() != 0 {
		t.Error("the model was not left")
	}
}

// TestNativeTimeouts: the deployment's timeouts and heartbeat are for native replies too.
func TestNativeTimeouts(t *testing.T) {
	pieces := []llm.MessagesPiece{piece("message_start", false), piece("content_block_delta", false), piece("message_stop", true)}
	for name, tt := range map[string]struct {
		limits catalog.Timeouts
		want   string
	}{
		"first token": {catalog.Timeouts{FirstToken: time.Second}, "first-token timeout"},
		"total":       {catalog.Timeouts{Total: 2 * time.Second}, "total timeout"},
		"heartbeat":   {catalog.Timeouts{Heartbeat: 4 * time.Second}, "message_stop"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := &vendor{pieces: pieces, wait: 10 * time.Second}
				w := httptest.NewRecorder()
				newNative(t, v, tt.limits, gateway.New).ServeHTTP(w, messagesRequest(t.Context(), "/anthropic/v1/messages", nativeBody))
				if body := w.Body.String(); !strings.Contains(body, tt.want) || strings.Contains(body, "event: ping") != (tt.limits.Heartbeat > 0) {
					t.Errorf("%d %s", w.Code, body)
				}
			})
		})
	}
}

// TestNativeClientGone: the model is left when the client has gone.
func TestNativeClientGone(t *testing.T) {
	v := &vendor{pieces: []llm.MessagesPiece{piece("message_start", false), {}, piece("message_stop", true)}}
	newNative(t, v, catalog.Timeouts{}, gateway.New).ServeHTTP(gone{httptest.NewRecorder()}, messagesRequest(t.Context(), "/anthropic/v1/messages", nativeBody))
	if !v.left {
		t.Error("the model was not left")
	}
}

type gone struct{ *httptest.ResponseRecorder }

func (gone) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// TestHostileMessages: whatever is wrong with a body, the client is told once, in Anthropic's words, and it
// costs no more than its size allows.
func TestHostileMessages(t *testing.T) {
	handler := newGateway(t, nobody(t), io.Discard, setting{model: "us.amazon.nova-lite-v1:0", remotes: remotes{t: t}})
	deep := strings.Repeat("[", 100_000)
	for name, body := range map[string]string{
		"empty": "", "not JSON": "hello", "an array": "[]", "cut": `{"model":"model","messages":[{"role":"user","content":"a`,
		"deep": `{"model":"model","messages":` + deep, "deep schema": `{"model":"model","messages":[],"tools":[{"name":"f","input_schema":` + deep,
		"UTF-8": "{\"model\":\"model\",\"messages\":[{\"role\":\"user\",\"content\":\"\xff\"}]}", "control": "{\"model\":\"mo\x01del\"}",
		"many messages":  `{"model":"model","messages":[` + strings.Repeat(`{"role":"user","content":"a"},`, 200_000) + `{"role":"user","content":"a"}]}`,
		"many blocks":    `{"model":"model","messages":[{"role":"user","content":[` + strings.Repeat(`{"type":"text","text":"a"},`, 100_000) + `{"type":"text","text":"a"}]}]}`,
		"many members":   `{"model":"model","messages":[{"role":"user","content":[{` + strings.Repeat(`"a":1,`, 100_000) + `"type":"text"}]}]}`,
		"type last":      `{"model":"model","messages":[{"role":"user","content":[` + strings.Repeat(`{"x":[1,2,3],"type":"hologram"},`, 20_000) + `{}]}]}`,
		"nested results": `{"model":"model","messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":[{"type":"tool_result","content":[]}]}]}]}`,
		"twice":          `{"model":"model","messages":[],"messages":[{"role":"user","content":"a"}]}`,
		"huge number":    `{"model":"model","max_tokens":1e999,"messages":[{"role":"user","content":"a"}]}`,
		"fraction":       `{"model":"model","max_tokens":1.5,"messages":[{"role":"user","content":"a"}]}`,
		"long name":      `{"model":"` + strings.Repeat("m", 100_000) + `","messages":[{"role":"user","content":"a"}]}`,
		"no object":      `{"model":"model","messages":[{"role":"user","content":[[[]]]}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			spent := work(func() { handler.ServeHTTP(w, messagesRequest(t.Context(), "/anthropic/v1/messages", body)) })
			want := fmt.Sprintf(`{"type":"error","error":{"type":"%s","message":`, map[bool]string{true: "not_found_error", false: "invalid_request_error"}[w.Code == 404])
			if got := w.Body.String(); w.Code/100 != 4 || !strings.HasPrefix(got, want) || len(got) > 2000 || !strings.HasSuffix(got, `"request_id":"req-1"}`+"\n") {
				t.Errorf("%d %.500s", w.Code, got)
			}
			spent.check(t, len(body))
		})
	}
}
