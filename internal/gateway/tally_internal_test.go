package gateway

import (
	"net/http"
	"testing"
	"time"

	"outcrop/internal/llm"
	"outcrop/internal/usage"
)

// TestEntriesOfForwardedRequests: nobody here has an error of them, the status has to tell.
func TestEntriesOfForwardedRequests(t *testing.T) {
	for status, want := range map[int]llm.Kind{
		http.StatusTooManyRequests: llm.KindRateLimited, http.StatusForbidden: llm.KindUpstream, http.StatusServiceUnavailable: llm.KindUnavailable,
		http.StatusGatewayTimeout: llm.KindTimeout, http.StatusNotFound: llm.KindNotFound, http.StatusUnprocessableEntity: llm.KindInvalid,
		http.StatusInternalServerError: llm.KindUpstream, http.StatusRequestEntityTooLarge: llm.KindTooLarge,
	} {
		var got usage.Entry
		g := mustGateway(t, Options{Record: func(e usage.Entry) { got = e }})
		g.account(&exchange{status: status, began: time.Now()})
		if !got.Failed || got.Kind != want || got.Throttled != (status == http.StatusTooManyRequests) {
			t.Errorf("%d: %+v", status, got)
		}
	}
}
