package gateway

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"outcrop/internal/llm"
	"outcrop/internal/usage"
)

// tally notes of a reply, while it passes, what its Entry will say. A nil tally notes nothing.
type tally struct {
	began     time.Time
	first     time.Duration // after began, when there was something that a client can see; 0 is never
	asked     time.Duration // after began, when the first upstream was; 0 is none
	model     string
	usage     llm.Usage
	throttled bool
	via       llm.Via
	header    http.Header // of the reply; nil when there is none, or its head may be on its way
	stream    *bool       // whether the reply is a stream
	terms     usage.Terms
	price     *usage.Price
	tells     bool   // the client asks what the reply cost
	chars     bool   // characters are paid for
	bill      *bill  // that it is put on as well; nil for none
	payer     string // the deployment whose line that is
	said      int    // bytes of what the model has said
}

// ask says that an upstream is asked now.
func (t *tally) ask() {
	if t != nil && t.asked == 0 {
		t.asked = max(time.Since(t.began), 1)
	}
}

// tried is how many upstreams were asked, and how long they were waited for: one that is alone does not count that.
func (t *tally) tried() (attempts int, waited time.Duration) {
	attempts, waited = t.via.Attempts, t.via.Waited
	if t.asked > 0 && attempts == 0 {
		attempts = 1
	}
	if waited == 0 && t.asked > 0 {
		waited = max(0, t.first-t.asked)
	}
	return attempts, waited
}

// see takes an event, or the error instead of one. The event goes on, with what the client asks for.
func (t *tally) see(event llm.Event, visible bool, err error) llm.Event {
	if t == nil {
		return event
	}
	if err != nil {
		t.fail(err)
		return event
	}
	if visible {
		t.said += sizeOf(event)
		if text, ok := event.(*llm.TextDelta); ok && t.chars {
			t.terms.CompletionChars += chars(text.Text)
		}
		if t.first == 0 {
			t.first = max(time.Since(t.began), 1)
			t.begun()
		}
		if end, ok := event.(llm.Finish); ok {
			t.terms.Tier = end.Tier
			if end.Cost = t.charge(end.Usage); end.Cost != "" {
				return end
			}
		}
		return event
	}
	if start, ok := event.(llm.Start); ok {
		t.model = start.Model
		t.reach(start.Via)
		t.begun()
	}
	return event
}

// begun says that a reply has: the head of a stream is written by whoever comes first, its heart among them, and nothing
// more is told in it.
func (t *tally) begun() {
	if t != nil && t.stream != nil && *t.stream {
		t.header = nil
	}
}

// fail takes the error of an upstream.
func (t *tally) fail(err error) {
	e := llm.AsError(err)
	if e.Kind == llm.KindRateLimited {
		t.throttled = true
	}
	t.reach(e.Via)
}

// Headers of DIAL Core's, and of its requests.
const (
	headerUpstreamID       = "X-Upstream-Id"
	headerUpstreamAttempts = "X-Upstream-Attempts"
	headerCachePolicy      = "X-Dial-Cache-Policy"
	// headerCost asks for what a request cost with the value include, and tells it: decimal USD.
	headerCost = "X-Outcrop-Cost"
)

// reach notes which upstream answers, or failed last, and tells the client, whose reply has not begun.
func (t *tally) reach(v llm.Via) {
	if v == (llm.Via{}) {
		return
	}
	t.via = v
	if t.header == nil {
		return
	}
	if v.Upstream != "" {
		t.header[headerUpstreamID] = []string{v.Upstream}
	}
	if v.Attempts > 0 {
		t.header[headerUpstreamAttempts] = []string{strconv.Itoa(v.Attempts)}
	}
}

// wishOf is which upstream the client of a request wants.
func wishOf(h http.Header) llm.Wish {
	return llm.Wish{Upstream: h.Get(headerUpstreamID), CacheFirst: strings.EqualFold(h.Get(headerCachePolicy), "cache-priority")}
}

// restart forgets the upstreams of a deployment in whose place another is asked.
func (t *tally) restart() {
	t.model, t.via, t.throttled, t.said = "", llm.Via{}, false, 0
	delete(t.header, headerUpstreamID)
	delete(t.header, headerUpstreamAttempts)
}

// whole takes a reply that comes in one piece.
func (t *tally) whole(model string, u llm.Usage, via llm.Via) {
	t.first, t.model = time.Since(t.began), model
	t.reach(via)
	t.charge(u)
}

// charge adds what the reply used, and says what it cost as told does.
func (t *tally) charge(u llm.Usage) (cost string) {
	t.usage = t.usage.Add(u)
	t.bill.add(t.payer, u)
	if u == (llm.Usage{}) {
		return ""
	}
	return t.told()
}

// told is what the reply cost, decimal USD, if the client asks for that and it is known, else "". It is told in the head
// too, unless that has been written.
func (t *tally) told() (cost string) {
	if !t.tells {
		return ""
	}
	amount, _, known := t.price.For(t.model).Cost(t.usage, t.terms)
	if !known {
		return ""
	}
	if cost = amount.String(); t.header != nil {
		t.header[headerCost] = []string{cost}
	}
	return cost
}

// tally is the exchange's, nil when nobody wants its Entry or pays for it.
func (g *Gateway) tally(x *exchange) *tally {
	if g.record == nil && g.limits == nil && x.tally.bill == nil {
		return nil
	}
	return &x.tally
}

// account settles a request with its one Entry, and hands that over. Probes are not requests of anybody.
func (g *Gateway) account(x *exchange) {
	if g.record == nil && g.limits == nil || x.routine {
		return
	}
	e := g.entry(x)
	switch {
	case e.Failed:
		e.Kind = llm.AsError(x.err).Kind
	case x.status >= http.StatusBadRequest: // another server's answer, which went through as it was
		e.Failed, e.Kind = true, kindOf(x.status)
		e.Throttled = e.Kind == llm.KindRateLimited
	}
	e.Throttled = e.Throttled && !e.Limited
	g.settle(x, &e)
	e.Talk = g.talkOf(x, &e)
	if g.record != nil {
		g.record(e)
	}
}

// entry is what is known of a request now.
func (g *Gateway) entry(x *exchange) usage.Entry {
	t, c := &x.tally, &x.charge
	e := usage.Entry{
		ID: g.entryID(), RequestID: x.id, Trace: x.trace.id, Parent: x.trace.parent, Span: x.self, Call: x.span, Sampled: x.trace.sampled(), Conversation: x.conversation,
		Project: x.project, User: x.user, Deployment: x.deployment, Model: t.model, Upstream: t.via.Upstream, Region: x.region,
		Asked: t.asked, Operation: x.operation, Status: x.status, Stream: x.stream, Failed: x.err != nil,
		Throttled: t.throttled, Limited: c.limited, Began: x.began, FirstToken: t.first, Finished: time.Since(x.began),
		Usage: t.usage, Terms: t.terms,
	}
	e.Attempts, e.Waited = t.tried()
	if t.via.Region != "" {
		e.Region = t.via.Region
	}
	if c.name == "" {
		return e
	}
	if e.Caller = c.id; c.instead != "" {
		e.Deployment, e.Instead = c.instead, c.name
	}
	if pass := c.caller.Pass; pass != nil {
		e.Nested, e.Calling, e.Trace, e.Parent = true, pass.Holder, pass.Trace, pass.Span
	}
	if c.counted {
		e.Cost, e.Saved, e.Priced = c.price.For(e.Model).Cost(e.Usage, e.Terms)
	}
	return e
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
