package client_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"outcrop/internal/client"
	"outcrop/internal/llm"
)

// A server that redirects does not get the caller's key sent elsewhere: neither to another host nor, on the
// same one, in the clear.
func TestAModelStaysOnItsHost(t *testing.T) {
	asked := 0
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer elsewhere.Close()
	to := elsewhere.URL
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, to, http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	plain := "http://" + server.Listener.Addr().String()
	for _, target := range []string{elsewhere.URL, plain} {
		to = target
		transport := schemes{t, server.Client().Transport}
		m := client.Model{URL: server.URL + "/chat", Header: http.Header{"Api-Key": {"hush"}}, HTTP: &http.Client{Transport: transport}}
		_, err := llm.CollectOne(m.Chat(t.Context(), &llm.ChatRequest{Messages: []llm.Message{{Role: llm.RoleUser, Parts: []llm.Part{llm.Text{Text: "Hi"}}}}}))
		if e := llm.AsError(err); e.Kind != llm.KindUpstream {
			t.Errorf("%s: %v", target, err)
		}
	}
	if asked > 0 {
		t.Errorf("the other host was asked %d times", asked)
	}
}

// schemes fails when a request leaves in the clear.
type schemes struct {
	t *testing.T
	http.RoundTripper
}

func (s schemes) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme == "http" {
		s.t.Errorf("the key went to %s in the clear", r.URL.Host)
	}
	return s.RoundTripper.RoundTrip(r)
}
