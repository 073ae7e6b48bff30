package gateway

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"net/http"
	"strings"

	"outcrop/internal/anthropic"
	"outcrop/internal/auth"
	"outcrop/internal/catalog"
	"outcrop/internal/llm"
	"outcrop/internal/openai"
	"outcrop/internal/usage"
)

// noMessages answers for the rest of a tree in Anthropic's words.
func (g *Gateway) noMessages(tree string) {
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		g.open(method+" "+tree, func(x *exchange, r *http.Request) error {
			x.fail = anthropic.WriteError
			if methods := g.methodsOf(r); len(methods) > 0 {
				return x.wrongMethod(r, methods)
			}
			return x.refuse(&llm.Error{
				Kind:    llm.KindNoRoute,
				Message: fmt.Sprintf("There is no route %.10s %s. Messages are POST %sv1/messages.", r.Method, shownPath(r), tree),
				Err:     errNoRoute,
			})
		})
	}
}

// messages is a Messages request and the deployment that it is for.
type messages struct {
	*served
	caller auth.Caller
	body   []byte
	head   anthropic.Head
	betas  []string
	to     *step
	native llm.MessagesModel // nil when the request has to be translated
}

// readMessages reads as much of a request as its deployment needs. The error is for the client.
func (g *Gateway) readMessages(x *exchange, r *http.Request, caller auth.Caller) (m *messages, release func(), err error) {
	m = &messages{caller: caller, betas: betasOf(r.Header)}
	if m.body, release, err = g.readBody(x, r); err != nil {
		return nil, nil, err
	}
	if m.head, err = anthropic.Peek(m.body); err == nil {
		err = g.findMessages(x, r, m, m.head.Model)
	}
	if err != nil {
		release()
		return nil, nil, err
	}
	return m, release, nil
}

func (g *Gateway) findMessages(x *exchange, r *http.Request, m *messages, name string) (err error) {
	if name == "" {
		return llm.Invalid("model", "model must name a deployment. GET /openai/models lists those you may use.")
	}
	if m.to, err = g.findNamed(x, asked{r, m.caller, ""}, catalog.Messages, name); err != nil {
		return err
	}
	m.served = m.to.served
	return m.choose()
}

// choose finds out which model of this process answers, if one does.
func (m *messages) choose() error {
	if m.to.remote != nil {
		return nil
	}
	if m.Messages != nil {
		m.native = m.Messages()
	}
	if m.native == nil && m.Chat == nil {
		return doesNotChat(m.served)
	}
	return nil
}

// betasOf are the flags of anthropic-beta: a list, in one header or several.
func betasOf(h http.Header) (betas []string) {
	for _, value := range h.Values("Anthropic-Beta") {
		for beta := range strings.SplitSeq(value, ",") {
			if beta = strings.TrimSpace(beta); beta != "" {
				betas = append(betas, beta)
			}
		}
	}
	return betas
}

// handleMessages answers as the model's own API does, or as the model does that the request is translated
// for. The body's model names the deployment: Core has put its override's name there for a server behind it.
func (g *Gateway) handleMessages(x *exchange, r *http.Request, caller auth.Caller) error {
	x.operation = usage.Chat
	m, release, err := g.readMessages(x, r, caller)
	if err != nil {
		return x.refuse(err)
	}
	defer release()
	x.stream = m.head.Stream
	return g.answerMessages(x, r, m)
}

// messagesAt answers at the deployment of a fallback.
func (g *Gateway) messagesAt(x *exchange, a asked, to *step, body []byte) (err error) {
	m := &messages{caller: a.caller, betas: betasOf(a.r.Header), body: body, to: to, served: to.served}
	if m.head, err = anthropic.Peek(body); err == nil {
		err = m.choose()
	}
	if err != nil {
		return x.refuse(err)
	}
	return g.answerMessages(x, a.r, m)
}

// answerMessages is the rest of the path.
func (g *Gateway) answerMessages(x *exchange, r *http.Request, m *messages) error {
	if m.to.remote != nil {
		return g.forward(x, r, m.to, m.body)
	}
	if err := g.claim(r.Context(), x, need{body: m.body}); err != nil {
		return x.refuse(err)
	}
	if m.native != nil {
		return g.passMessages(x, r, m)
	}
	t, err := g.translate(r, m)
	if err != nil {
		return x.refuse(err)
	}
	t.tally, t.req.Wish = g.tally(x), x.wish
	t.tally.countPrompt(m.served, t.req.Messages)
	reply := t.ask(r.Context())
	if m.Fallback != (catalog.Fallback{}) {
		if reply, err = held(reply, silentEvent); err != nil {
			return g.messagesElsewhere(x, r, m, err)
		}
	}
	reply = g.vault.remember(t.owner, t.req, reply)
	reply = t.format.checked(reply)
	return x.guess(t.write(x, t.renamed(reply)), m.body)
}

