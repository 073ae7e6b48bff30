package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// keeper is a server behind that answers before it has read anything, as one does that refuses, and the transport to
// it, which still has the body to send then.
type keeper struct{ bodies []io.Reader }

// RoundTrip implements http.RoundTripper.
func (k *keeper) RoundTrip(r *http.Request) (*http.Response, error) {
	k.bodies = append(k.bodies, r.Body)
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("{}")), Header: http.Header{"Content-Type": {"application/json"}}, Request: r}, nil
}

// TestABodyIsNotSentInAnothersPlace: a server behind may answer before it has read a request. What its transport sends
// after that is never of another request, for which the same memory is used again.
func TestABodyIsNotSentInAnothersPlace(t *testing.T) {
	d, k := newDoors(t), &keeper{}
	d.parts.remotes = k
	d.reload(t.Context(), true)
	key := http.Header{"Api-Key": {"a-key-of-team-a"}}
	for _, path := range []string{"/openai/deployments/app/chat/completions", "/openai/v1/embeddings"} {
		k.bodies = nil
		for i := range 20 {
			body := fmt.Sprintf(`{"model":"far","input":"%[1]s","messages":[{"role":"user","content":"%[1]s"}]}`, strings.Repeat(string(rune('a'+i)), 1000))
			if w := d.ask(http.MethodPost, path, body, key); w.Code != http.StatusOK {
				t.Fatalf("%s: %d %s", path, w.Code, w.Body)
			}
		}
		if len(k.bodies) != 20 {
			t.Fatalf("%s: asked %d times", path, len(k.bodies))
		}
		for i, body := range k.bodies {
			if late, err := io.ReadAll(body); err == nil || len(late) > 0 {
				t.Errorf("%s: after request %d its transport still sends %.80q", path, i, late)
			}
		}
	}
}
