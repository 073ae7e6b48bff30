package gateway

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"outcrop/internal/catalog"
	"outcrop/internal/llm"
	"outcrop/internal/openai"
	"outcrop/internal/proxy"
	"outcrop/internal/usage"
)

const (
	// usualPoll and usualFollow are DIAL Core's backgroundJob.pollIntervalMs and defaultJobTtlMs.
	usualPoll   = 10 * time.Second
	usualFollow = 24 * time.Hour
	// maxPollFailures is its maxSequentialPollFailures.
	maxPollFailures = 10
)

// forwardResponse lets another server answer, whose response the caller gets under an id that says where it is. One
// that is made in the background is asked after until it has ended, for what it costs: its client may never come.
func (g *Gateway) forwardResponse(x *exchange, a asked, to *step, body []byte, background bool) error {
	names := &responseNames{responses: g.responses, caller: a.caller, deployment: to.Name, known: map[string]string{}}
	background = background && to.Kind == catalog.Model && !to.Translated[to.api] && to.Beside.GetResponse != nil
	if background {
		if err := g.responses.begin(a.caller); err != nil {
			return x.refuse(err)
		}
		to.lasting = cmp.Or(g.follows, usualFollow)
	}
	if !background {
		return g.forwardAs(x, a.r, to, body, names)
	}
	job := &followedResponse{exchange: x.apart(), g: g, to: to, ends: func() { g.responses.leave(a.caller) }}
	followed := false
	defer func() { // also when the handler panics
		if !followed {
			job.end()
		}
	}()
	if err := g.forwardAs(x, a.r, to, body, names); err != nil || !names.last.Running() {
		return err
	}
	job.id, job.charge, job.span = names.last.ID, x.charge, x.span
	x.operation, x.charge = usage.Other, charge{} // the job is what costs
	followed, job.release = true, g.hold()
	go job.run()
	return nil
}

// followedResponse is one that another server makes in the background.
type followedResponse struct {
	*exchange // of which only what its Entry and its log line say is used
	g         *Gateway
	to        *step
	id        string // the other server's
	release   func() // of the configuration that it began with
	ends      func() // gives its place back
}

// end lets go of what the server was given for it.
func (f *followedResponse) end() {
	f.g.passes.Revoke(f.to.key)
	f.ends()
	if f.release != nil {
		f.release()
	}
}

// run asks until the response has ended, and accounts for it then.
func (f *followedResponse) run() {
	defer f.end()
	ctx, cancel := context.WithTimeout(context.Background(), f.to.lasting)
	defer cancel()
	tick := time.NewTicker(cmp.Or(f.g.polls, usualPoll))
	defer tick.Stop()
	for failures := 0; failures < maxPollFailures; {
		select {
		case <-ctx.Done():
			f.err = &llm.Error{Kind: llm.KindTimeout, Message: "A response in the background did not end in time.", Err: ctx.Err()}
		case <-tick.C:
			state, err := f.ask(ctx)
			if failures++; err != nil {
				f.err = err
				continue
			}
			if failures, f.err = 0, nil; state.Running() {
				continue
			}
			if state.Status == "failed" {
				f.err = errResponseFailed
			}
		}
		break
	}
	f.g.logExchange(f.exchange)
	f.g.account(f.exchange)
}

var errResponseFailed = &llm.Error{Kind: llm.KindUpstream, Message: "The response failed.", Err: errors.New("a response in the background failed at its server")}

// ask is how far the response is.
func (f *followedResponse) ask(ctx context.Context) (state openai.ResponseState, err error) {
	answer, err := f.to.Beside.GetResponse.Call(ctx, &proxy.Call{
		Method: http.MethodGet, ID: f.id, Wire: proxy.Responses, Set: http.Header{"Api-Key": {f.to.key}, headerRequestID: {f.exchange.id}},
	})
	if err != nil {
		return state, err
	}
	for piece, err := range answer.Pieces() {
		switch {
		case err != nil:
			return state, err
		case answer.Status != http.StatusOK:
			return state, &llm.Error{Kind: kindOf(answer.Status), Message: "A response in the background could not be asked after."}
		case piece.Last:
			if state = openai.StateOf(piece.Bytes); piece.Usage != nil && !state.Running() {
				f.tally.usage, f.tally.model = *piece.Usage, piece.Model
			}
		}
	}
	if state.Status == "" {
		return state, &llm.Error{Kind: llm.KindUpstream, Message: "What was asked after is no response.", Err: errNoResponse}
	}
	return state, nil
}
