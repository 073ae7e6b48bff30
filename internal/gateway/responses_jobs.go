package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"outcrop/internal/llm"
	"outcrop/internal/openai"
	"outcrop/internal/usage"
)

// background answers with a response that is still to be made, and makes it. The goroutine is the job's: it ends
// with the answer, with the deployment's total timeout, or when the caller cancels or deletes the response.
func (g *Gateway) background(x *exchange, p *response, body []byte) error {
	if p.stream {
		return x.refuse(llm.Invalid("stream", "A response in the background is not streamed here: GET /openai/v1/responses/{id} tells when it is there."))
	}
	if !p.store {
		return x.refuse(llm.Invalid("store", "A response in the background is kept until it is asked for: store must not be false."))
	}
	if err := g.responses.begin(p.caller); err != nil {
		return x.refuse(err)
	}
	queued := openai.BareResponse(p.env, "queued", nil)
	ctx, cut := context.WithCancelCause(context.Background())
	cancel := func() { cut(nil) }
	g.responses.start(&keptResponse{
		id: p.env.ID, owner: p.caller.ID(), object: queued, cancel: cancel, cut: cut, lost: openai.BareResponse(p.env, "failed", errLost),
	})
	job := &responseJob{exchange: x.apart(), p: p, body: body, ctx: ctx, release: g.hold()}
	x.operation, x.charge = usage.Other, charge{} // the job is what costs
	g.responses.work.Go(func() { job.run(cancel) })
	return openai.WriteResponse(x, queued, p.env, nil)
}

// Drain waits until all responses that are made in the background are made and accounted for, of this gateway and of those
// before it, and says whether they were when the context ended.
func (g *Gateway) Drain(ctx context.Context) bool {
	done := make(chan struct{})
	go func() { // ends with the last job, or with the process
		defer close(done)
		g.responses.work.Wait()
	}()
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}

// Cut ends them, with that error for whoever asks for them.
func (g *Gateway) Cut(why *llm.Error) {
	for _, cut := range g.responses.cuts() {
		cut(why)
	}
}

var errLost = &llm.Error{Kind: llm.KindServerUnavailable, Message: "The server that was making the response has ended before it was done: ask again."}

// responseJob is a response that is made while nobody waits.
type responseJob struct {
	*exchange // of which only what its Entry and its log line say is used
	p         *response
	body      []byte
	ctx       context.Context //nolint:containedctx // of the job, which outlives the request
	release   func()          // of the configuration that it began with
}

// apart is an exchange like this one that has no client.
func (x *exchange) apart() *exchange {
	return &exchange{
		method: x.method, began: time.Now(), id: x.id, route: x.route, project: x.project, user: x.user, deployment: x.deployment,
		region: x.region, operation: x.operation, charge: x.charge, wish: x.wish, trace: x.trace, span: x.span,
		tally: tally{began: time.Now()}, status: http.StatusOK,
	}
}

func (j *responseJob) run(cancel func()) {
	g := j.p.g
	defer j.release()
	defer cancel()
	object := []byte(nil)
	defer func() {
		if panicked := recover(); panicked != nil {
			j.err = fmt.Errorf("panic: %v\n%s", panicked, debug.Stack())
		}
		if object == nil {
			object = openai.BareResponse(j.p.env, j.failed(), j.err)
		}
		g.responses.finish(j.p.caller, j.p.env.ID, object)
		g.logExchange(j.exchange)
		g.account(j.exchange)
	}()
	if j.p.call != nil {
		j.p.call.tally = g.tally(j.exchange)
	}
	object, j.err = j.make()
	if cut, ok := errors.AsType[*llm.Error](context.Cause(j.ctx)); ok && j.err != nil {
		object, j.err = nil, cut
	}
	_ = j.guess(j.err, j.body)
}

// failed is the status of a job without a response. One that its caller has ended is cancelled.
func (j *responseJob) failed() string {
	if errors.Is(context.Cause(j.ctx), context.Canceled) {
		return "cancelled"
	}
	return "failed"
}

// make makes the response.
func (j *responseJob) make() (object []byte, err error) {
	if j.p.native == nil {
		object, _, err = openai.CollectResponse(j.p.events(j.ctx), j.p.env)
		return object, err
	}
	for piece, err := range j.p.pieces(j.ctx, j.exchange) {
		if err != nil {
			return nil, err
		}
		if piece.Last {
			object = append(object, piece.JSON...)
		}
	}
	return object, nil
}
