package proxy_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/llm"
	"outcrop/internal/proxy"
)

// outcome is what comes of an answer.
type outcome struct {
	pieces []string
	last   proxy.Piece
	err    error
}

func (o *outcome) text() string { return strings.Join(o.pieces, "") }

// read reads the answer of a server, with statistics.
func read(t testing.TB, to replies, wire proxy.Wire, statistics string) (o outcome) {
	t.Helper()
	remote, err := proxy.New(proxy.Options{URL: "http://remote", Transport: to})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := remote.Call(t.Context(), &proxy.Call{Wire: wire, Body: []byte("{}")})
	if err != nil {
		return outcome{err: err}
	}
	for piece, err := range answer.Pieces() {
		if err != nil {
			o.err = err
			return o
		}
		data := piece.Bytes
		if piece.Last {
			data = piece.With([]byte(statistics))
			o.last = proxy.Piece{Last: true, Usage: piece.Usage, Model: piece.Model, Told: piece.Told, Failed: piece.Failed}
		}
		if len(data) > 0 {
			o.pieces = append(o.pieces, string(data))
		}
	}
	return o
}

// says is a server that answers with a body.
func says(header http.Header, body io.Reader) replies {
	return func(*http.Request) *http.Response {
		return &http.Response{StatusCode: http.StatusOK, Header: header, Body: io.NopCloser(body)}
	}
}

func jsonType() http.Header   { return http.Header{"Content-Type": {"application/json; charset=utf-8"}} }
func streamType() http.Header { return http.Header{"Content-Type": {"text/event-stream"}} }

// TestUsageOfEveryDialect: what an answer cost is read in the words of each API, as DIAL counts it.
func TestUsageOfEveryDialect(t *testing.T) {
	for _, tt := range []struct {
		name   string
		wire   proxy.Wire
		stream bool
		body   string
		want   *llm.Usage
		model  string
	}{
		{"a chat", proxy.Chats, false, `{"model":"m","usage":{"prompt_tokens":10,"completion_tokens":4,"total_tokens":14,"prompt_tokens_details":{"cached_tokens":3,"cache_write_tokens":2},"completion_tokens_details":{"reasoning_tokens":1}}}`, &llm.Usage{Input: 5, Output: 4, CacheRead: 3, CacheWrite: 2, Reasoning: 1}, "m"},
		{"numbers that are none", proxy.Chats, false, `{"usage":{"prompt_tokens":"7","completion_tokens":-4,"total_tokens":null}}`, &llm.Usage{}, ""},
		{"more cached than asked", proxy.Chats, false, `{"usage":{"prompt_tokens":1,"prompt_tokens_details":{"cached_tokens":3}}}`, &llm.Usage{CacheRead: 3}, ""},
		{"no usage", proxy.Chats, false, `{"usage":null,"model":7}`, nil, ""},
		{"a usage within the text", proxy.Chats, false, `{"choices":[{"usage":{"prompt_tokens":7}}]}`, nil, ""},
		{"no object", proxy.Chats, false, `[{"usage":{"prompt_tokens":7}}]`, nil, ""},
		{"vectors", proxy.Embeddings, false, `{"usage":{"prompt_tokens":7,"total_tokens":7}}`, &llm.Usage{Input: 7}, ""},
		{"a message", proxy.Messages, false, `{"model":"c","usage":{"input_tokens":10,"output_tokens":8,"cache_read_input_tokens":2,"cache_creation_input_tokens":3,"cache_creation":{"ephemeral_1h_input_tokens":1}}}`, &llm.Usage{Input: 10, Output: 8, CacheRead: 2, CacheWrite: 3, CacheWrite1h: 1}, "c"},
		{"a response", proxy.Responses, false, `{"model":"g","usage":{"input_tokens":10,"output_tokens":8,"input_tokens_details":{"cached_tokens":4},"output_tokens_details":{"reasoning_tokens":2}}}`, &llm.Usage{Input: 6, Output: 8, CacheRead: 4, Reasoning: 2}, "g"},
		{"a stream whose every chunk has a usage", proxy.Chats, true, `data: {"model":"m","usage":{"prompt_tokens":1,"completion_tokens":1}}` + "\n\n" + `data: {"model":"m","usage":{"prompt_tokens":1,"completion_tokens":2}}` + "\n\ndata: [DONE]\n\n", &llm.Usage{Input: 1, Output: 2}, "m"},
		{"a stream that quotes one", proxy.Chats, true, `data: {"choices":[{"delta":{"content":"\"usage\":{\"prompt_tokens\":7}"}}]}` + "\n\ndata: [DONE]\n\n", nil, ""},
		{"a stream of messages", proxy.Messages, true, "event: message_start\n" + `data: {"type":"message_start","message":{"model":"c","usage":{"input_tokens":10,"output_tokens":1,"cache_read_input_tokens":2}}}` + "\n\nevent: message_delta\n" + `data: {"type":"message_delta","usage":{"output_tokens":8}}` + "\n\nevent: message_stop\n" + `data: {"type":"message_stop"}` + "\n\n", &llm.Usage{Input: 10, Output: 8, CacheRead: 2}, "c"},
		{"a stream of a response", proxy.Responses, true, "event: response.incomplete\n" + `data: {"type":"response.incomplete","response":{"model":"g","usage":{"input_tokens":1,"output_tokens":2}}}` + "\n\n", &llm.Usage{Input: 1, Output: 2}, "g"},
		{"what nobody reads", proxy.Opaque, false, `{"model":"m","usage":{"prompt_tokens":7}}`, nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			header := jsonType()
			if tt.stream {
				header = streamType()
			}
			for _, body := range []io.Reader{strings.NewReader(tt.body), iotest.OneByteReader(strings.NewReader(tt.body))} {
				o := read(t, says(header, body), tt.wire, "")
				if o.err != nil || o.text() != tt.body {
					t.Errorf("%v: %s", o.err, o.text())
				}
				if diff := cmp.Diff(tt.want, o.last.Usage); diff != "" || o.last.Model != tt.model {
					t.Errorf("model %q (-want +got):\n%s", o.last.Model, diff)
				}
			}
		})
	}
}

