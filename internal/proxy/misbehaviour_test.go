package proxy_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"outcrop/internal/llm"
	"outcrop/internal/proxy"
)

// TestARedirectIsAFailure: a client that followed one would take its key to a host of the upstream's choice.
func TestARedirectIsAFailure(t *testing.T) {
	for _, status := range []int{http.StatusSwitchingProtocols, http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://elsewhere.example/")
			w.WriteHeader(status)
		}))
		w := httptest.NewRecorder()
		err := forward(t, proxy.Options{URL: elsewhere.URL}, w, "{}")
		elsewhere.Close()
		if err == nil || llm.AsError(err).Kind != llm.KindUpstream {
			t.Errorf("%d: %v", status, err)
		}
		if w.Header().Get("Location") != "" {
			t.Errorf("%d: the client is told %v", status, w.Header())
		}
	}
}

// TestHeadersOfOneConnection stay there: those that are so by name, and those that Connection names. What
// the answer is encoded with is of the answer.
func TestHeadersOfOneConnection(t *testing.T) {
	var got http.Header
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header
		w.Header().Set("Connection", "X-Hop")
		w.Header().Set("X-Hop", "1")
		w.Header().Set("Content-Encoding", "br")
		_, _ = io.WriteString(w, "compressed")
	}))
	defer server.Close()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
	request.Header = http.Header{"Connection": {"keep-alive, x-inner"}, "X-Inner": {"1"}, "X-Outer": {"1"}}
	w := httptest.NewRecorder()
	if err := carry(remoteOf(t, proxy.Options{URL: server.URL}), w, request, "{}"); err != nil {
		t.Fatal(err)
	}
	if got.Get("X-Inner") != "" || got.Get("X-Outer") != "1" {
		t.Errorf("the server was told %v", got)
	}
	if w.Header().Get("X-Hop") != "" || w.Header().Get("Content-Encoding") != "br" {
		t.Errorf("the client is told %v", w.Header())
	}
}

// TestHintsBeforeAnAnswer are between two neighbours: the answer is what comes after them. One without a type, or
// without a body, passes as it is.
func TestHintsBeforeAnAnswer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</style.css>")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header()["Content-Type"] = nil
		if r.URL.Path == "/none" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		_, _ = io.WriteString(w, `{"usage":{"prompt_tokens":1}}`)
	}))
	defer server.Close()
	for path, want := range map[string]string{"/none": "204 ", "/some": `200 {"usage":{"prompt_tokens":1}}`} {
		w := httptest.NewRecorder()
		if err := forward(t, proxy.Options{URL: server.URL + path}, w, "{}"); err != nil {
			t.Fatal(err)
		}
		if got := strconv.Itoa(w.Code) + " " + w.Body.String(); got != want {
			t.Errorf("%s: %s", path, got)
		}
	}
}

// TestDefaultHeadersStandBehindAll: the client's go before them, and the gateway's cannot be among them.
func TestDefaultHeadersStandBehindAll(t *testing.T) {
	var got http.Header
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header
		_, _ = io.WriteString(w, "{}")
	}))
	defer server.Close()
	o := proxy.Options{URL: server.URL, DefaultHeaders: http.Header{"X-A": {"default"}, "X-B": {"default"}, "Authorization": {"Basic of-the-operator"}}}
	for _, forward := range []bool{false, true} {
		o.ForwardAuth = forward
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
		r.Header = http.Header{"X-A": {"mine"}, "Authorization": {"Bearer mine"}}
		if err := carry(remoteOf(t, o), httptest.NewRecorder(), r, ""); err != nil {
			t.Fatal(err)
		}
		want := "Basic of-the-operator"
		if forward {
			want = "Bearer mine"
		}
		if got.Get("X-A") != "mine" || got.Get("X-B") != "default" || got.Get("Authorization") != want || got.Get("Content-Length") != "0" || got.Get("Transfer-Encoding") != "" {
			t.Errorf("forwarded %v: %v", forward, got)
		}
	}
	for _, name := range []string{"Host", "Content-Length", "Transfer-Encoding", "X-Upstream-Key", "X-Dial-Deployment-Id", "Api-Key", "X A", "x-lower", "", "X:A", "X\r\nA"} {
		if _, err := proxy.New(proxy.Options{URL: "http://x", DefaultHeaders: http.Header{name: {"v"}}}); err == nil {
			t.Errorf("%q is taken", name)
		}
	}
	if _, err := proxy.New(proxy.Options{URL: "http://x", DefaultHeaders: http.Header{"X-A": {"v\r\nX-B: w"}}}); err == nil {
		t.Error("a line break is taken")
	}
}
