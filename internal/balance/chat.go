package balance

import (
	"context"
	"iter"

	"outcrop/internal/llm"
)

// Chat is one model of several upstreams' models, in the group's order. An upstream that fails before a client could
// see anything of its answer leaves the request to the next.
func Chat(g *Group, models []llm.ChatModel) llm.ChatModel {
	return chat{g, models}
}

type chat struct {
	group  *Group
	models []llm.ChatModel
}

// Chat implements llm.ChatModel.
func (m chat) Chat(ctx context.Context, req *llm.ChatRequest) iter.Seq2[llm.Event, error] {
	if m.group.Alone() && req.Wish.Upstream == "" {
		return m.models[0].Chat(ctx, req)
	}
	return func(yield func(llm.Event, error) bool) {
		turn, err := m.group.Begin(m.group.askChat(req))
		if err != nil {
			yield(nil, err)
			return
		}
		c := chatting{turn: turn, yield: yield}
		for i, ok := turn.Next(); ok; i, ok = turn.Next() {
			if !c.take(ctx, m.models[i].Chat(ctx, req)) {
				return
			}
		}
		yield(nil, noUpstream())
	}
}

// chatting is an answer on its way to the client.
type chatting struct {
	turn  *Turn
	yield func(llm.Event, error) bool
	start llm.Start
}

// take passes on an upstream's answer; again says that the next one is to be asked.
func (c *chatting) take(ctx context.Context, answer iter.Seq2[llm.Event, error]) (again bool) {
	seen, usage := false, (*llm.Usage)(nil)
	defer func() { c.turn.Done(usage) }()
	c.start = llm.Start{}
	for event, err := range answer {
		if err != nil {
			if !seen {
				again = c.turn.failed(ctx, err)
			}
			if !again {
				c.yield(nil, c.turn.Told(err))
			}
			return again
		}
		if !seen {
			switch e := event.(type) {
			case llm.Start: // until there is more an upstream may still fail
				c.start = e
				continue
			case llm.Pause:
				continue
			}
			seen = true
			c.turn.First()
			c.start.Via = c.turn.Via()
			if !c.yield(c.start, nil) {
				return false
			}
		}
		if end, ok := event.(llm.Finish); ok && end.Usage != (llm.Usage{}) {
			usage = new(end.Usage)
			c.turn.remember(c.start, end.Usage)
		}
		if !c.yield(event, nil) {
			return false
		}
	}
	return false
}

// failed takes an error that came before anything else; again says that the next upstream is to be asked.
func (t *Turn) failed(ctx context.Context, err error) (again bool) {
	switch {
	case ctx.Err() != nil && llm.AsError(context.Cause(ctx)).Kind == llm.KindTimeout: // an upstream that says nothing is not well
		t.Fail(FailureOf(err))
		return false
	case ctx.Err() != nil || llm.AsError(err).Kind == llm.KindCanceled: // the client has gone
		t.Done(nil)
		return false
	}
	return t.Fail(FailureOf(err))
}

// Told is an upstream's error as the client is told it.
func (t *Turn) Told(err error) error {
	if e := t.Exhausted(err); e != nil {
		return e
	}
	e := *llm.AsError(err)
	e.Via = t.Via()
	return &e
}

// askChat is what is known of a chat before it is sent.
func (g *Group) askChat(req *llm.ChatRequest) Ask {
	a := Ask{Wish: req.Wish, Prompt: g.chatPrompt(req)}
	if g.quotas {
		a.Need = needOf(req)
	}
	return a
}

// askEmbed is askChat of inputs for vectors.
func (g *Group) askEmbed(req *llm.EmbedRequest) Ask {
	a := Ask{Wish: req.Wish}
	if g.quotas {
		for i := range req.Inputs {
			a.Need.Prompt += tokensOf(req.Inputs[i].Parts)
		}
	}
	return a
}

// AskBody is what is known of a request with a JSON body before it is sent.
func (g *Group) AskBody(w llm.Wish, body []byte) Ask {
	a := Ask{Wish: w, Prompt: g.bodyPrompt(w.Caller, body)}
	if g.quotas {
		a.Need = needOfBody(body)
	}
	return a
}