// TestStatisticsHaveTheirPlace, and not a byte beside them changes.
func TestStatisticsHaveTheirPlace(t *testing.T) {
	const stats = `[{"model":"m"}]`
	for _, tt := range []struct {
		name   string
		wire   proxy.Wire
		stream bool
		body   string
		want   string
	}{
		{"an object", proxy.Chats, false, ` {"a": 1.50 } ` + "\n", ` {"a": 1.50 ,"statistics":{"usage_per_model":[{"model":"m"}]}} ` + "\n"},
		{"an empty one", proxy.Chats, false, `{ }`, `{ "statistics":{"usage_per_model":[{"model":"m"}]}}`},
		{"statistics of other things", proxy.Messages, false, `{"statistics": {"x":[1]},"b":"}"}`, `{"statistics": {"usage_per_model":[{"model":"m"}],"x":[1]},"b":"}"}`},
		{"empty statistics", proxy.Chats, false, `{"statistics":{}}`, `{"statistics":{"usage_per_model":[{"model":"m"}]}}`},
		{"its own", proxy.Chats, false, `{"statistics":{"x":1,"usage_per_model":[{"model":"other"}],"y":2},"b":1}`, `{"statistics":{"x":1,"usage_per_model":[{"model":"m"}],"y":2},"b":1}`},
		{"vectors", proxy.Embeddings, false, `{"data":[]}`, `{"data":[]}`},
		{"no object", proxy.Chats, false, `[1]`, `[1]`},
		{"a stream", proxy.Chats, true, "data: {\"id\":\"i\",\"created\":1}\n\ndata:[DONE]\n\n", "data: {\"id\":\"i\",\"created\":1}\n\ndata: {\"id\":\"i\",\"created\":1,\"object\":\"chat.completion.chunk\",\"choices\":[],\"statistics\":{\"usage_per_model\":[{\"model\":\"m\"}]}}\n\ndata:[DONE]\n\n"},
		{"a stream whose chunks have names", proxy.Chats, true, "data: {\"id\":\"a\\\"b\",\"created\":7,\"model\":\"x\",\"choices\":[{}]}\n\ndata: [DONE]\n\n", "data: {\"id\":\"a\\\"b\",\"created\":7,\"model\":\"x\",\"choices\":[{}]}\n\ndata: {\"id\":\"a\\\"b\",\"created\":7,\"model\":\"x\",\"object\":\"chat.completion.chunk\",\"choices\":[],\"statistics\":{\"usage_per_model\":[{\"model\":\"m\"}]}}\n\ndata: [DONE]\n\n"},
		{"a stream with its own", proxy.Chats, true, "data: {\"id\":\"i\",\"created\":1}\n\ndata: {\"choices\":[],\"statistics\":{\"usage_per_model\":[{}]}}\n\ndata: [DONE]\n\n", "data: {\"id\":\"i\",\"created\":1}\n\ndata: {\"id\":\"i\",\"created\":1,\"object\":\"chat.completion.chunk\",\"choices\":[],\"statistics\":{\"usage_per_model\":[{\"model\":\"m\"}]}}\n\ndata: [DONE]\n\n"},
		{"a stream with its own, and more", proxy.Chats, true, "data: {\"id\":\"i\",\"created\":1,\"choices\":[],\"statistics\":{\"usage_per_model\":[{}]}}\n\ndata: {\"id\":\"i\",\"created\":1}\n\ndata: [DONE]\n\n", "data: {\"id\":\"i\",\"created\":1,\"choices\":[],\"statistics\":{\"usage_per_model\":[{}]}}\n\ndata: {\"id\":\"i\",\"created\":1}\n\ndata: {\"id\":\"i\",\"created\":1,\"object\":\"chat.completion.chunk\",\"choices\":[],\"statistics\":{\"usage_per_model\":[{\"model\":\"m\"}]}}\n\ndata: [DONE]\n\n"},
		{"messages", proxy.Messages, true, "event: message_delta\ndata: {\"type\":\"message_delta\"}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n", "event: message_delta\ndata: {\"type\":\"message_delta\"}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\",\"statistics\":{\"usage_per_model\":[{\"model\":\"m\"}]}}\n\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			header := jsonType()
			if tt.stream {
				header = streamType()
			}
			if o := read(t, says(header, strings.NewReader(tt.body)), tt.wire, stats); o.err != nil || o.text() != tt.want {
				t.Errorf("%v:\ngot  %q\nwant %q", o.err, o.text(), tt.want)
			}
		})
	}
}

// TestNothingIsHeldBackButTheEnd: each read's bytes go on at once, half events among them.
func TestNothingIsHeldBackButTheEnd(t *testing.T) {
	parts := []string{"data: {\"a\"", ":1}\n", "\n", ": ping\n\n", "data: ", "{}\n\nda", "ta: [DO", "NE]\n\n"}
	o := read(t, says(streamType(), &eachRead{parts: parts}), proxy.Chats, "")
	want := []string{"data: {\"a\"", ":1}\n", "\n", ": ping\n\n", "data: {}\n\n", "data: [DONE]\n\n"}
	if diff := cmp.Diff(want, o.pieces); diff != "" || o.err != nil {
		t.Errorf("%v (-want +got):\n%s", o.err, diff)
	}
}

// TestWhateverIsCutIsBroken: a stream that is cut behind any of its bytes but the last event's line is an error,
// and the client has had all that came.
func TestWhateverIsCutIsBroken(t *testing.T) {
	chat := strings.Join(chunks(3), "")
	messages := "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
	response := "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"output\":[]}}\n\n"
	for wire, body := range map[proxy.Wire]string{proxy.Chats: chat, proxy.Messages: messages, proxy.Responses: response} {
		whole := len(body) - 2
		if wire == proxy.Messages {
			whole -= len("}") // of which nobody looks at the last
		}
		for cut := range whole {
			for _, err := range []error{io.EOF, io.ErrUnexpectedEOF} {
				o := read(t, says(streamType(), io.MultiReader(strings.NewReader(body[:cut]), iotest.ErrReader(err))), wire, "[1]")
				if o.err == nil || llm.AsError(o.err).Kind != llm.KindUpstream || o.text() != body[:cut] {
					t.Fatalf("wire %d, cut at %d with %v: %v, %q", wire, cut, err, o.err, o.text())
				}
			}
		}
	}
}

// TestHugeLinesPass, and what is behind them is read.
func TestHugeLinesPass(t *testing.T) {
	body := "data: {\"x\":\"" + strings.Repeat("y", 3<<20) + "\"}\n\ndata: {\"usage\":{\"prompt_tokens\":7}}\n\ndata: [DONE]\n\n"
	o := read(t, says(streamType(), strings.NewReader(body)), proxy.Chats, "")
	if o.err != nil || o.text() != body || o.last.Usage == nil || o.last.Usage.Input != 7 {
		t.Errorf("%v, %d bytes, %+v", o.err, len(o.text()), o.last.Usage)
	}
}

