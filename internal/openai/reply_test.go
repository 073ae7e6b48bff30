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
	forEachFixture(t, "reply", 50, func(t *testing.T, f *fixture) {
		script := parseScript(t, f.section("events"))
		streamed, plain := httptest.NewRecorder(), httptest.NewRecorder()
		streamErr := WriteStream(streamed, script.seq(), script.env)
		plainErr := WriteReply(plain, script.seq(), script.env)
		for _, err := range []error{streamErr, plainErr} {
			if script.fails == "" && !errors.Is(err, script.err) || script.fails != "" && llm.AsError(err).Kind.String() != script.fails {
				t.Errorf("returned %v, want %v%s", err, script.err, script.fails)
			}
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
	fails  string // the kind of the error that is ours, not the model's
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
	s.env.Ignored, s.env.Changed = list(values["ignored"]), list(values["changed"])
	s.fails = values["fails"]
	s.env.Functions = values["functions"] == "true"
	if values["n"] != "" {
		s.env.Choices = number(t, values["n"])
	}
	if tokens, ok := values["tokens"]; ok {
		s.env.Statistics = &Statistics{Exact: tokens == "exact"}
		for _, index := range list(values["discarded"]) {
			s.env.Statistics.Discarded = append(s.env.Statistics.Discarded, number(t, index))
		}
	}
	if model, ok := values["model"]; ok {
		s.env.Model = model
	}
}

func parseEvent(t *testing.T, word string, args []string) llm.Event {
	t.Helper()
	switch word {
	case "start":
		return parseStart(t, args)
	case "choice":
		return llm.Choice{Index: number(t, args[0])}
	case "text":
		return &llm.TextDelta{Text: args[0]}
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
	case "blob":
		values := keyed(t, args[1:])
		blob := llm.Blob{MIME: args[0], Name: values["name"], Base64: values["base64"]}
		if values["bytes"] != "" {
			blob.Bytes = []byte(values["bytes"])
		}
		return llm.BlobOut{Blob: blob}
	case "citation":
		return parseCitation(t, args)
	case "pause":
		return llm.Pause{}
	case "finish":
		return parseFinish(t, args)
	}
	t.Fatalf("unknown event %s", word)
	return nil
}

func parseStart(t *testing.T, args []string) llm.Start {
	t.Helper()
	values := keyed(t, args)
	start := llm.Start{
		ID: values["id"], Model: values["model"], Ignored: list(values["ignored"]), Changed: list(values["changed"]), Cached: values["cached"],
	}
	if values["for"] != "" {
		start.CachedFor = duration(t, values["for"])
	}
	return start
}

func parseCitation(t *testing.T, args []string) llm.Citation {
	t.Helper()
	c := llm.Citation{}
	texts := map[string]*string{"title": &c.Title, "url": &c.URL, "quote": &c.Quote, "unit": &c.Unit}
	numbers := map[string]*int{"document": &c.Document, "from": &c.From, "to": &c.To, "text_from": &c.TextFrom, "text_to": &c.TextTo}
	for key, value := range keyed(t, args) {
		switch {
		case texts[key] != nil:
			*texts[key] = value
		case numbers[key] != nil:
			*numbers[key] = number(t, value)
		default:
			t.Fatalf("unknown member %s of citation", key)
		}
	}
	return c
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
		"input": &u.Input, "output": &u.Output, "cache_read": &u.CacheRead, "cache_write": &u.CacheWrite,
		"cache_write_1h": &u.CacheWrite1h, "reasoning": &u.Reasoning,
	}
	for key, value := range values {
		switch target := targets[key]; {
		case key == "detail":
			finish.Detail = value
		case key == "tier":
			finish.Tier = value
		case key == "custom":
			finish.Custom = []byte(value)
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
		e.RetryAfter = duration(t, retry)
	}
	return e
}

func duration(t *testing.T, s string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
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
	for _, header := range []string{HeaderIgnored, HeaderChanged, HeaderCachePath, HeaderCacheExpiry} {
		if streamed.Header().Get(header) != plain.Header().Get(header) && streamed.Code == plain.Code && plain.Code == 200 {
			t.Errorf("the two have a different %s", header)
		}
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
	reply, choices := map[string]any{}, []any{}
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
		pieces, _ := chunk["choices"].([]any)
		delete(chunk, "choices")
		maps.Copy(reply, chunk)
		if choices, err = foldChoices(choices, pieces); err != nil {
			return nil, err
		}
	}
	for _, choice := range choices {
		message := choice.(map[string]any)["message"].(map[string]any)
		if message["content"] == "" && (message["tool_calls"] != nil || message["function_call"] != nil) {
			message["content"] = nil
		}
	}
	reply["choices"] = choices
	return reply, nil
}

func foldChoices(choices, pieces []any) ([]any, error) {
	for _, piece := range pieces {
		p := piece.(map[string]any)
		index := int(p["index"].(float64))
		for len(choices) <= index {
			choices = append(choices, map[string]any{"index": float64(len(choices)), "message": map[string]any{}, "finish_reason": nil})
		}
		choice := choices[index].(map[string]any)
		if choice["finish_reason"] != nil {
			return nil, fmt.Errorf("a chunk after the finish of choice %d", index)
		}
		foldDelta(choice["message"].(map[string]any), p["delta"].(map[string]any))
		choice["finish_reason"] = p["finish_reason"]
	}
	return choices, nil
}

// foldDelta joins as clients do: strings are appended, objects are joined, and the members of a list
// by their index.
func foldDelta(message, delta map[string]any) {
	for key, value := range delta {
		switch v := value.(type) {
		case string:
			before, _ := message[key].(string)
			message[key] = before + v
		case map[string]any:
			before, ok := message[key].(map[string]any)
			if !ok {
				before = map[string]any{}
				message[key] = before
			}
			foldDelta(before, v)
		case []any:
			if message[key] == nil && !numbered(v) {
				message[key] = v
				continue
			}
			list, _ := message[key].([]any)
			for _, piece := range v {
				list = foldPiece(list, piece.(map[string]any))
			}
			message[key] = list
		default:
			message[key] = v
		}
	}
}

func numbered(list []any) bool {
	first, _ := list[0].(map[string]any)
	return first["index"] != nil
}

func foldPiece(list []any, piece map[string]any) []any {
	index := int(piece["index"].(float64))
	delete(piece, "index")
	if index == len(list) {
		list = append(list, map[string]any{})
	}
	foldDelta(list[index].(map[string]any), piece)
	return list
}
