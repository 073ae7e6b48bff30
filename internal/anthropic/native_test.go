package anthropic

import (
	"errors"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"outcrop/internal/llm"
)

// pieces is a reply as a script; an error ends it.
func pieces(list []llm.MessagesPiece, err error) iter.Seq2[llm.MessagesPiece, error] {
	return func(yield func(llm.MessagesPiece, error) bool) {
		for _, piece := range list {
			if !yield(piece, nil) {
				return
			}
		}
		if err != nil {
			yield(llm.MessagesPiece{}, err)
		}
	}
}

func piece(kind string) llm.MessagesPiece {
	return llm.MessagesPiece{Type: kind, JSON: []byte(`{"type":"` + kind + `"}`)}
}

func last(kind string) llm.MessagesPiece {
	p := piece(kind)
	p.Last = true
	return p
}

func frame(kind string) string { return "event: " + kind + "\ndata: {\"type\":\"" + kind + "\"}\n\n" }

var errSlow = &llm.Error{Kind: llm.KindRateLimited, Message: "Slow down."}

// TestWriteNative: the vendor's own JSON goes out as it is, and what breaks off never ends well.
func TestWriteNative(t *testing.T) {
	const slow = `{"type":"error","error":{"type":"rate_limit_error","message":"Slow down."}}`
	const early = `{"type":"error","error":{"type":"api_error","message":"The answer ended before it was complete."}}`
	tests := []struct {
		name   string
		stream bool
		list   []llm.MessagesPiece
		err    error
		status int
		want   string
		failed bool
	}{
		{"stream", true, []llm.MessagesPiece{piece("message_start"), {}, piece("ping"), last("message_stop")}, nil, 200,
			frame("message_start") + frame("ping") + frame("message_stop"), false},
		{"whole", false, []llm.MessagesPiece{{}, last("message")}, nil, 200, `{"type":"message"}`, false},
		{"error first", true, []llm.MessagesPiece{{}}, errSlow, 429, slow + "\n", true},
		{"error later", true, []llm.MessagesPiece{piece("message_start")}, errSlow, 200, frame("message_start") + "event: error\ndata: " + slow + "\n\n", true},
		{"error later, flushed", true, []llm.MessagesPiece{piece("message_start"), {}}, errSlow, 200, frame("message_start") + "event: error\ndata: " + slow + "\n\n", true},
		{"no last", true, []llm.MessagesPiece{piece("message_start")}, nil, 200, frame("message_start") + "event: error\ndata: " + early + "\n\n", true},
		{"nothing", true, nil, nil, 502, early + "\n", true},
		{"whole nothing", false, nil, nil, 502, early + "\n", true},
		{"whole error", false, nil, errSlow, 429, slow + "\n", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			headers := 0
			err := WriteNative(w, pieces(tt.list, tt.err), Native{Stream: tt.stream, Header: func(http.Header, *llm.MessagesPiece) { headers++ }})
			if (err != nil) != tt.failed || w.Code != tt.status || w.Body.String() != tt.want {
				t.Errorf("got %d %q, %v", w.Code, w.Body, err)
			}
			if wantHeaders := map[bool]int{true: 1}[w.Code == 200]; headers != wantHeaders {
				t.Errorf("the header was set %d times", headers)
			}
		})
	}
}

// TestWriteNativeFlushes: what has come goes out when the upstream pauses, not before and not later.
func TestWriteNativeFlushes(t *testing.T) {
	w := httptest.NewRecorder()
	seq := func(yield func(llm.MessagesPiece, error) bool) {
		yield(piece("message_start"), nil)
		if w.Flushed || w.Body.Len() > 0 {
			t.Error("sent before the pause")
		}
		yield(llm.MessagesPiece{}, nil)
		if !w.Flushed || w.Body.String() != frame("message_start") {
			t.Error("not sent at the pause")
		}
		yield(last("message_stop"), nil)
	}
	if err := WriteNative(w, seq, Native{Stream: true}); err != nil {
		t.Error(err)
	}
}

// TestWriteNativeClientGone: the upstream is left.
func TestWriteNativeClientGone(t *testing.T) {
	for _, stream := range []bool{true, false} {
		left := false
		seq := func(yield func(llm.MessagesPiece, error) bool) {
			left = yield(piece("message_start"), nil) && !yield(llm.MessagesPiece{}, nil)
		}
		err := WriteNative(deaf{httptest.NewRecorder()}, seq, Native{Stream: stream})
		if e, ok := errors.AsType[*llm.Error](err); !ok || e.Kind != llm.KindCanceled || left != stream {
			t.Errorf("stream %v: %v, left %v", stream, err, left)
		}
	}
}

// TestPeek: what a server needs of a body that it passes on.
func TestPeek(t *testing.T) {
	const mark, hour = `"cache_control":{"type":"ephemeral"}`, `"cache_control":{"ttl":"1h","type":"ephemeral"}`
	for body, want := range map[string]Head{
		`{"model":"m","stream":true}`:                                              {Model: "m", Stream: true},
		`{"model":null,"stream":null,"messages":5}`:                                {},
		`{"tools":[{` + mark + `},{}]}`:                                            {Cached: "tools[0]", CachedFor: 5 * 60e9},
		`{"tools":[{` + hour + `}],"system":[{"type":"text"},{` + mark + `}]}`:     {Cached: "system[1]", CachedFor: 3600e9},
		`{"messages":[{"content":[{` + mark + `}]},{"content":"a"}],"system":"s"}`: {Cached: "messages[0].content[0]", CachedFor: 5 * 60e9},
		`{"messages":[{"content":[{}]},{"content":"a"}],` + mark + `}`:             {Cached: "messages[1].content[0]", CachedFor: 5 * 60e9},
		`{"system":"s",` + mark + `}`:                                              {Cached: "system[0]", CachedFor: 5 * 60e9},
		`{` + mark + `}`:                                                           {CachedFor: 5 * 60e9},
		`{"tools":[{"cache_control":{"type":"other"}},{"cache_control":null},5]}`:  {},
	} {
		if got, err := Peek([]byte(body)); err != nil || got != want {
			t.Errorf("%s: got %+v, %v", body, got, err)
		}
	}
	for body, want := range map[string]string{
		`{"model":5}`:                     "model: expected a string, got a number.",
		`{"model":"a","b":1,"model":"c"}`: "model: expected the member once, it is given twice.",
		`{"stream":null,"stream":true}`:   "stream: expected the member once, it is given twice.",
		`{"stream":"yes"}`:                "stream: expected true or false, got a string.",
		`[]`:                              "The body is not a Messages request: expected an object, got an array.",
		`{"messages":[{"a":}]`:            "The body is not valid JSON: line 1, column 19: ",
		`{} x`:                            "The body is not valid JSON: line 1, column 4: ",
		``:                                "The body is not valid JSON: line 1, column 1: ",
	} {
		if _, err := Peek([]byte(body)); err == nil || !strings.HasPrefix(llm.AsError(err).Message, want) {
			t.Errorf("%s: got %v", body, err)
		}
	}
}
