package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"iter"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"outcrop/internal/llm"
	"outcrop/internal/llm/llmtest"
)

// FuzzAppendRequest: what was read can be asked of another server, which can read it.
func FuzzAppendRequest(f *testing.F) {
	paths, _ := filepath.Glob("testdata/decode/*.txtar")
	for _, path := range paths {
		if archive, err := txtar.ParseFile(path); err == nil {
			f.Add(bytes.TrimSpace(archive.Files[0].Data))
		}
	}
	f.Add(toolsBody())
	f.Fuzz(func(t *testing.T, body []byte) {
		req, _, err := DecodeChat(body)
		if err != nil {
			return
		}
		asked := AppendRequest(nil, req, time.Unix(0, 0))
		if !json.Valid(asked) {
			t.Fatalf("not JSON: %q", asked)
		}
		again, _, err := DecodeChat(asked)
		if err != nil && !strings.Contains(err.Error(), "at least one message") {
			t.Fatalf("%v: %q", err, asked)
		}
		if err == nil && again.Whole != req.Whole {
			t.Fatalf("stream is lost: %q", asked)
		}
	})
}

// TestRequestRoundTrip: what DIAL's wire has a place for comes back as it was.
func TestRequestRoundTrip(t *testing.T) {
	const body = `{"messages":[{"role":"system","content":"s"},` +
		`{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]},` +
		`{"role":"assistant","content":"b","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},` +
		`{"role":"tool","tool_call_id":"1","content":"r","custom_fields":{"cache_breakpoint":{}}}],` +
		`"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"strict":true}}],` +
		`"tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false,"max_completion_tokens":9,"temperature":0.5,"top_p":0.25,"seed":-7,"user":"u","prompt_cache_options":{"mode":"explicit"},` +
		`"stop":["x","y"],"reasoning_effort":"low","service_tier":"flex","response_format":{"type":"json_schema","json_schema":{"name":"n","description":"d","schema":{"a":1},"strict":true}},` +
		`"custom_fields":{"configuration":{"a":1}},"stream":true}`
	req, _, err := DecodeChat([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	again, _, err := DecodeChat(AppendRequest(nil, req, time.Unix(0, 0)))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(req, again) {
		t.Errorf("got %+v\nwant %+v", again, req)
	}
}

// TestReadStreamReadsWriteStream: the two directions of a reply fit each other, whole and streamed.
func TestReadStreamReadsWriteStream(t *testing.T) {
	want := []llm.Event{
		llm.Start{ID: "chatcmpl-1", Model: "m"}, llm.ReasoningDelta{Text: "hm"}, &llm.TextDelta{Text: "Hi."},
		llm.ToolCallStart{ID: "1", Name: "f"}, llm.ToolCallDelta{Args: `{"a":1}`}, llm.ToolCallStart{Index: 1, ID: "2", Name: "g"}, llm.ToolCallDelta{Index: 1, Args: "{}"},
		llm.BlobOut{Blob: llm.Blob{MIME: "image/png", Bytes: []byte("hi")}}, llm.BlobOut{Blob: llm.Blob{MIME: "image/png"}, URL: "files/a"},
		llm.Citation{Title: "W", URL: "https://a", Quote: "q", TextTo: 3}, llm.Citation{Title: "D", Unit: "page", Document: 1, From: 2, To: 3, TextTo: 3},
		llm.Finish{Reason: llm.FinishToolCalls, Tier: "flex", Usage: llm.Usage{Input: 5, Output: 4, CacheRead: 3, CacheWrite: 2, CacheWrite1h: 1, Reasoning: 1}},
	}
	env := Envelope{ID: "1", Model: "m", IncludeUsage: true}
	model := llmtest.Play(want...)
	stream, plain := httptest.NewRecorder(), httptest.NewRecorder()
	if err := errors.Join(WriteStream(stream, model.Chat(t.Context(), nil), env), WriteReply(plain, model.Chat(t.Context(), nil), env)); err != nil {
		t.Fatal(err)
	}
	expected, err := llm.CollectOne(model.Chat(t.Context(), nil))
	if err != nil {
		t.Fatal(err)
	}
	for name, seq := range map[string]iter.Seq2[llm.Event, error]{"stream": ReadStream(stream.Body), "plain": ReadReply(plain.Body.Bytes())} {
		got, err := llm.CollectOne(seq)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !reflect.DeepEqual(got, expected) {
			t.Errorf("%s: got %+v\nwant %+v", name, got, expected)
		}
	}
}

// FuzzReadStream: whatever a server sends, the events are in order, or there is one error.
func FuzzReadStream(f *testing.F) {
	f.Add([]byte("data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"))
	f.Add([]byte(`{"choices":[{"message":{"content":"a","tool_calls":[{"function":{"name":"f"}}]},"finish_reason":"stop"}]}`))
	f.Add([]byte("data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":7},{\"index\":7},{\"index\":-1}],\"custom_content\":{\"state\":{\"claude_message_content\":[{\"type\":\"thinking\"}]}}}}]}\n\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, seq := range []iter.Seq2[llm.Event, error]{ReadStream(bytes.NewReader(body)), ReadReply(body)} {
			var events []llm.Event
			failed := false
			for event, err := range seq {
				if failed {
					t.Fatal("something after the error")
				}
				if failed = err != nil; !failed {
					events = append(events, event)
				}
			}
			if failed {
				continue
			}
			if err := llmtest.Ordered(events); err != nil {
				t.Fatal(err)
			}
		}
	})
}
