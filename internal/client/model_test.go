package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"outcrop/internal/client"
	"outcrop/internal/llm"
	"outcrop/internal/llm/llmtest"
	"outcrop/internal/memnet"
	"outcrop/internal/openai"
)

// TestModel: a model at another server keeps the contract of llm, whatever the server does.
func TestModel(t *testing.T) {
	llmtest.TestChatModel(t, llmtest.Subject{Frames: 6, New: newModel})
}

// server is a chat completions API that answers as the last message says.
type server struct {
	t *testing.T
}

func newModel(t *testing.T) llmtest.Instance {
	transport := &counting{RoundTripper: memnet.Serve(t, server{t})}
	ask := func(text string) *llm.ChatRequest {
		return &llm.ChatRequest{Messages: []llm.Message{{Role: llm.RoleUser, Parts: []llm.Part{llm.Text{Text: text}}}}}
	}
	return llmtest.Instance{
		Model: client.Model{URL: "http://core/chat/completions", HTTP: &http.Client{Transport: transport}},
		Ask:   func() *llm.ChatRequest { return ask("text") },
		Tool:  func() *llm.ChatRequest { return ask("tool") },
		Fail: func(f llmtest.Fault, frames int) *llm.ChatRequest {
			switch f {
			case llmtest.BadChecksum:
				return nil // the wire has none
			case llmtest.SlowStart:
				return ask("slow")
			}
			return ask(fmt.Sprintf("%s|%d", f, frames))
		},
		Open: func() int { return int(transport.open.Load()) },
	}
}

// plays are the answers by what is asked.
var plays = map[string][]llmtest.Step{
	"text": {
		{Event: llm.ReasoningDelta{Text: "hm"}}, {Event: &llm.TextDelta{Text: "a"}}, {Event: llm.Pause{}}, {Event: &llm.TextDelta{Text: "b"}},
		{Event: llm.Finish{Reason: llm.FinishStop, Usage: llm.Usage{Input: 5, Output: 3, CacheRead: 2, CacheWrite: 4, CacheWrite1h: 1, Reasoning: 1}}},
	},
	"tool": {
		{Event: &llm.TextDelta{Text: "I look"}}, {Event: llm.ToolCallStart{ID: "1", Name: "f"}}, {Event: llm.ToolCallDelta{Args: `{"a"`}},
		{Event: llm.ToolCallDelta{Args: `:1}`}}, {Event: llm.ToolCallStart{Index: 1, ID: "2", Name: "g"}}, {Event: llm.Finish{Reason: llm.FinishToolCalls}},
	},
	"slow": {{Wait: time.Minute, Event: &llm.TextDelta{Text: "late"}}, {Event: llm.Finish{Reason: llm.FinishStop}}},
}

func (s server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	req, shape, err := openai.DecodeChat(body)
	if err != nil {
		s.t.Errorf("%s: %v", body, err)
	}
	text := req.Messages[0].Parts[0].(llm.Text).Text
	fault, after, faulty := strings.Cut(text, "|")
	frames := 0
	if faulty {
		_, _ = fmt.Sscan(after, &frames)
		text = "text"
	}
	write := openai.WriteReply
	if shape.Stream {
		write = openai.WriteStream
	}
	env := openai.Envelope{ID: "1", Model: "m", IncludeUsage: shape.IncludeUsage, Created: time.Now()}
	model := &llmtest.Script{Steps: plays[text]}
	if !faulty {
		_ = write(w, model.Chat(r.Context(), req), env)
		return
	}
	recorder := httptest.NewRecorder()
	_ = write(recorder, model.Chat(r.Context(), req), env)
	s.fail(w, llmtest.Fault(fault), frames, recorder.Body.String())
}

// fail spoils an answer.
func (s server) fail(w http.ResponseWriter, f llmtest.Fault, frames int, whole string) {
	stream := strings.HasPrefix(whole, "data: ")
	if stream {
		w.Header().Set("Content-Type", "text/event-stream")
	}
	parts := strings.SplitAfter(whole, "\n\n")
	switch f {
	case llmtest.Refused:
		openai.WriteError(w, llm.Invalid("messages", "No."))
	case llmtest.Throttled:
		openai.WriteError(w, &llm.Error{Kind: llm.KindRateLimited, Message: "Slow down."})
	case llmtest.ExceptionFirst:
		if stream {
			_, _ = io.WriteString(w, `data: {"error":{"message":"No.","type":"rate_limit_error","code":"429"}}`+"\n\n")
			return
		}
		openai.WriteError(w, &llm.Error{Kind: llm.KindUnavailable, Message: "No."})
	case llmtest.ExceptionMiddle:
		if stream {
			_, _ = io.WriteString(w, parts[0]+parts[1]+`data: {"error":{"message":"No.","type":"api_error","code":"upstream_error"}}`+"\n\n")
			return
		}
		openai.WriteError(w, &llm.Error{Kind: llm.KindUpstream, Message: "No."})
	case llmtest.EndedEarly:
		if !stream {
			_, _ = io.WriteString(w, whole[:len(whole)/2])
			return
		}
		_, _ = io.WriteString(w, strings.Join(parts[:frames], ""))
	case llmtest.CutBetween, llmtest.CutInside:
		some := strings.Join(parts[:min(frames, len(parts))], "")
		if f == llmtest.CutInside || !stream {
			some = whole[:min(len(some)+10, len(whole)-3)]
		}
		_, _ = io.WriteString(w, some)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case llmtest.NoOutput:
	}
}

