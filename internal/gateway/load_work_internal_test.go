package gateway

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"outcrop/internal/auth"
)

// TestWhatARequestInWorkAsksForHasPlacesOfItsOwn: an application's calls, and what DIAL Core asks this server back for.
// An operator needs none.
func TestWhatARequestInWorkAsksForHasPlacesOfItsOwn(t *testing.T) {
	g := &Gateway{load: NewLoad(LoadOptions{Places: 1})}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	outer, inner := auth.Caller{Project: "p"}, auth.Caller{Project: "p", Pass: &auth.Pass{}}
	var running []*exchange
	for _, step := range []struct {
		what    string
		caller  auth.Caller
		pattern string
		ok      bool
	}{
		{"a request", outer, "POST /openai/v1/chat/completions", true},
		{"one too many", outer, "POST /openai/v1/chat/completions", false},
		{"a call of the first's application", inner, "POST /openai/v1/chat/completions", true},
		{"one too many of these", inner, "POST /openai/v1/chat/completions", false},
		{"the translator, which asks Core", outer, "POST " + translatorTree + "v1/messages", false},
		{"an operator", outer, "POST /v1/ops/config/reload", true},
		{"another", outer, "GET /v1/admin/health/config", true},
	} {
		x := &exchange{}
		err := g.enter(x, r, step.caller, workOf(step.pattern))
		if (err == nil) != step.ok || x.shed == step.ok {
			t.Errorf("%s: %v, shed %t", step.what, err, x.shed)
		}
		running = append(running, x)
	}
	first := running[0]
	if err := g.enter(first, r, outer, workFirst); err != nil || g.load.first.running != 1 {
		t.Errorf("a request has two places: %v", err)
	}
	for _, x := range running {
		x.place.leave()
	}
	x := &exchange{}
	if err := g.enter(x, r, outer, workOf("POST "+translatorTree+"v1/messages")); err != nil || g.load.inner.running != 1 {
		t.Errorf("the translator has none of the other places: %v", err)
	}
	x.place.leave()
	nothingLeft(t, g.load)
}
