package h1

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// both is the two clients, each with connections of its own.
func both(t testing.TB, server *httptest.Server) map[string]http.RoundTripper {
	t.Helper()
	theirs := &http.Transport{DisableCompression: true}
	ours := &Transport{MaxIdle: 10}
	if server.TLS != nil {
		config := server.Client().Transport.(*http.Transport).TLSClientConfig
		theirs.TLSClientConfig, ours.TLS = config, config
	}
	t.Cleanup(theirs.CloseIdleConnections)
	t.Cleanup(ours.CloseIdleConnections)
	return map[string]http.RoundTripper{"net/http": theirs, "ours": ours}
}

// asked is a request as a server sees it.
type asked struct {
	Method, URI, Host string
	Header            http.Header
	Length            int64
	Body              string
}

// TestAsksAsNetHTTPDoes: a server sees the same of a request, over TLS too, on a connection that is new and on one that is kept.
func TestAsksAsNetHTTPDoes(t *testing.T) {
	var last atomic.Pointer[asked]
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		last.Store(&asked{r.Method, r.RequestURI, r.Host, r.Header, r.ContentLength, string(body)})
		w.WriteHeader(http.StatusOK)
	}))
	defer server.Close()
	for name, request := range map[string]struct {
		method, path, body string
		header             http.Header
	}{
		"a call":             {"POST", "/model/amazon.nova-lite-v1%3A0/converse", `{"messages":[]}`, http.Header{"Content-Type": {"application/json"}}},
		"an escaped slash":   {"POST", "/model/arn%3Aaws%3Abedrock%2Fx/converse?a=b%20c", "{}", nil},
		"no body":            {"GET", "/", "", nil},
		"an empty body":      {"POST", "/", "", nil},
		"a deletion":         {"DELETE", "/responses/1", "", nil},
		"values":             {"POST", "/", "{}", http.Header{"X-A": {"1", "2"}, "X-Empty": {""}, "X-Tab": {"a\tb"}, "X-Utf8": {"grün"}}},
		"a flag, not sent":   {"POST", "/", "{}", http.Header{"Idempotency-Key": nil}},
		"a key, sent":        {"POST", "/", "{}", http.Header{"Idempotency-Key": {"k"}}},
		"as long as a write": {"POST", "/", strings.Repeat("x", bufLen), nil},
		"of several writes":  {"POST", "/", strings.Repeat("x", atOnce), nil},
		"while it listens":   {"POST", "/", strings.Repeat("x", 5*atOnce+17), nil},
	} {
		t.Run(name, func(t *testing.T) {
			seen := map[string][]asked{}
			for client, transport := range both(t, server) {
				for range 2 {
					r, err := http.NewRequestWithContext(t.Context(), request.method, server.URL+request.path, strings.NewReader(request.body))
					if err != nil {
						t.Fatal(err)
					}
					r.Header = request.header.Clone()
					if r.Header == nil {
						r.Header = http.Header{}
					}
					r.Header["User-Agent"] = []string{"test"} // without one net/http says its own
					response, err := transport.RoundTrip(r)
					if err != nil {
						t.Fatal(client, err)
					}
					_ = response.Body.Close()
					got := *last.Load()
					got.Header.Del("Accept-Encoding")
					seen[client] = append(seen[client], got)
				}
			}
			if diff := cmp.Diff(seen["net/http"], seen["ours"]); diff != "" {
				t.Errorf("(-net/http +ours):\n%s", diff)
			}
		})
	}
}

// TestRefusesWhatNoHeaderMayHold, so that nothing that is sent can be a header, or a request, more.
func TestRefusesWhatNoHeaderMayHold(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was sent") }))
	defer server.Close()
	for name, change := range map[string]func(*http.Request){
		"a line in a value":  func(r *http.Request) { r.Header.Set("X-A", "b\r\nX-C: d") },
		"a line in a name":   func(r *http.Request) { r.Header["X-A\r\nX-B"] = []string{"c"} },
		"a space in a name":  func(r *http.Request) { r.Header["X A"] = []string{"c"} },
		"a line in the host": func(r *http.Request) { r.Host = "a\r\nX-B: c" },
		"a line in a method": func(r *http.Request) { r.Method = "GET / HTTP/1.1\r\nX-A: b\r\n\r\nGET" },
		"an unknown length":  func(r *http.Request) { r.ContentLength = -1 },
		"another scheme":     func(r *http.Request) { r.URL.Scheme = "ftp" },
		"no host":            func(r *http.Request) { r.URL.Host = "" },
		"a body too short":   func(r *http.Request) { r.ContentLength = 99 },
		"a length, no body":  func(r *http.Request) { _ = r.Body.Close(); r.Body = nil },
	} {
		t.Run(name, func(t *testing.T) {
			body := &closing{Reader: strings.NewReader("{}")}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, body)
			if err != nil {
				t.Fatal(err)
			}
			r.ContentLength = 2
			change(r)
			ours := &Transport{}
			defer ours.CloseIdleConnections()
			if _, err := ours.RoundTrip(r); err == nil || strings.Contains(err.Error(), "X-C") {
				t.Errorf("%v", err)
			}
			if !body.closed.Load() {
				t.Error("the body is left open")
			}
		})
	}
}

type closing struct {
	io.Reader
	closed atomic.Bool
}

