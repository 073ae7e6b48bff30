package gateway

import (
	"bytes"
	"context"
	"iter"
	"net/http"

	"outcrop/internal/auth"
	"outcrop/internal/catalog"
	"outcrop/internal/llm"
	"outcrop/internal/openai"
	"outcrop/internal/proxy"
	"outcrop/internal/usage"
)

// handleResponses answers a request of OpenAI's Responses API: another server does whose deployment it is, or the
// model itself if it knows that API, or else any model that chats.
func (g *Gateway) handleResponses(x *exchange, r *http.Request, caller auth.Caller) error {
	x.operation = usage.Chat
	body, release, err := g.readBody(x, r)
	if err != nil {
		return x.refuse(err)
	}
	defer release()
	peek, err := openai.PeekResponses(body)
	if err != nil {
		return x.refuse(err)
	}
	if peek.Continues != "" {
		return x.refuse(llm.Invalid(peek.Continues, peek.Continues+" is not supported"))
	}
	to, err := g.findNamed(x, asked{r, caller, ""}, catalog.Responses, peek.Model)
	if err != nil {
		return x.refuse(err)
	}
	x.stream = peek.Stream
	return g.respondAt(x, asked{r, caller, to.Name}, to, body)
}

// respondAt is the rest of the path, as chatAt.
func (g *Gateway) respondAt(x *exchange, a asked, to *step, body []byte) error {
	r := a.r
	peek, err := openai.PeekResponses(body)
	switch {
	case err != nil:
		return x.refuse(err)
	case to.remote != nil:
		return g.forwardResponse(x, a, to, body, peek.Background)
	case peek.Background:
		body = bytes.Clone(body) // the request ends before the answer
	}
	p, err := g.readResponse(x, a, to, body, peek)
	if err != nil {
		return x.refuse(err)
	}
	if err := g.claim(r.Context(), x, need{body: body}); err != nil {
		return x.refuse(err)
	}
	if peek.Background {
		return g.background(x, p, body)
	}
	return p.answer(r.Context(), x, a, body)
}

// response is a request of the Responses API that this process answers.
type response struct {
	g      *Gateway
	caller auth.Caller
	call   *call                // of a model that is asked for a chat
	native llm.ResponsesModel   // else the model that knows the API
	req    *llm.MessagesRequest // for that one
	env    *openai.ResponsesEnvelope
	store  bool
	stream bool
}

// readResponse makes a request ready to be answered.
func (g *Gateway) readResponse(x *exchange, a asked, to *step, body []byte, peek openai.ResponsesPeek) (*response, error) {
	body, err := proxy.WithDefaults(body, to.Info.ResponsesDefaults)
	if err != nil {
		return nil, err
	}
	p := &response{g: g, caller: a.caller, store: peek.Store, stream: peek.Stream}
	p.env = &openai.ResponsesEnvelope{
		ID: g.responses.newID(), Model: to.Name, Created: x.began, Sealer: g.responses.sealer(a.caller, to.Name), Heartbeat: to.Timeouts.Heartbeat,
	}
	if to.NativeResponses != nil {
		if p.native = to.NativeResponses(); p.native != nil {
			p.call = &call{served: to.served, tally: g.tally(x)}
			p.req = &llm.MessagesRequest{Body: body, Whole: !peek.Stream || peek.Background, Metadata: g.metadata(to.served, a.caller), Wish: x.wish}
			return p, nil
		}
	}
	if to.Chat == nil {
		return nil, doesNotChat(to.served)
	}
	req, shape, err := openai.DecodeResponses(body, p.env.Sealer)
	if err != nil {
		return nil, err
	}
	p.env.Echo, p.env.Ignored, p.env.Changed = shape.Echo, shape.Ignored, shape.Changed
	p.env.Encrypted, p.env.Summary = shape.Encrypted, shape.Summary
	return p, openai.RenameResponses(g.prepareResponse(x, a, p, to.served, decoded{req, shape.Shape}))
}

// prepareResponse is what any chat gets before a model is asked. The defaults are those of the Responses API,
// which are in the body already.
func (g *Gateway) prepareResponse(x *exchange, a asked, p *response, s *served, d decoded) (err error) {
	c := &call{served: s, req: d.req, shape: d.shape, owner: owner{a.caller.ID(), s.Name}, tally: g.tally(x)}
	d.req.Metadata, d.req.Wish = g.metadata(s, a.caller), x.wish
	c.tally.countPrompt(s, d.req.Messages)
	if c.format, err = newFormat(d.req.Format, d.shape.Stream); err != nil {
		return err
	}
	if err := g.attach(a.r, linksOf(d.req), newBudget()); err != nil {
		return err
	}
	g.vault.recall(c.owner, c.req)
	p.call = c
	return nil
}

// events is what the model says.
func (p *response) events(ctx context.Context) iter.Seq2[llm.Event, error] {
	c := p.call
	return c.format.checked(p.g.vault.remember(c.owner, c.req, c.ask(ctx)))
}

// answer answers while the client waits.
func (p *response) answer(ctx context.Context, x *exchange, a asked, body []byte) (err error) {
	if p.native != nil {
		return p.pass(ctx, x, a, body)
	}
	reply := p.events(ctx)
	if p.call.Fallback != (catalog.Fallback{}) {
		if reply, err = held(reply, silentEvent); err != nil {
			return p.elsewhere(x, a, body, err)
		}
	}
	if p.stream {
		final, err := openai.WriteResponsesStream(x, reply, p.env)
		p.keep(final)
		return x.guess(err, body)
	}
	object, head, err := openai.CollectResponse(reply, p.env)
	if err != nil {
		return x.refuse(x.guess(err, body))
	}
	p.keep(object)
	return openai.WriteResponse(x, object, p.env, head)
}

// elsewhere lets a fallback answer in place of a model that failed, or tells of the failure.
func (p *response) elsewhere(x *exchange, a asked, body []byte, err error) error {
	if next := p.g.instead(x, a, p.call.served, catalog.Responses, err); next != nil {
		return p.g.again(x, a, next, body)
	}
	return x.refuse(err)
}

// keep remembers a response that the client may want again.
func (p *response) keep(object []byte) {
	if p.store && object != nil {
		p.g.responses.put(p.caller, p.env.ID, object)
	}
}
