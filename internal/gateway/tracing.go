package gateway

import (
	"net/http"

	"outcrop/internal/auth"
)

// Traces say how requests are part of traces that this server tells of.
type Traces struct {
	// Sample says whether a trace is to be told of that begins here, by its id: 32 hex digits.
	Sample func(trace string) bool
	// Headers tells the client which trace and span its request was: traceparent, X-DIAL-TRACE-ID and X-DIAL-SPAN-ID.
	Headers bool
	// Conversations are the headers that name a conversation; the first that is there does.
	Conversations []string
}

// maxConversation is how long the name of a conversation may be, in bytes.
const maxConversation = 256

// conversation is what the request's headers say it is part of, or "".
func (t *Traces) conversation(h http.Header) string {
	for _, name := range t.Conversations {
		if v := h.Get(name); v != "" {
			if len(v) > maxConversation || isCredential(name) {
				continue
			}
			return v
		}
	}
	return ""
}

// Headers of a reply that tell of its trace, DIAL's.
const (
	headerTraceParent = "Traceparent"
	headerTraceID     = "X-Dial-Trace-Id"
	headerSpanID      = "X-Dial-Span-Id"
)

// exposedToo is exposed, and what tells of the trace.
const exposedToo = exposed + ", traceparent, X-DIAL-TRACE-ID, X-DIAL-SPAN-ID"

// trace gives a request its place in a trace: that of the calls that it came through, its client's, or a new one.
func (g *Gateway) trace(x *exchange, client http.Header, caller auth.Caller) {
	t := &x.trace
	begun := t.id == ""
	if pass := caller.Pass; pass != nil && pass.Trace != "" {
		if t.id != pass.Trace {
			t.state = nil
		}
		t.id, t.parent = pass.Trace, pass.Span
	}
	if t.id == "" {
		t.id = randomHex(16)
	}
	if begun && g.traces != nil && g.traces.Sample != nil && !g.traces.Sample(t.id) {
		t.flags = "00"
	}
	if x.self = newSpan(); g.traces == nil {
		return
	}
	if x.conversation = g.traces.conversation(client); !g.traces.Headers {
		return
	}
	x.set(headerTraceParent, "00-"+t.id+"-"+x.self+"-"+t.flags)
	x.set(headerTraceID, t.id)
	x.set(headerSpanID, x.self)
	if shown := x.Header()["Access-Control-Expose-Headers"]; len(shown) == 1 {
		shown[0] = exposedToo
	}
}

// sampled says whether the trace is told of.
func (t *trace) sampled() bool {
	return len(t.flags) == 2 && (t.flags[1]&1 == 1 || t.flags[1] >= 'a' && (t.flags[1]-'a')&1 == 1)
}
