package gateway

import (
	"net/http"

	"outcrop/internal/auth"
)

// handleStatus tells a prober of the adapter's that it is well, in the words of DIAL's adapters. It comes
// every few seconds, which the log need not say.
func (g *Gateway) handleStatus(x *exchange, _ *http.Request) error {
	x.routine = true
	x.Header().Set("Content-Type", "application/json")
	return x.send([]byte(`{"status":"ok"}`))
}

// rate takes what users think of an answer, and does nothing with it, as DIAL's adapters do.
func (g *Gateway) rate(x *exchange, _ *http.Request, _ auth.Caller, name string) error {
	x.deployment = name[:min(len(name), maxName)] // which nobody checks
	x.WriteHeader(http.StatusOK)
	return nil
}
