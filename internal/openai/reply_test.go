package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/llm"
	"outcrop/internal/sse"
)

func TestReplyFixtures(t *testing.T) {
	forEachFixture(t, "reply", 15, func(t *testing.T, f *fixture) {
		script := parseScript(t, f.section("events"))
		streamed, plain := httptest.NewRecorder(), httptest.NewRecorder()
		streamErr := WriteStream(streamed, script.seq(), script.env)
		plainErr := WriteReply(plain, script.seq(), script.env)
		if !errors.Is(streamErr, script.err) || !errors.Is(plainErr, script.err) {
			t.Errorf("returned %v and %v, want %v", streamErr, plainErr, script.err)
		}
		f.expect(t, "stream", dumpResponse(streamed))
		f.expect(t, "plain", dumpResponse(plain))
		checkFold(t, streamed, plain)
	})
}

// script is what a fixture says that a model yields, ended by err if there is one.
type script struct {
	env    Envelope
	events []llm.Event
	err    error
}

func (s *script) seq() iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		for _, event := range s.events {
			if !yield(event, nil) {
				return
			}
		}
		if s.err != nil {
			yield(nil, s.err)
		}
	}
}

// parseScript reads a section of events, one a line: a word, positional fields, then key=value; a
// field in quotes is a Go string.
func parseScript(t *testing.T, text string) *script {
	t.Helper()
	s := &script{env: Envelope{ID: "1", Model: "demo", Created: time.Unix(1700000000, 0)}}
	for line := range strings.Lines(text) {
		fields := splitFields(t, strings.TrimSpace(line))
		word, args := fields[0], fields[1:]
		if word == "request" {
			s.request(t, args)
			continue
		}
		if word == "error" {
			s.err = parseError(t, args)
			continue
		}
		s.events = append(s.events, parseEvent(t, word, args))
	}
	return s
}

func (s *script) request(t *testing.T, args []string) {
	t.Helper()
	values := keyed(t, args)
	s.env.IncludeUsage = values["include_usage"] == "true"
	s.env.Ignored = list(values["ignored"])
	if model, ok := values["model"]; ok {
		s.env.Model = model
	}
}

func parseEvent(t *testing.T, word string, args []string) llm.Event {
	t.Helper()
	switch word {
	case "start":
		values := keyed(t, args)
		return llm.Start{ID: values["id"], Model: values["model"], Ignored: list(values["ignored"])}
	case "text":
		return llm.TextDelta{Text: args[0]}
	case "reasoning":
		return llm.ReasoningDelta{Text: args[0]}
	case "signature":
		return llm.ReasoningDelta{Signature: args[0]}
	case "redacted":
		return llm.ReasoningDelta{Redacted: []byte(args[0])}
	case "call":
		return llm.ToolCallStart{Index: number(t, args[0]), ID: args[1], Name: args[2]}
	case "args":
		return llm.ToolCallDelta{Index: number(t, args[0]), Args: args[1]}
	case "pause":
		return llm.Pause{}
	case "finish":
		return parseFinish(t, args)
	}
	t.Fatalf("unknown event %s", word)
	return nil
}

func parseFinish(t *testing.T, args []string) llm.Finish {
	t.Helper()
	finish := llm.Finish{}
	for reason := llm.FinishOther; reason.String() != args[0]; {
		if reason++; reason > 100 {
			t.Fatalf("unknown reason %s", args[0])
		}
		finish.Reason = reason
	}
	values := keyed(t, args[1:])
	u := &finish.Usage
	targets := map[string]*int{
		"input": &u.Input, "output": &u.Output, "cache_read": &u.CacheRead, "cache_write": &u.CacheWrite, "reasoning": &u.Reasoning,
	}
	for key, value := range values {
		switch target := targets[key]; {
		case key == "detail":
			finish.Detail = value
		case target == nil:
			t.Fatalf("unknown member %s of finish", key)
		default:
			*target = number(t, value)
		}
	}
	return finish
}

