package gateway

import (
	"net/http"
	"strings"
	"testing"
)

// TestExposedHeaders: a browser's script may read every header of ours, each told once.
func TestExposedHeaders(t *testing.T) {
	h := http.Header{}
	allowOrigin(h, http.Header{})
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
