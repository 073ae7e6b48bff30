package gateway

import "net/http"

// handleReady says whether requests should be sent here. That is another question than whether the process
// is well, which /health answers: neither depends on AWS.
func (g *Gateway) handleReady(x *exchange, _ *http.Request) error {
	x.routine = true
	reason := ""
	if g.whyNot != nil {
		reason = g.whyNot()
	}
	x.Header().Set("Content-Type", "application/json")
	if reason == "" {
		return x.send([]byte(`{"status":"ready"}`))
	}
	x.WriteHeader(http.StatusServiceUnavailable)
	return x.reply(struct {
		Status string `json:"status"`
		Reason string `json:"reason"`
	}{"not ready", reason})
}
