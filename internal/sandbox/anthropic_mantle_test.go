package sandbox

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const idClaudeMantle = "anthropic.claude-haiku-4-5"

// postMessages hands a request of Anthropic's API to the handler, with an API key.
func postMessages(t testing.TB, s *Server, path, body string, header ...string) (rec *httptest.ResponseRecorder) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://sandbox"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer sandbox")
	r.Header.Set("Anthropic-Version", "2023-06-01")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec = httptest.NewRecorder()
	defer func() {
		if p := recover(); p != nil {
			if err, ok := p.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
		}
	}()
	s.ServeHTTP(rec, r)
	return rec
}

func said(text, more string) string {
	return fmt.Sprintf(`{"model":%q,"max_tokens":2000,"messages":[{"role":"user","content":%q}]%s}`, idClaudeMantle, text, more)
}

// A message says the same as a stream of it, folded, in Anthropic's events.
func TestMessagesOfMantle(t *testing.T) {
	s := newServer(t, Options{})
	const clock = `,"tools":[{"name":"clock","input_schema":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}]`
	for _, c := range []struct{ said, more, text, thought, call, stop string }{
		{"Hello", "", "You said: “Hello”.", "", "", "end_turn"},
		{"Hello", `,"thinking":{"type":"enabled","budget_tokens":1024}`, "You said", "The user says", "", "end_turn"},
		{"The clock in Oslo?", clock, "", "", `clock {"city":"Oslo"}`, "tool_use"},
		{"Hello", `,"stop_sequences":["am"]`, "I ", "", "", "stop_sequence"},
		{"x [[sandbox text=ok stop=refusal]]", "", "ok", "", "", "refusal"},
	} {
		t.Run(c.said+c.more, func(t *testing.T) {
			plain := decodeObject(postMessages(t, s, pathMessages, said(c.said, c.more)).Body.Bytes())
			var text1, thought1, call1 string
			for _, b := range array(plain["content"]) {
				text1 += text(dig(b, "text"))
				thought1 += text(dig(b, "thinking"))
				if dig(b, "name") != nil {
					call1 += text(dig(b, "name")) + " " + string(encode(dig(b, "input")))
				}
			}
			if !strings.Contains(text1, c.text) || !strings.Contains(thought1, c.thought) || call1 != c.call || plain["stop_reason"] != c.stop || plain["amazon-bedrock-invocationMetrics"] != nil {
				t.Errorf("plain: %s", encode(plain))
			}
			rec := postMessages(t, s, pathMessages, said(c.said, c.more+`,"stream":true`))
			events, _ := sseEvents(t, rec.Body.Bytes())
			var text2, thought2, call2, stop string
			for _, e := range events {
				text2 += text(dig(e, "delta", "text"))
				thought2 += text(dig(e, "delta", "thinking"))
				if name := text(dig(e, "content_block", "name")); name != "" {
					call2 += name + " "
				}
				call2 += text(dig(e, "delta", "partial_json"))
				stop += text(dig(e, "delta", "stop_reason"))
			}
			if text2 != text1 || thought2 != thought1 || call2 != call1 || stop != c.stop {
				t.Errorf("stream: %q %q %q %q", text2, thought2, call2, stop)
			}
			last := events[len(events)-1]
			if events[0]["type"] != "message_start" || last["type"] != "message_stop" || len(last) != 1 {
				t.Errorf("stream: from %v to %v", events[0], last)
			}
		})
	}
}