func parseError(t *testing.T, args []string) error {
	t.Helper()
	if args[0] == "plain" {
		return errors.New(args[1])
	}
	e := &llm.Error{Message: args[1], Param: keyed(t, args[2:])["param"], Err: errors.New("for the log only")}
	for e.Kind.String() != args[0] {
		if e.Kind++; e.Kind > 100 {
			t.Fatalf("unknown kind %s", args[0])
		}
	}
	if retry := keyed(t, args[2:])["retry"]; retry != "" {
		var err error
		if e.RetryAfter, err = time.ParseDuration(retry); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

func splitFields(t *testing.T, line string) []string {
	t.Helper()
	var fields []string
	for line != "" {
		end := strings.IndexByte(line+" ", ' ')
		if quote := strings.IndexByte(line[:min(end+1, len(line))], '"'); quote >= 0 {
			quoted, err := strconv.QuotedPrefix(line[quote:])
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			value, _ := strconv.Unquote(quoted)
			fields = append(fields, line[:quote]+value)
			end = quote + len(quoted)
		} else {
			fields = append(fields, line[:end])
		}
		line = strings.TrimLeft(line[end:], " ")
	}
	return fields
}

func keyed(t *testing.T, args []string) map[string]string {
	t.Helper()
	values := map[string]string{}
	for _, arg := range args {
		key, value, ok := strings.Cut(arg, "=")
		if !ok {
			t.Fatalf("%s is not key=value", arg)
		}
		values[key] = value
	}
	return values
}

func list(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, "|")
}

func number(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func dumpResponse(r *httptest.ResponseRecorder) string {
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP %d\n", r.Code)
	for _, key := range slices.Sorted(maps.Keys(r.Header())) {
		if key != "Content-Length" {
			fmt.Fprintf(&b, "%s: %s\n", key, r.Header().Get(key))
		}
	}
	fmt.Fprintf(&b, "\n%s", r.Body)
	return b.String()
}

// checkFold reads the stream as a client does and compares it with the plain reply.
func checkFold(t *testing.T, streamed, plain *httptest.ResponseRecorder) {
	t.Helper()
	var want map[string]any
	if err := json.Unmarshal(plain.Body.Bytes(), &want); err != nil {
		t.Fatal(err)
	}
	if streamed.Header().Get(HeaderIgnored) != plain.Header().Get(HeaderIgnored) && streamed.Code == plain.Code && plain.Code == 200 {
		t.Error("the two list different ignored members")
	}
	if streamed.Header().Get("Content-Type") != sse.ContentType {
		if streamed.Code != plain.Code || streamed.Body.String() != plain.Body.String() {
			t.Error("the same failure has two answers")
		}
		return
	}
	got, err := foldStream(streamed.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if got["usage"] == nil {
		delete(want, "usage")
		delete(got, "usage")
	}
	if want["object"] == "chat.completion" {
		want["object"] = "chat.completion.chunk"
	}
	if want["error"] != nil {
		got = map[string]any{"error": got["error"]}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the folded stream differs from the plain reply (-plain +stream):\n%s", diff)
	}
}

// foldStream joins the chunks of a stream into what would be the plain reply.
func foldStream(body []byte) (map[string]any, error) {
	reader := sse.NewReader(bytes.NewReader(body))
	reply, message, finish := map[string]any{}, map[string]any{}, any(nil)
	for {
		frame, err := reader.Next()
		if errors.Is(err, io.EOF) && reply["error"] != nil {
			return reply, nil
		}
		if err != nil {
			return nil, fmt.Errorf("no [DONE]: %w", err)
		}
		if string(frame.Data) == "[DONE]" {
			break
		}
		var chunk map[string]any
		if err := json.Unmarshal(frame.Data, &chunk); err != nil {
			return nil, err
		}
		choices, _ := chunk["choices"].([]any)
		delete(chunk, "choices")
		maps.Copy(reply, chunk)
		for _, choice := range choices {
			c := choice.(map[string]any)
			foldDelta(message, c["delta"].(map[string]any))
			finish = c["finish_reason"]
		}
	}
	if message["content"] == "" && message["tool_calls"] != nil {
		message["content"] = nil
	}
	reply["choices"] = []any{map[string]any{"index": 0.0, "message": message, "finish_reason": finish}}
	return reply, nil
}

func foldDelta(message, delta map[string]any) {
	for key, value := range delta {
		switch v := value.(type) {
		case string:
			before, _ := message[key].(string)
			message[key] = before + v
		case []any:
			calls, _ := message[key].([]any)
			for _, piece := range v {
				calls = foldCall(calls, piece.(map[string]any))
			}
			message[key] = calls
		}
	}
}

func foldCall(calls []any, piece map[string]any) []any {
	index := int(piece["index"].(float64))
	delete(piece, "index")
	if index == len(calls) {
		return append(calls, piece)
	}
	function := calls[index].(map[string]any)["function"].(map[string]any)
	function["arguments"] = function["arguments"].(string) + piece["function"].(map[string]any)["arguments"].(string)
	return calls
}