// handleCountMessages counts the tokens of a request's prompt.
func (g *Gateway) handleCountMessages(x *exchange, r *http.Request, caller auth.Caller) error {
	x.operation = usage.CountTokens
	m, release, err := g.readMessages(x, r, caller)
	if err != nil {
		return x.refuse(err)
	}
	defer release()
	if m.to.remote != nil {
		m.to.remote, m.to.beside = m.Beside.CountMessages, true
		return g.forward(x, r, m.to, m.body)
	}
	count, err := g.countOf(r, m)
	if err != nil {
		return x.refuse(err)
	}
	return x.reply(struct {
		InputTokens int `json:"input_tokens"`
		// Estimated is beyond Anthropic's shape, because an estimate is not a count.
		Estimated bool `json:"estimated,omitempty"`
	}{count.Tokens, !count.Exact})
}

func (g *Gateway) countOf(r *http.Request, m *messages) (llm.Count, error) {
	if m.native != nil {
		return m.native.CountMessages(r.Context(), g.nativeRequest(m))
	}
	if m.Count == nil {
		return llm.Count{}, noRoute("The deployment " + m.Name + " does not count tokens.")
	}
	t, err := g.translate(r, m)
	if err != nil {
		return llm.Count{}, err
	}
	return m.Count.CountTokens(r.Context(), t.req)
}

// nativeRequest is the request for a model that speaks the wire itself.
func (g *Gateway) nativeRequest(m *messages) *llm.MessagesRequest {
	return &llm.MessagesRequest{Body: m.body, Betas: m.betas, Whole: !m.head.Stream, Metadata: g.metadata(m.served, m.caller)}
}

// passMessages passes the request and the reply through.
func (g *Gateway) passMessages(x *exchange, r *http.Request, m *messages) error {
	req := g.nativeRequest(m)
	req.Wish = x.wish
	reply := g.piecesWithin(x, pieces{r.Context(), m.Timeouts, req.Whole}, func(ctx context.Context) iter.Seq2[llm.MessagesPiece, error] {
		return m.native.Messages(ctx, req)
	})
	if m.Fallback != (catalog.Fallback{}) {
		var err error
		if reply, err = held(reply, silentPiece); err != nil {
			return g.messagesElsewhere(x, r, m, err)
		}
	}
	err := anthropic.WriteNative(x, reply, anthropic.Native{
		Stream: m.head.Stream, Heartbeat: m.Timeouts.Heartbeat,
		Header: func(h http.Header, first *llm.MessagesPiece) {
			openai.SetHeaders(h, &openai.Envelope{Created: x.began}, &llm.Start{
				Ignored: first.Ignored, Cached: m.head.Cached, CachedFor: m.head.CachedFor,
			})
		},
	})
	return x.guess(err, m.body)
}

// messagesElsewhere lets a fallback answer in place of a model that failed, or tells of the failure.
func (g *Gateway) messagesElsewhere(x *exchange, r *http.Request, m *messages, err error) error {
	a := asked{r, m.caller, m.Name}
	if next := g.instead(x, a, m.served, catalog.Messages, err); next != nil {
		return g.again(x, a, next, m.body)
	}
	return x.refuse(err)
}

// silentPiece says that nothing of a piece has to be seen by a client. The piece lasts, whatever comes after it.
func silentPiece(p *llm.MessagesPiece) bool {
	p.JSON = bytes.Clone(p.JSON)
	return !p.Last && !isVisible(standIn(p))
}

// pieces is how a native reply is bounded.
type pieces struct {
	ctx    context.Context //nolint:containedctx // an argument
	limits catalog.Timeouts
	whole  bool
}

// piecesWithin bounds and meters a native reply as timed does one of events, which stand for its pieces.
func (g *Gateway) piecesWithin(x *exchange, p pieces, reply func(context.Context) iter.Seq2[llm.MessagesPiece, error]) iter.Seq2[llm.MessagesPiece, error] {
	var current llm.MessagesPiece
	model := timed{tally: g.tally(x), limits: p.limits, model: chatFunc(func(ctx context.Context, _ *llm.ChatRequest) iter.Seq2[llm.Event, error] {
		return func(yield func(llm.Event, error) bool) {
			for piece, err := range reply(ctx) {
				if current = piece; piece.Via != (llm.Via{}) {
					x.tally.reach(piece.Via)
				}
				if err == nil && piece.Type != "" {
					x.tally.begun()
				}
				if !yield(standIn(&piece), err) {
					return
				}
			}
		}
	})}
	return func(yield func(llm.MessagesPiece, error) bool) {
		for _, err := range model.Chat(p.ctx, &llm.ChatRequest{Whole: p.whole}) {
			if err != nil {
				current = llm.MessagesPiece{}
			}
			x.tally.said += sizeOfPiece(&current)
			if current.Last {
				x.tally.terms.Tier = current.Tier
				x.tally.charge(current.Usage)
			}
			if !yield(current, err) {
				return
			}
		}
	}
}

// standIn is an event that is as visible to a client as the piece.
func standIn(p *llm.MessagesPiece) llm.Event {
	switch {
	case p.Last:
		return llm.Finish{}
	case p.Type == "", p.Type == "ping", p.Type == "message_start":
		return llm.Pause{}
	default:
		return &llm.TextDelta{}
	}
}
