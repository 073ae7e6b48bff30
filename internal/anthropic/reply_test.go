package anthropic

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"outcrop/internal/llm"
	"outcrop/internal/llm/llmtest"
)

// TestReply: a reply's events, and what a client gets of them as a stream and as a message.
func TestReply(t *testing.T) {
	forEachFixture(t, "reply", func(t *testing.T, input []byte) []txtar.File {
		steps := script(t, string(input))
		return []txtar.File{
			{Name: "stream", Data: []byte(answer(t, WriteStream, steps))},
			{Name: "plain", Data: []byte(answer(t, WriteReply, steps))},
		}
	})
}

type writer func(http.ResponseWriter, iter.Seq2[llm.Event, error], Envelope) error

func answer(t *testing.T, write writer, steps []llmtest.Step) string {
	t.Helper()
	w := httptest.NewRecorder()
	w.Header().Set("X-Request-Id", "req-1")
	model := &llmtest.Script{Steps: steps}
	headers := 0
	err := write(w, model.Chat(t.Context(), nil), Envelope{ID: "req-1", Model: "m", Header: func(http.Header, *llm.Start) { headers++ }})
	if model.Open() != 0 {
		t.Error("the sequence is still held")
	}
	if want := 1; err == nil && headers != want {
		t.Errorf("the header was set %d times", headers)
	}
	body := w.Body.String()
	var indented bytes.Buffer
	if json.Indent(&indented, w.Body.Bytes(), "", "  ") == nil {
		body = indented.String()
	}
	if w.Header().Get(HeaderRequestID) != "req-1" {
		t.Error("no id under Anthropic's name")
	}
	return fmt.Sprintf("%d %s%s\n%s", w.Code, w.Header().Get("Content-Type"), retry(w.Header()), body)
}

func retry(h http.Header) string {
	if after := h.Get("Retry-After"); after != "" {
		return " retry after " + after
	}
	return ""
}

// script reads the events of a fixture, one a line.
func script(t *testing.T, text string) (steps []llmtest.Step) {
	t.Helper()
	usage := llm.Usage{}
	for line := range strings.Lines(text) {
		verb, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		step := llmtest.Step{}
		switch verb {
		case "start":
			step.Event = llm.Start{ID: "aws-1", Model: "id"}
		case "pause":
			step.Event = llm.Pause{}
		case "text":
			step.Event = &llm.TextDelta{Text: quoted(t, rest)}
		case "think":
			step.Event = llm.ReasoningDelta{Text: quoted(t, rest)}
		case "sign":
			step.Event = llm.ReasoningDelta{Signature: quoted(t, rest)}
		case "redacted":
			step.Event = llm.ReasoningDelta{Redacted: []byte(quoted(t, rest))}
		case "call":
			var e llm.ToolCallStart
			scan(t, rest, "%d %s %s", &e.Index, &e.ID, &e.Name)
			step.Event = e
		case "args":
			var e llm.ToolCallDelta
			scan(t, rest, "%d %q", &e.Index, &e.Args)
			step.Event = e
		case "cite":
			c := llm.Citation{URL: "https://a"}
			scan(t, rest, "%s %d %q %d %d %q", &c.Unit, &c.Document, &c.Title, &c.From, &c.To, &c.Quote)
			c.Unit = strings.TrimPrefix(c.Unit, "web")
			step.Event = c
		case "blob":
			var e llm.BlobOut
			scan(t, rest, "%s %q", &e.Blob.MIME, &e.Blob.Base64)
			step.Event = e
		case "url":
			var e llm.BlobOut
			scan(t, rest, "%s %s", &e.Blob.MIME, &e.URL)
			step.Event = e
		case "usage":
			usage = llm.Usage{CacheRead: 7, CacheWrite: 5, CacheWrite1h: 2, Reasoning: 1}
			continue
		case "finish":
			step.Event = finish(t, rest, usage)
		case "error":
			step.Err = failure(t, rest)
		default:
			t.Fatalf("unknown line %q", line)
		}
		steps = append(steps, step)
	}
	return steps
}

func finish(t *testing.T, rest string, usage llm.Usage) llm.Finish {
	word := ""
	scan(t, rest, "%s %d %d", &word, &usage.Input, &usage.Output)
	f := map[string]llm.Finish{
		"stop": {Reason: llm.FinishStop}, "length": {Reason: llm.FinishLength}, "tools": {Reason: llm.FinishToolCalls},
		"filter": {Reason: llm.FinishContentFilter}, "other": {}, "odd": {Detail: "pause_turn"},
		"window": {Reason: llm.FinishLength, Detail: "model_context_window_exceeded"},
	}[word]
	if f.Usage = usage; usage.CacheRead > 0 {
		f.Tier = "priority"
	}
	return f
}

func failure(t *testing.T, rest string) error {
	word, message := "", ""
	scan(t, rest, "%s %q", &word, &message)
	kind := map[string]llm.Kind{"rate": llm.KindRateLimited, "upstream": llm.KindUpstream}[word]
	return &llm.Error{Kind: kind, Message: message, RetryAfter: 90 * time.Second}
}