func (c *closing) Close() error {
	c.closed.Store(true)
	return nil
}

// TestEarlyAnswers: a server that refuses a body before it has read it is heard, whatever it does with the rest.
func TestEarlyAnswers(t *testing.T) {
	for name, behave := range map[string]func(net.Conn){
		"and closes":  func(c net.Conn) { _ = c.Close() },
		"and listens": func(c net.Conn) { _, _ = io.Copy(io.Discard, c); _ = c.Close() },
		"and waits":   func(c net.Conn) { <-t.Context().Done(); _ = c.Close() },
	} {
		for _, size := range []int{atOnce, 8 << 20} {
			server := heads(t, func(c net.Conn) {
				_, _ = io.WriteString(c, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
				behave(c)
			})
			ours := &Transport{}
			body := &closing{Reader: bytes.NewReader(make([]byte, size))}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server, body)
			if err != nil {
				t.Fatal(err)
			}
			r.ContentLength = int64(size)
			response, err := ours.RoundTrip(r)
			if err != nil {
				t.Errorf("%s, %d bytes: %v", name, size, err)
				continue
			}
			text, err := io.ReadAll(response.Body)
			if response.StatusCode != http.StatusRequestEntityTooLarge || string(text) != "big" || err != nil {
				t.Errorf("%s, %d bytes: %d %q, %v", name, size, response.StatusCode, text, err)
			}
			_ = response.Body.Close()
			if len(ours.idle) != 0 {
				t.Errorf("%s, %d bytes: a connection with half a request on it is kept", name, size)
			}
		}
	}
}

// heads is a server that reads the head of a request and lets answer do the rest, connection by connection.
func heads(t *testing.T, answer func(net.Conn)) (url string) {
	t.Helper()
	return accepting(t, func(c net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReaderSize(c, 16)); err == nil {
			answer(c)
		}
	}) + "/"
}

// accepting is a server that does as it is told with each connection, until the test ends.
func accepting(t *testing.T, serve func(net.Conn)) (url string) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	return "http://" + l.Addr().String()
}

// TestCallsAgainAsNetHTTPDoes: a call on a kept connection that the server closes without a word is made again only when twice
// is as good as once, and only then.
func TestCallsAgainAsNetHTTPDoes(t *testing.T) {
	for name, request := range map[string]struct {
		method string
		header http.Header
		again  bool
	}{
		"a read":          {http.MethodGet, http.Header{}, true},
		"a call":          {http.MethodPost, http.Header{}, false},
		"a call, flagged": {http.MethodPost, http.Header{"Idempotency-Key": nil}, true},
	} {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if n := calls.Add(1); n != 2 {
					_, _ = io.Copy(w, r.Body)
					return
				}
				conn, _, err := w.(http.Hijacker).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				_ = conn.Close()
			}))
			defer server.Close()
			for client, transport := range both(t, server) {
				calls.Store(0)
				var failed []bool
				for range 2 {
					r, err := http.NewRequestWithContext(t.Context(), request.method, server.URL, bytes.NewReader([]byte("ping")))
					if err != nil {
						t.Fatal(err)
					}
					r.Header = request.header.Clone()
					response, err := transport.RoundTrip(r)
					if failed = append(failed, err != nil); err != nil {
						continue
					}
					text, err := io.ReadAll(response.Body)
					if string(text) != "ping" || err != nil {
						t.Errorf("%s: %q, %v", client, text, err)
					}
					_ = response.Body.Close()
				}
				if want := []bool{false, !request.again}; !slices.Equal(failed, want) {
					t.Errorf("%s failed: %v, want %v", client, failed, want)
				}
			}
		})
	}
}

// TestStaleConnectionsAreNotUsed: one that the server has closed while it was idle is seen before a call is made on it.
func TestStaleConnectionsAreNotUsed(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	defer server.Close()
	ours := both(t, server)["ours"].(*Transport)
	for i := range 3 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		response, err := ours.RoundTrip(r)
		if err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
		_ = response.Body.Close()
		server.CloseClientConnections()
		for _, all := range ours.idle {
			for _, c := range all {
				c.since = c.since.Add(-2 * justUsed)
			}
		}
	}
}

var errStop = errors.New("the operator stopped it")

// TestEndsWithItsContext: before the head and in the body, the cause is told, and the server sees the connection go.
func TestEndsWithItsContext(t *testing.T) {
	for name, begin := range map[string]string{"before the head": "", "in the head": "HTTP/1.1 200", "in the body": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"} {
		t.Run(name, func(t *testing.T) {
			gone, begun := make(chan struct{}), make(chan struct{})
			server := heads(t, func(c net.Conn) {
				_, _ = io.WriteString(c, begin)
				close(begun)
				_, _ = io.Copy(io.Discard, c)
				close(gone)
			})
			ctx, cancel := context.WithCancelCause(t.Context())
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, server, nil)
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				<-begun
				cancel(errStop)
			}()
			ours := &Transport{}
			response, err := ours.RoundTrip(r)
			if err == nil {
				_, err = io.ReadAll(response.Body)
				_ = response.Body.Close()
			}
			if !errors.Is(err, errStop) {
				t.Errorf("%v", err)
			}
			<-gone
			if len(ours.idle) != 0 {
				t.Error("the connection is kept")
			}
		})
	}
}