// TestCompressedAnswersAreInflated, event by event; one of an encoding that is not known passes as it is.
func TestCompressedAnswersAreInflated(t *testing.T) {
	for name, open := range map[string]func(io.Writer) io.WriteCloser{
		"gzip":    func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		"deflate": func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) },
		"Deflate": func(w io.Writer) io.WriteCloser { f, _ := flate.NewWriter(w, 1); return f },
	} {
		var parts []string
		var out bytes.Buffer
		w := open(&out)
		for _, event := range []string{"data: {}\n\n", "data: {\"a\":1}\n\n", "data: [DONE]\n\n"} {
			_, _ = io.WriteString(w, event)
			if err := w.(interface{ Flush() error }).Flush(); err != nil {
				t.Fatal(err)
			}
			parts = append(parts, out.String())
			out.Reset()
		}
		header := streamType()
		header.Set("Content-Encoding", name)
		o := read(t, says(header, &eachRead{parts: parts}), proxy.Chats, "")
		if diff := cmp.Diff([]string{"data: {}\n\n", "data: {\"a\":1}\n\n", "data: [DONE]\n\n"}, o.pieces); diff != "" || o.err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, o.err, diff)
		}
		o = read(t, says(header, &eachRead{parts: parts[:2]}), proxy.Chats, "")
		if o.err == nil {
			t.Errorf("%s: cut, and taken for whole", name)
		}
	}
	header := jsonType()
	header.Set("Content-Encoding", "br")
	if o := read(t, says(header, strings.NewReader(`{"usage":{"prompt_tokens":7}}`)), proxy.Chats, "[1]"); o.err != nil || o.text() != `{"usage":{"prompt_tokens":7}}` {
		t.Errorf("br: %v %s", o.err, o.text())
	}
}

// TestAConnectionIsReadToItsEnd, for the next request, but not for long.
func TestAConnectionIsReadToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closed, began := false, time.Now()
		o := read(t, func(r *http.Request) *http.Response {
			body := &bodyOf{Reader: io.MultiReader(strings.NewReader("data: [DONE]\n\n"), readFunc(func([]byte) (int, error) {
				<-r.Context().Done()
				return 0, context.Cause(r.Context())
			})), closed: &closed}
			return &http.Response{StatusCode: http.StatusOK, Header: streamType(), Body: body}
		}, proxy.Chats, "")
		if o.err != nil || o.text() != "data: [DONE]\n\n" || !closed || time.Since(began) != time.Second {
			t.Errorf("%v %q after %v, closed: %v", o.err, o.text(), time.Since(began), closed)
		}
	})
}

// TestEveryAnswerIsReleased, however it ends.
func TestEveryAnswerIsReleased(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		body   io.Reader
		take   func(*proxy.Answer)
	}{
		{"a redirect", 302, strings.NewReader("x"), nil},
		{"to its end", 200, strings.NewReader("data: [DONE]\n\n"), func(a *proxy.Answer) {
			for _, err := range a.Pieces() {
				_ = err
			}
		}},
		{"broken off", 200, iotest.ErrReader(errors.New("reset")), func(a *proxy.Answer) {
			for _, err := range a.Pieces() {
				_ = err
			}
		}},
		{"left", 200, strings.NewReader("data: {}\n\ndata: [DONE]\n\n"), func(a *proxy.Answer) {
			for _, err := range a.Pieces() {
				_ = err
				break
			}
		}},
		{"not read", 200, strings.NewReader("data: {}\n\n"), func(a *proxy.Answer) { a.Close() }},
		{"a panic", 200, strings.NewReader("data: {}\n\n"), func(a *proxy.Answer) {
			defer func() { _ = recover() }()
			for _, err := range a.Pieces() {
				panic(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // which ends when every goroutine and timer has
				closed := false
				remote, err := proxy.New(proxy.Options{URL: "http://remote", Total: time.Hour, Silence: time.Minute, Transport: replies(func(*http.Request) *http.Response {
					return &http.Response{StatusCode: tt.status, Header: streamType(), Body: &bodyOf{Reader: tt.body, closed: &closed}}
				})})
				if err != nil {
					t.Fatal(err)
				}
				answer, err := remote.Call(t.Context(), &proxy.Call{Body: []byte("{}")})
				if err == nil {
					tt.take(answer)
				}
				if !closed {
					t.Error("its body is still open")
				}
			})
		})
	}
}

type bodyOf struct {
	io.Reader
	closed *bool
}

func (b *bodyOf) Close() error {
	*b.closed = true
	return nil
}