type counting struct {
	http.RoundTripper
	open atomic.Int64
}

func (c *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := c.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	c.open.Add(1)
	res.Body = &counted{res.Body, c}
	return res, nil
}

type counted struct {
	io.ReadCloser
	c *counting
}

func (b *counted) Close() error {
	if b.c != nil {
		b.c.open.Add(-1)
		b.c = nil
	}
	return b.ReadCloser.Close()
}

// TestModelErrors: a failure keeps its kind, its text and its field; what cannot be reached is the upstream's.
func TestModelErrors(t *testing.T) {
	for _, tt := range []struct {
		status int
		header string
		body   string
		want   llm.Error
	}{
		{400, "", `{"error":{"message":"Bad.","param":"top_p","code":null}}`, llm.Error{Kind: llm.KindInvalid, Message: "Bad.", Param: "top_p"}},
		{422, "", `{"error":{"message":"Bad."}}`, llm.Error{Kind: llm.KindInvalid, Message: "Bad."}},
		{400, "", `{"error":{"message":"Long.","code":"context_length_exceeded"}}`, llm.Error{Kind: llm.KindContextLength, Message: "Long."}},
		{400, "", `{"error":{"message":"No.","code":"content_filter"}}`, llm.Error{Kind: llm.KindContentFilter, Message: "No."}},
		{401, "", `{"error":{"message":"Who?"}}`, llm.Error{Kind: llm.KindUnauthenticated, Message: "Who?"}},
		{403, "", `{"error":{"message":"No."}}`, llm.Error{Kind: llm.KindForbidden, Message: "No."}},
		{404, "", `{"error":{"message":"Where?"}}`, llm.Error{Kind: llm.KindNotFound, Message: "Where?"}},
		{413, "", `{"error":{"message":"Big."}}`, llm.Error{Kind: llm.KindTooLarge, Message: "Big."}},
		{429, "9", `{"error":{"message":"Wait."}}`, llm.Error{Kind: llm.KindRateLimited, Message: "Wait.", RetryAfter: 9 * time.Second}},
		{503, "", `{"error":{"message":"Full."}}`, llm.Error{Kind: llm.KindUnavailable, Message: "Full."}},
		{529, "", `{"error":{"message":"Full."}}`, llm.Error{Kind: llm.KindUnavailable, Message: "Full."}},
		{504, "", `{"error":{"message":"Late."}}`, llm.Error{Kind: llm.KindTimeout, Message: "Late."}},
		{400, "", `{"error":{"message":"Bad.","type":null,"param":{},"code":400}}`, llm.Error{Kind: llm.KindInvalid, Message: "Bad."}},
		{403, "", `{"error":"No."}`, llm.Error{Kind: llm.KindForbidden, Message: "No."}},
		{200, "", `{"error":{"message":"Wait.","code":429}}`, llm.Error{Kind: llm.KindRateLimited, Message: "Wait."}},
		{500, "", `{"error":[]}`, llm.Error{Kind: llm.KindUpstream, Message: "The server that has the deployment answered with status 500."}},
		{500, "", `<html>secret</html>`, llm.Error{Kind: llm.KindUpstream, Message: "The server that has the deployment answered with status 500."}},
		{302, "", ``, llm.Error{Kind: llm.KindUpstream, Message: "The server that has the deployment cannot be reached."}},
	} {
		transport := memnet.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if tt.status == http.StatusFound {
				w.Header().Set("Location", "http://elsewhere/")
			}
			if tt.header != "" {
				w.Header().Set("Retry-After", tt.header)
			}
			w.WriteHeader(tt.status)
			_, _ = io.WriteString(w, tt.body)
		}))
		m := client.Model{URL: "http://core/", HTTP: &http.Client{Transport: transport}}
		e := firstError(t, m.Chat(t.Context(), &llm.ChatRequest{}))
		if text := fmt.Sprint(e.Err); e.Err == nil || strings.Contains(text, tt.want.Message) { // the cause is what a log says
			t.Errorf("%d %s: the cause is %q", tt.status, tt.body, text)
		}
		e.Err = nil
		if *e != tt.want {
			t.Errorf("%d %s: got %+v", tt.status, tt.body, *e)
		}
	}
}

func firstError(t *testing.T, seq iter.Seq2[llm.Event, error]) *llm.Error {
	t.Helper()
	for _, err := range seq {
		if e, ok := errors.AsType[*llm.Error](err); ok {
			return e
		}
	}
	t.Fatal("no error")
	return nil
}

// TestModelSends: the header and the body of a request.
func TestModelSends(t *testing.T) {
	var got http.Header
	var body map[string]any
	transport := memnet.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		_, _ = io.WriteString(w, `{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]}`)
	}))
	m := client.Model{URL: "http://core/x", Header: http.Header{"Api-Key": {"k"}, "User-Agent": {"u"}}, HTTP: &http.Client{Transport: transport}}
	reply, err := llm.CollectOne(m.Chat(context.Background(), &llm.ChatRequest{Whole: true, Messages: []llm.Message{{Role: llm.RoleUser, Parts: []llm.Part{llm.Text{Text: "a"}}}}}))
	if err != nil || reply.Text != "hi" {
		t.Fatalf("%+v, %v", reply, err)
	}
	if got.Get("Api-Key") != "k" || got.Get("User-Agent") != "u" || got.Get("Content-Type") != "application/json" || body["stream"] != nil {
		t.Errorf("%v %v", got, body)
	}
}