func quoted(t *testing.T, text string) (s string) {
	scan(t, text, "%q", &s)
	return s
}

func scan(t *testing.T, text, format string, into ...any) {
	t.Helper()
	if _, err := fmt.Sscanf(text, format, into...); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
}

// TestClientGone: whoever reads no more is noticed at the first write, and the model is left.
func TestClientGone(t *testing.T) {
	for name, write := range map[string]writer{"stream": WriteStream, "reply": WriteReply} {
		model := llmtest.Play(&llm.TextDelta{Text: "a"}, llm.Pause{}, &llm.TextDelta{Text: "b"}, llm.Finish{Reason: llm.FinishStop})
		err := write(deaf{httptest.NewRecorder()}, model.Chat(t.Context(), nil), Envelope{})
		if e := llm.AsError(err); e.Kind != llm.KindCanceled || model.Open() != 0 {
			t.Errorf("%s: %v, %d held", name, err, model.Open())
		}
	}
}

// deaf is a client that has gone.
type deaf struct{ *httptest.ResponseRecorder }

func (deaf) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

// TestStatus: every kind of failure has its status and Anthropic's word.
func TestStatus(t *testing.T) {
	want := map[llm.Kind]string{
		llm.KindInternal: "500 api_error", llm.KindInvalid: "400 invalid_request_error", llm.KindContextLength: "400 invalid_request_error",
		llm.KindContentFilter: "400 invalid_request_error", llm.KindUnauthenticated: "401 authentication_error",
		llm.KindForbidden: "403 permission_error", llm.KindNotFound: "404 not_found_error", llm.KindNoRoute: "404 not_found_error",
		llm.KindTooLarge: "413 request_too_large", llm.KindUnsupportedType: "415 invalid_request_error",
		llm.KindRateLimited: "429 rate_limit_error", llm.KindUpstream: "502 api_error", llm.KindUnavailable: "503 overloaded_error",
		llm.KindTimeout: "504 timeout_error", llm.KindCanceled: "499 api_error", llm.KindTruncation: "400 invalid_request_error",
		llm.KindEndOfLife: "404 not_found_error", llm.KindNoMethod: "405 invalid_request_error", llm.KindNotServed: "501 api_error",
		llm.KindServerUnavailable: "503 overloaded_error",
		99:                        "500 api_error",
	}
	for kind, text := range want {
		w := httptest.NewRecorder()
		WriteError(w, &llm.Error{Kind: kind, Message: "m"})
		var body struct {
			Type  string
			Error struct{ Type, Message string }
		}
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(w.Code, " ", body.Error.Type); got != text || body.Type != "error" || Status(kind) != w.Code {
			t.Errorf("%s: got %s, want %s", kind, got, text)
		}
	}
}

// TestPath: a client reads its own words.
func TestPath(t *testing.T) {
	for path, want := range map[string]string{
		"custom_fields.configuration.thinking.budget_tokens": "thinking.budget_tokens", "custom_fields.configuration.top_k": "top_k",
		"custom_fields.configuration.cache": "custom_fields.configuration.cache", "messages[-1].content[2].cache_control": "system[2].cache_control",
		"messages[-1]": "system", "messages[3].content[1]": "messages[3].content[1]", "messages[3].tool_call_id": "messages[3].content",
		"tools[1].function.parameters.type": "tools[1].input_schema.type", "tools[1].function.name": "tools[1].name", "tools[1].function": "tools[1]",
		"tools[1]": "tools[1]", "stop": "stop_sequences", "max_completion_tokens": "max_tokens", "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
		"reasoning_effort": "output_config.effort", "user": "metadata.user_id", "response_format": "output_config.format",
		"response_format.json_schema.schema": "output_config.format.schema", "temperature": "temperature", "": "",
	} {
		if got := Path(path); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}

// TestErrorText: the message begins with the place, once, in the client's words.
func TestErrorText(t *testing.T) {
	for _, tt := range []struct {
		e    llm.Error
		want string
	}{
		{llm.Error{Message: "No."}, "No."},
		{llm.Error{Message: "top_p: no.", Param: "top_p"}, "top_p: no."},
		{llm.Error{Message: "Too small.", Param: "custom_fields.configuration.thinking.budget_tokens"}, "thinking.budget_tokens: Too small."},
		{llm.Error{Message: "response_format.json_schema.schema: bad.", Param: "response_format.json_schema.schema"}, "output_config.format.schema: bad."},
		{llm.Error{Kind: llm.KindContextLength, Message: "300 tokens."}, "prompt is too long: 300 tokens."},
		{llm.Error{Kind: llm.KindContextLength, Message: "prompt is too long: 300 tokens > 200"}, "prompt is too long: 300 tokens > 200"},
	} {
		if got := errorText(&tt.e); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
