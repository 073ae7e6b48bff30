package gateway

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"outcrop/internal/catalog"
)

func mustGateway(t *testing.T, o Options) *Gateway {
	t.Helper()
	none, err := catalog.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	o.Deployments, o.Log = Fixed(none), slog.New(slog.DiscardHandler)
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestTheNextGatewayRemembers: thinking that one configuration has kept is there for the next, and nobody
// else's.
func TestTheNextGatewayRemembers(t *testing.T) {
	first := mustGateway(t, Options{})
	first.vault.put(owner{"team", "m"}, "call", lead("a"))
	next := mustGateway(t, Options{Before: first})
	if _, ok := next.vault.get(owner{"team", "m"}, "call"); !ok {
		t.Error("it has forgotten")
	}
	if _, ok := mustGateway(t, Options{}).vault.get(owner{"team", "m"}, "call"); ok {
		t.Error("a stranger knows")
	}
}

func TestReadiness(t *testing.T) {
	reason := ""
	for _, o := range []Options{{Ready: func() string { return reason }}, {}} {
		for _, want := range []struct {
			reason string
			status int
			body   string
		}{{"", http.StatusOK, `{"status":"ready"}`}, {"not yet", http.StatusServiceUnavailable, `{"status":"not ready","reason":"not yet"}`}} {
			reason = want.reason
			w := httptest.NewRecorder()
			mustGateway(t, o).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/ready", nil))
			if o.Ready == nil {
				want.status, want.body = http.StatusOK, `{"status":"ready"}`
			}
			if w.Code != want.status || w.Body.String() != want.body {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		}
	}
}