// The rules are those of InvokeModel's body, in the errors of Anthropic's API.
func TestMessagesThatMantleRefuses(t *testing.T) {
	s := newServer(t, Options{})
	for _, c := range []struct {
		path, body string
		header     []string
		status     int
		kind, text string
	}{
		{pathMessages, said("x", ""), nil, 200, "", ""},
		{pathMessages, said("x", `,"metadata":{"user_id":"u"}`), []string{"Anthropic-Beta", "interleaved-thinking-2025-05-14, effort-2025-11-24"}, 200, "", ""},
		{pathMessages, said("x", `,"context_management":{"edits":[]}`), []string{"Anthropic-Beta", "context-management-2025-06-27"}, 200, "", ""},
		{pathCountMessages, `{"model":"anthropic.claude-haiku-4-5","messages":[{"role":"user","content":"x"}]}`, nil, 200, "", ""},
		{pathMessages, `[]`, nil, 400, "invalid_request_error", "not valid JSON"},
		{pathMessages, said("x", ""), []string{"Anthropic-Version", ""}, 400, "invalid_request_error", "anthropic-version"},
		{pathMessages, said("x", ""), []string{"Anthropic-Version", "2020-01-01"}, 400, "invalid_request_error", "anthropic-version"},
		{pathMessages, `{"messages":[]}`, nil, 400, "invalid_request_error", "model: Field required"},
		{pathMessages, `{"model":"us.anthropic.claude-opus-4-8"}`, nil, 404, "not_found_error", "us.anthropic"},
		{pathMessages, `{"model":"qwen.qwen3-32b"}`, nil, 400, "invalid_request_error", "isn't supported on this route"},
		{pathMessages, `{"model":"anthropic.claude-haiku-4-5","messages":[{"role":"user","content":"x"}]}`, nil, 400, "invalid_request_error", "max_tokens: Field required"},
		{pathMessages, said("x", `,"anthropic_version":"bedrock-2023-05-31"`), nil, 400, "invalid_request_error", "anthropic_version: Extra inputs"},
		{pathMessages, said("x", `,"anthropic_beta":["effort-2025-11-24"]`), nil, 400, "invalid_request_error", "anthropic_beta: Extra inputs"},
		{pathMessages, said("x", `,"stream":1`), nil, 400, "invalid_request_error", "stream"},
		{pathMessages, said("x", `,"service_tier":"auto"`), nil, 400, "invalid_request_error", "service_tier: Extra inputs"},
		{pathMessages, said("x", `,"context_management":{"edits":[]}`), nil, 400, "invalid_request_error", "context_management: Extra inputs"},
		{pathMessages, said("x", `,"tools":[{"name":"a","defer_loading":true,"input_schema":{"type":"object"}}]`), nil, 400, "invalid_request_error", "defer_loading: Extra inputs"},
		{pathMessages, strings.Replace(said("x", ""), `"role"`, `"output_config":{},"role"`, 1), nil, 400, "invalid_request_error", "messages.0.output_config: Extra inputs"},
		{pathMessages, said("x", ""), []string{"Anthropic-Beta", "claude-code-20250219"}, 400, "invalid_request_error", "invalid beta flag"},
		{pathMessages, said("x", `,"temperature":2`), nil, 400, "invalid_request_error", "temperature"},
		{pathCountMessages, said("x", ""), nil, 400, "invalid_request_error", "max_tokens: Extra inputs"},
		{pathCountMessages, `{"model":"anthropic.claude-haiku-4-5"}`, nil, 400, "invalid_request_error", "messages: Field required"},
		{pathMessages, said("x [[sandbox refuse=unavailable]]", ""), nil, 529, "overloaded_error", "unable"},
		{pathMessages, said("x [[sandbox refuse=throttle-tokens]]", ""), nil, 429, "rate_limit_error", "Too many tokens"},
		{pathMessages, said("x [[sandbox refuse=no-model-access]]", ""), nil, 403, "permission_error", "access"},
		{pathMessages, said("x [[sandbox refuse=model-timeout]]", ""), nil, 408, "timeout_error", "timed out"},
		{pathMessages, said("x [[sandbox refuse=internal]]", ""), nil, 500, "api_error", "unexpected"},
		{pathMessages, said("x", ""), []string{"Authorization", "Bearer other"}, 401, "authentication_error", "API Key"},
		{pathMessages, said("x", ""), []string{"Authorization", "AWS4-HMAC-SHA256 Credential=sandbox/20260101/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=0"}, 401, "authentication_error", ""},
	} {
		rec := postMessages(t, s, c.path, c.body, c.header...)
		got := decodeObject(rec.Body.Bytes())
		kind, message := text(dig(got, "error", "type")), text(dig(got, "error", "message"))
		if rec.Code != c.status || kind != c.kind || !strings.Contains(message, c.text) || c.kind != "" && got["type"] != "error" {
			t.Errorf("%s %v: %d %s", c.body, c.header, rec.Code, rec.Body)
		}
	}
}

// An exception in the middle of a stream is an event of Anthropic's.
func TestMantleBreaksOff(t *testing.T) {
	s := newServer(t, Options{})
	rec := postMessages(t, s, pathMessages, said("x [[sandbox exception=serviceUnavailableException after=3]]", `,"stream":true`))
	events, _ := sseEvents(t, rec.Body.Bytes())
	if last := events[len(events)-1]; len(events) != 4 || last["type"] != "error" || dig(last, "error", "type") != "overloaded_error" {
		t.Errorf("%s", rec.Body)
	}
	if rec := postMessages(t, s, pathMessages, said("x [[sandbox unknown-event]]", `,"stream":true`)); !strings.Contains(rec.Body.String(), "event: sandboxUnknownEvent\n") {
		t.Errorf("%s", rec.Body)
	}
}

// FuzzMessages sends strangers' bodies: a reply or an error in Anthropic's shape, never a panic.
func FuzzMessages(f *testing.F) {
	f.Add([]byte(said("hi [[sandbox tools=2]]", `,"stream":true,"tools":[{"name":"a","input_schema":{"type":"object"}}]`)))
	f.Add([]byte(said("hi", `,"thinking":{"type":"enabled","budget_tokens":1024},"system":[{"type":"text","text":"x","cache_control":{"type":"ephemeral"}}]`)))
	s := newServer(f, Options{})
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, slow := range []string{"start=", "drip=", "think="} {
			if strings.Contains(string(data), slow) {
				return // it would only wait
			}
		}
		for _, path := range []string{pathMessages, pathCountMessages} {
			rec := postMessages(t, s, path, string(data))
			if rec.Code >= 400 && text(dig(decodeObject(rec.Body.Bytes()), "error", "type")) == "" && !strings.Contains(string(data), "plain-") {
				t.Errorf("%s: %d %.300s", path, rec.Code, rec.Body)
			}
		}
	})
}
