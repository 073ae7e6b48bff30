package gateway

import (
	"net/http"
	"time"

	"outcrop/internal/llm"
	"outcrop/internal/usage"
)

// tally notes of a reply, while it passes, what its Entry will say. A nil tally notes nothing.
type tally struct {
	began     time.Time
	first     time.Duration // after began, when there was something that a client can see; 0 is never
	model     string
	usage     llm.Usage
	throttled bool
	bill      *bill  // that it is put on as well; nil for none
	payer     string // the deployment whose line that is
}

// see takes an event, or the error instead of one.
func (t *tally) see(event llm.Event, visible bool, err error) {
	if t == nil {
		return
	}
	if err != nil {
		t.fail(err)
		return
	}
	if visible {
		if t.first == 0 {
			t.first = max(time.Since(t.began), 1)
		}
		if end, ok := event.(llm.Finish); ok {
			t.charge(end.Usage)
		}
		return
	}
	if start, ok := event.(llm.Start); ok {
		t.model = start.Model
	}
}

// fail takes the error of an upstream.
func (t *tally) fail(err error) {
	if llm.AsError(err).Kind == llm.KindRateLimited {
		t.throttled = true
	}
}

// whole takes a reply that comes in one piece.
func (t *tally) whole(model string, u llm.Usage) {
	t.first, t.model = time.Since(t.began), model
	t.charge(u)
}

// charge adds what the reply cost.
func (t *tally) charge(u llm.Usage) {
	t.usage = t.usage.Add(u)
	t.bill.add(t.payer, u)
}

// tally is the exchange's, nil when nobody wants its Entry or pays for it.
func (g *Gateway) tally(x *exchange) *tally {
	if g.record == nil && x.tally.bill == nil {
		return nil
	}
	return &x.tally
}

// account hands over the one Entry of a request. Probes are not requests of anybody.
func (g *Gateway) account(x *exchange) {
	if g.record == nil || x.routine {
		return
	}
	e := usage.Entry{
		Project: x.project, Deployment: x.deployment, Model: x.tally.model, Region: x.region, Operation: x.operation,
		Status: x.status, Stream: x.stream, Failed: x.err != nil, Throttled: x.tally.throttled,
		Began: x.began, FirstToken: x.tally.first, Finished: time.Since(x.began), Usage: x.tally.usage,
	}
	switch {
	case e.Failed:
		e.Kind = llm.AsError(x.err).Kind
	case x.status >= http.StatusBadRequest: // another server's answer, which went through as it was
		e.Failed, e.Kind = true, kindOf(x.status)
		e.Throttled = e.Kind == llm.KindRateLimited
	}
	g.record(e)
}

// kindOf is the kind of failure that another server's status stands for.
func kindOf(status int) llm.Kind {
	switch status {
	case http.StatusTooManyRequests:
		return llm.KindRateLimited
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusBadGateway:
		return llm.KindUpstream // it is the operator's credentials that it refuses
	case http.StatusServiceUnavailable:
		return llm.KindUnavailable
	case http.StatusGatewayTimeout:
		return llm.KindTimeout
	case http.StatusNotFound:
		return llm.KindNotFound
	case http.StatusRequestEntityTooLarge:
		return llm.KindTooLarge
	}
	if status < http.StatusInternalServerError {
		return llm.KindInvalid
	}
	return llm.KindUpstream
}
