package proxy_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"outcrop/internal/llm"
	"outcrop/internal/proxy"
)

// replies is a server that answers every request so.
type replies func(*http.Request) *http.Response

func (f replies) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }

func events(body io.Reader) replies {
	return func(*http.Request) *http.Response {
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/event-stream; charset=utf-8"}}, Body: io.NopCloser(body)}
	}
}

// forwardTo forwards an empty request to such a server.
func forwardTo(t *testing.T, to replies, o proxy.Options) (*httptest.ResponseRecorder, error) {
	t.Helper()
	o.URL, o.Transport = "http://remote", to
	remote, err := proxy.New(o)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	return w, carry(remote, w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil), "{}")
}

// TestAStreamWithoutAnEndIsBroken: that the connection ended in order does not make an answer whole.
func TestAStreamWithoutAnEndIsBroken(t *testing.T) {
	long := "data: " + strings.Repeat("x", 9000) + "\n\n"
	for _, tt := range []struct {
		name, body string
		whole      bool
	}{
		{"its end", "data: {}\n\ndata: [DONE]\n\n", true},
		{"its end without a space, behind a comment", ": a\n\ndata:[DONE]\n\n", true},
		{"an error", long + `data: { "error": {"message":"a"}}` + "\n\n", true},
		{"nothing", "", false},
		{"no end", "data: {}\n\n", false},
		{"no end behind much", long, false},
		{"words of the end in a text", `data: {"content":"data: [DONE]"}` + "\n\n", false},
		{"half of a line", "data: {}\n\ndata: [DO", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, body := range []io.Reader{strings.NewReader(tt.body), iotest.OneByteReader(strings.NewReader(tt.body))} {
				w, err := forwardTo(t, events(body), proxy.Options{})
				if (err == nil) != tt.whole || err != nil && llm.AsError(err).Kind != llm.KindUpstream {
					t.Errorf("%v", err)
				}
				if w.Body.String() != tt.body {
					t.Errorf("the client reads %q", w.Body)
				}
			}
		})
	}
}

// TestTheEndIsTheEnd: what comes behind it is not the client's, and it ends with an empty line.
func TestTheEndIsTheEnd(t *testing.T) {
	for _, tt := range []struct{ name, body, want string }{
		{"a comment, in Windows' lines", "data: {}\r\n\r\ndata: [DONE]\r\n\r\n: b\r\n\r\n", "data: {}\r\n\r\ndata: [DONE]\n\n"},
		{"an event", "data: [DONE]\n\ndata: {}\n\n", "data: [DONE]\n\n"},
		{"no line break", "data: {}\n\ndata: [DONE]", "data: {}\n\ndata: [DONE]\n\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, body := range []io.Reader{strings.NewReader(tt.body), iotest.OneByteReader(strings.NewReader(tt.body)), iotest.DataErrReader(strings.NewReader(tt.body))} {
				w, err := forwardTo(t, events(body), proxy.Options{})
				if err != nil || w.Body.String() != tt.want {
					t.Errorf("%v: the client reads %q", err, w.Body)
				}
			}
		})
	}
}

// TestASilentServerIsNotWaitedFor longer than the deployment's timeouts say.
func TestASilentServerIsNotWaitedFor(t *testing.T) {
	stuck := func(r *http.Request, before string) io.Reader {
		return io.MultiReader(strings.NewReader(before), readFunc(func([]byte) (int, error) {
			<-r.Context().Done()
			return 0, r.Context().Err()
		}))
	}
	for _, tt := range []struct {
		name    string
		o       proxy.Options
		to      func(r *http.Request) *http.Response
		message string
		after   time.Duration
	}{
		{
			"in the middle", proxy.Options{Silence: time.Minute, Total: time.Hour},
			func(r *http.Request) *http.Response { return events(stuck(r, "data: {}\n\n"))(r) }, "inter-token", time.Minute,
		},
		{
			"in the middle, in all", proxy.Options{Total: time.Hour},
			func(r *http.Request) *http.Response { return events(stuck(r, "data: {}\n\n"))(r) }, "total", time.Hour,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				_, err := forwardTo(t, tt.to, tt.o)
				if e := llm.AsError(err); err == nil || e.Kind != llm.KindTimeout || !strings.Contains(e.Message, tt.message) || time.Since(began) != tt.after {
					t.Errorf("after %v: %v", time.Since(began), err)
				}
			})
		})
	}
}

// TestAServerThatNeverAnswers is a timeout, of which the client can still be told by the status.
func TestAServerThatNeverAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		remote, err := proxy.New(proxy.Options{URL: "http://remote", Total: time.Hour, Silence: time.Minute, Transport: failing(func(r *http.Request) error {
			<-r.Context().Done()
			return r.Context().Err()
		})})
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		err = carry(remote, w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil), "{}")
		if e := llm.AsError(err); err == nil || e.Kind != llm.KindTimeout || time.Since(began) != time.Hour || w.Body.Len() > 0 {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

type failing func(*http.Request) error

func (f failing) RoundTrip(r *http.Request) (*http.Response, error) { return nil, f(r) }

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }
