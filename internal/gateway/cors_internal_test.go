package gateway

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestExposedHeaders: a browser's script may read every header of ours, each told once.
func TestExposedHeaders(t *testing.T) {
	x := &exchange{ResponseWriter: httptest.NewRecorder()}
	x.allowOrigin(http.Header{})
	h := x.Header()
	seen := map[string]bool{}
	for name := range strings.SplitSeq(h.Get("Access-Control-Expose-Headers"), ", ") {
		if seen[name] {
			t.Errorf("%s twice", name)
		}
		seen[name] = true
	}
	if len(seen) != 12 || !seen[headerUpstreamID] || !seen[headerUpstreamAttempts] || !seen[headerCost] || !seen[headerFallback] {
		t.Errorf("%v", seen)
	}
}
