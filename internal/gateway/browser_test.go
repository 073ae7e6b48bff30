package gateway_test

import (
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"outcrop/internal/memnet"
	"outcrop/internal/openai"
)

// A browser's script may read every header in which a reply says something.
func TestBrowsersMayReadOurHeaders(t *testing.T) {
	handler := newGateway(t, memnet.Serve(t, newUpstream(t)), io.Discard, setting{remotes: remotes{t: t}})
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "OPTIONS", "/openai/v1/chat/completions", nil))
	exposed := strings.Split(w.Header().Get("Access-Control-Expose-Headers"), ", ")
	want := []string{"X-Request-Id", openai.HeaderIgnored, openai.HeaderChanged, openai.HeaderCachePath, openai.HeaderCacheExpiry, "Request-Id", "Retry-After", "Allow",
		"X-Upstream-Id", "X-Upstream-Attempts", "X-Outcrop-Cost", "X-Outcrop-Fallback"}
	if strings.Join(exposed, " ") != strings.Join(want, " ") {
		t.Errorf("exposed: %q", exposed)
	}
}
