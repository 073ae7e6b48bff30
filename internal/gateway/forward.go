package gateway

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"outcrop/internal/catalog"
	"outcrop/internal/llm"
	"outcrop/internal/proxy"
)

// drainTimeout is how long a model's answer is read on for its usage that has no total timeout and whose client
// has left.
const drainTimeout = 10 * time.Minute

// forward lets another server answer. An answer that breaks off must not look whole: the connection is cut, as
// the other server's was.
func (g *Gateway) forward(x *exchange, r *http.Request, to *step, body []byte) error {
	return g.forwardAs(x, r, to, body, nil)
}

// forwardAs is forward for an answer in which names, if there are any, stand for the other server's.
func (g *Gateway) forwardAs(x *exchange, r *http.Request, to *step, body []byte, names *responseNames) error {
	if err := refuseFiles(body); err != nil {
		return x.refuse(err)
	}
	if !to.beside {
		if err := g.claim(r.Context(), x, need{body: body}); err != nil {
			return x.refuse(err)
		}
	}
	set := http.Header{headerRequestID: {x.id}} // one request, one id in both logs
	x.trace.enter(to.pass, set)
	x.span = to.pass.Span
	f := &forwarding{exchange: x, to: to, client: r.Context(), bill: g.bills.start(to.pass.Span, x.tally.bill), names: names}
	x.talk.leads(to.pass, f.bill)
	x.talk.goes(to)
	defer g.bills.end(to.pass.Span)
	to.key = g.passes.Issue(to.pass)
	if to.lasting > 0 {
		g.passes.Extend(to.key, to.lasting)
	} else {
		defer g.passes.Revoke(to.key)
	}
	f.identify(set, to.key)
	ctx, release := f.lifetime()
	defer release()
	x.tally.ask()
	call := &proxy.Call{
		Method: r.Method, Query: r.URL.RawQuery, Header: r.Header, Body: body, ID: to.id, Wire: f.wire(), Set: set,
		Private: to.pass.Caller.User == "", // an Authorization with a key of ours is nobody else's
		Wish:    x.wish, Left: func() bool { return f.client.Err() != nil }, Twice: f.isModel(),
	}
	defer call.Close()
	answer, err := to.remote.Call(ctx, call)
	a := asked{r, x.charge.caller, to.Name}
	if err != nil {
		x.tally.fail(err)
		return f.failed(g, a, err, body)
	}
	x.tally.reach(answer.Via)
	if done, err := f.refused(g, a, answer, body); done {
		return err
	}
	begun, err := f.relay(answer)
	if err == nil || begun || f.left != nil {
		return err
	}
	return f.unanswered(g, a, err, body)
}

// forwarding is an exchange in which another server answers.
type forwarding struct {
	*exchange
	to     *step
	client context.Context //nolint:containedctx // of the request, which the call may outlive
	bill   *bill
	names  *responseNames // nil leaves the other server's
	left   error          // the client has, or reads no more
}

// identify says for whom the call is, and of some APIs for which deployment.
func (f *forwarding) identify(set http.Header, key string) {
	set["Api-Key"] = []string{key}
	if f.to.api == catalog.Messages || f.to.Translated[f.to.api] {
		set["X-Dial-Deployment-Id"] = []string{f.to.asked}
	}
}

// wire is how the answer will be written.
func (f *forwarding) wire() proxy.Wire {
	if f.to.beside && f.to.id == "" { // a response that is asked for again is a response
		return proxy.Opaque
	}
	return proxy.Wire(f.to.api)
}

// isModel says whether the call is one of a model: tokens are paid for, whether somebody reads them or not.
func (f *forwarding) isModel() bool { return f.to.Kind == catalog.Model && !f.to.beside }

// lifetime is that of the call. A model's answer is read to its end even when the client leaves, an application
// is left as it was.
func (f *forwarding) lifetime() (ctx context.Context, release func()) {
	if !f.isModel() {
		return f.client, func() {}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(f.client))
	if f.to.Timeouts.Total > 0 { // which the call itself keeps to
		return ctx, cancel
	}
	stop := context.AfterFunc(f.client, func() {
		timer := time.AfterFunc(drainTimeout, cancel)
		context.AfterFunc(ctx, func() { timer.Stop() })
	})
	return ctx, func() {
		stop()
		cancel()
	}
}

// relay writes an answer as it comes: each piece is flushed at once. It says whether the client has got any of it.
func (f *forwarding) relay(a *proxy.Answer) (begun bool, err error) {
	f.stream = f.stream || a.Stream
	for piece, err := range a.Pieces() {
		if err != nil {
			f.settle(&piece)
			return begun, f.breakOff(err, begun)
		}
		data := piece.Bytes
		if piece.Last {
			f.settle(&piece)
			f.collect()
			data = piece.With(f.bill.statistics(piece.Told, a.Stream))
		}
		if data, err = f.names.rename(data, a, piece.Last); err != nil {
			return begun, f.breakOff(err, begun)
		}
		if !begun {
			f.head(a, len(data), piece.Last)
		}
		begun = true
		if f.write(data) != nil && !f.isModel() {
			break
		}
		if piece.Failed && f.left == nil {
			return begun, errAnswered
		}
	}
	f.broken = f.left != nil && f.client.Err() == nil // it is there, and reads no more
	return begun, f.left
}

// errAnswered is for the books: the client has read the error itself.
var errAnswered = &llm.Error{Kind: llm.KindUpstream, Message: "The deployment's server ended its answer with an error."}

// head writes the head of an answer; of a whole one the length is known.
func (f *forwarding) head(a *proxy.Answer, length int, whole bool) {
	h := f.Header()
	for name, values := range a.Header {
		if _, told := h[name]; !told || !isOurs(name) {
			h[name] = values
		}
	}
	if whole && length > 0 && !a.Stream {
		h["Content-Length"] = []string{strconv.Itoa(length)}
	}
	f.tally.first = max(time.Since(f.began), 1)
	f.WriteHeader(a.Status)
}

// isOurs says whether what this server tells by a header goes before what another one does.
func isOurs(name string) bool {
	return name == headerUpstreamID || name == headerUpstreamAttempts || name == headerCost || name == headerFallback
}

// breakOff ends an answer that did. Of one that has not begun the client can still be told.
func (f *forwarding) breakOff(err error, begun bool) error {
	switch {
	case f.client.Err() != nil:
		f.left = gone(f.client)
		return f.left
	case f.left != nil:
		err = f.left
	case !begun:
		return err
	}
	f.broken = true
	return err
}

// unanswered ends a request whose answer broke off, or is none, before the client has got any of it.
func (f *forwarding) unanswered(g *Gateway, a asked, err error, body []byte) error {
	f.tally.fail(err)
	return f.failed(g, a, err, body)
}

// write passes data on, unless the client has left.
func (f *forwarding) write(data []byte) error {
	if f.left == nil && f.client.Err() != nil {
		f.left = gone(f.client)
	}
	if f.left != nil || len(data) == 0 {
		return f.left
	}
	if f.left = f.send(data); f.left == nil {
		f.left = f.flush()
	}
	return f.left
}

// settle notes what the answer cost, or the part of it that came. That of a translator, or of an interceptor, is
// the bill of the call that it makes for it.
func (f *forwarding) settle(last *proxy.Piece) {
	f.tally.model = last.Model
	if last.Usage == nil || f.to.beside { // what it cost has been told with the answer
		return
	}
	if f.to.Kind == catalog.Interceptor || f.to.Translated[f.to.api] {
		return
	}
	f.tally.usage = *last.Usage
	f.tally.told()
	if f.isModel() {
		f.bill.own(f.to.Name, *last.Usage)
	}
}

// refuseFiles is the error of a request that names files of DIAL's own.
func refuseFiles(body []byte) error {
	if at, url := proxy.FirstFile(body); url != "" {
		return &llm.Error{
			Kind: llm.KindForbidden, Param: at, Err: errNoFiles,
			Message: "Access denied to the file " + url + ": this server keeps no files. Give the file as a data: URL, or as an http(s) URL that the model's server can read.",
		}
	}
	return nil
}