// TestAChunkCostsNoMemory: a stream ten times as long allocates as often.
func TestAChunkCostsNoMemory(t *testing.T) {
	count := func(n int) float64 {
		parts := chunks(n)
		remote, err := proxy.New(proxy.Options{URL: "http://remote", Transport: replies(func(*http.Request) *http.Response {
			return &http.Response{StatusCode: http.StatusOK, Header: streamType(), Body: io.NopCloser(&eachRead{parts: parts})}
		})})
		if err != nil {
			t.Fatal(err)
		}
		return testing.AllocsPerRun(50, func() {
			answer, err := remote.Call(t.Context(), &proxy.Call{Body: []byte("{}")})
			if err != nil {
				t.Fatal(err)
			}
			for _, err := range answer.Pieces() {
				if err != nil {
					t.Fatal(err)
				}
			}
		})
	}
	if short, long := count(100), count(1000); long > short+5 {
		t.Errorf("%v allocations for 100 chunks, %v for 1000", short, long)
	}
}

// FuzzScan: whatever comes, in whatever parts, all of it goes on, or up to the end.
func FuzzScan(f *testing.F) {
	f.Add("data: {}\n\ndata: [DONE]\n\n", uint8(3), uint8(0))
	f.Add("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n", uint8(7), uint8(3))
	f.Add("data: {\"choices\":[],\"statistics\":{\"usage_per_model\":[]}}\n\ndata: [DONE]", uint8(9), uint8(0))
	f.Fuzz(func(t *testing.T, body string, size, wire uint8) {
		var parts []string
		for rest := body; rest != ""; {
			n := min(len(rest), int(size)+1)
			parts, rest = append(parts, rest[:n]), rest[n:]
		}
		o := read(t, says(streamType(), &eachRead{parts: parts}), proxy.Wire(wire%4), "")
		whole := read(t, says(streamType(), strings.NewReader(body)), proxy.Wire(wire%4), "")
		if (o.err == nil) != (whole.err == nil) || o.text() != whole.text() {
			t.Fatalf("in parts %v %q, whole %v %q", o.err, o.text(), whole.err, whole.text())
		}
		if o.err != nil && o.text() != body {
			t.Fatalf("%v: %q became %q", o.err, body, o.text())
		}
	})
}

// TestWhatIsNoAnswer: a status of 200 makes no success of a page of HTML, of nothing, or of half a document; a Content-Type that
// was forgotten makes no failure of an answer.
func TestWhatIsNoAnswer(t *testing.T) {
	chat, events := `{"choices":[]}`, "data: {}\n\ndata: [DONE]\n\n"
	for _, tt := range []struct {
		name, media, body string
		wire              proxy.Wire
		refused           bool
	}{
		{"half a document", "application/json", `{"usage":{"prompt_tokens":7}`, proxy.Chats, true},
		{"text that says it is JSON", "application/json", "upstream connect error", proxy.Embeddings, true},
		{"an empty document", "application/json", "", proxy.Messages, true},
		{"a page", "text/html; charset=utf-8", "<!doctype html><title>Sign in</title>", proxy.Chats, true},
		{"nothing", "", "", proxy.Responses, true},
		{"spaces", "text/plain", strings.Repeat(" \n", 40<<10), proxy.Chats, true},
		{"a word", "text/plain", "ok", proxy.Chats, true},
		{"a text that begins nearly as events do", "text/plain", "database error", proxy.Chats, true},
		{"a document of no type", "", "\n " + chat, proxy.Chats, false},
		{"a long document of another type", "text/plain", `{"choices":["` + strings.Repeat("a", 100<<10) + `"]}`, proxy.Chats, false},
		{"events of another type", "text/plain", events, proxy.Chats, false},
		{"events that begin with a comment", "application/octet-stream", ": hello\n\n" + events, proxy.Messages, false},
		{"a page that nobody reads", "text/html", "<p>", proxy.Opaque, false},
	} {
		for _, body := range []io.Reader{strings.NewReader(tt.body), iotest.OneByteReader(strings.NewReader(tt.body))} {
			header := http.Header{}
			if tt.media != "" {
				header.Set("Content-Type", tt.media)
			}
			o := read(t, says(header, body), tt.wire, "")
			if !tt.refused {
				if o.err != nil || o.text() != tt.body {
					t.Errorf("%s: %v: %.80s", tt.name, o.err, o.text())
				}
				continue
			}
			e := llm.AsError(o.err)
			if o.err == nil || e.Kind != llm.KindUpstream || o.text() != "" || len(tt.body) > 1 && strings.Contains(o.err.Error(), tt.body) {
				t.Errorf("%s: %v, %q", tt.name, o.err, o.text())
			}
		}
	}
}
