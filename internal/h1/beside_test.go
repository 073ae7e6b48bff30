package h1

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// TestWhatIsNotOurs: what this client does not do is done by net/http's, and nobody notices.
func TestWhatIsNotOurs(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			_, _ = io.WriteString(w, string(body)+r.Trailer.Get("X-Sum")+r.Header.Get("Via"))
			return
		}
		conn, rest, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		line, err := rest.ReadString('\n')
		if err != nil {
			t.Error(err)
		}
		_, _ = io.WriteString(conn, "you said "+line)
	}))
	defer server.Close()
	for name, tt := range map[string]struct {
		change func(*http.Request)
		own    bool
		want   string
	}{
		"a call":             {func(*http.Request) {}, true, "ping"},
		"an unknown length":  {func(r *http.Request) { r.ContentLength = -1 }, false, "ping"},
		"a length not given": {func(r *http.Request) { r.ContentLength = 0 }, false, "ping"},
		"an expectation":     {func(r *http.Request) { r.Header.Set("Expect", "100-continue") }, false, "ping"},
		"trailers": {func(r *http.Request) {
			r.ContentLength, r.Trailer = -1, http.Header{"X-Sum": {"4"}}
		}, false, "ping4"},
		"a WebSocket": {func(r *http.Request) {
			r.Body, r.ContentLength = nil, 0
			r.Header.Set("Connection", "Upgrade")
			r.Header.Set("Upgrade", "websocket")
		}, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			both := NewBeside(&http.Transport{DisableCompression: true})
			defer both.CloseIdleConnections()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader("ping"))
			if err != nil {
				t.Fatal(err)
			}
			tt.change(r)
			if both.isOwn(r) != tt.own {
				t.Errorf("ours: %v", !tt.own)
			}
			resp, err := both.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			if tt.want != "" {
				if text, err := io.ReadAll(resp.Body); string(text) != tt.want || err != nil {
					t.Errorf("%q, %v", text, err)
				}
				return
			}
			socket, ok := resp.Body.(io.ReadWriter)
			if !ok || resp.StatusCode != http.StatusSwitchingProtocols {
				t.Fatalf("%d, %T", resp.StatusCode, resp.Body)
			}
			if _, err := io.WriteString(socket, "hello\n"); err != nil {
				t.Fatal(err)
			}
			if line, err := bufio.NewReader(socket).ReadString('\n'); line != "you said hello\n" || err != nil {
				t.Errorf("%q, %v", line, err)
			}
		})
	}
}

// TestThroughAProxy: a request for which there is a proxy goes through it, another one goes straight.
func TestThroughAProxy(t *testing.T) {
	answer := func(text string) *httptest.Server {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }))
		t.Cleanup(s.Close)
		return s
	}
	proxy, server := answer("the proxy"), answer("the server")
	at, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	both := NewBeside(&http.Transport{Proxy: func(r *http.Request) (*url.URL, error) {
		if r.URL.Path == "/far" {
			return at, nil
		}
		return nil, nil
	}})
	defer both.CloseIdleConnections()
	for path, want := range map[string]string{"/far": "the proxy", "/near": "the server"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := both.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if string(text) != want || err != nil {
			t.Errorf("%s: %q, %v", path, text, err)
		}
	}
}
