package proxy_test

import (
	"io"
	"net/http"
	"net/http/httptest"
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
