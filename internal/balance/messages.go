package balance

import (
	"context"
	"iter"

	"outcrop/internal/llm"
)

// Messages is Chat for models with Anthropic's own answers.
func Messages(g *Group, models []llm.MessagesModel) llm.MessagesModel { return messages{g, models} }

type messages struct {
	group  *Group
	models []llm.MessagesModel
}

// Messages implements llm.MessagesModel.
func (m messages) Messages(ctx context.Context, req *llm.MessagesRequest) iter.Seq2[llm.MessagesPiece, error] {
	if m.group.Alone() && req.Wish.Upstream == "" {
		return m.models[0].Messages(ctx, req)
	}
	return pieces(ctx, m.group, req, func(i int) iter.Seq2[llm.MessagesPiece, error] { return m.models[i].Messages(ctx, req) })
}

// CountMessages implements llm.MessagesModel.
func (m messages) CountMessages(ctx context.Context, req *llm.MessagesRequest) (llm.Count, error) {
	if m.group.Alone() && req.Wish.Upstream == "" {
		return m.models[0].CountMessages(ctx, req)
	}
	n, _, err := whole(ctx, m.group, counting(req.Wish, func(i int) (llm.Count, error) { return m.models[i].CountMessages(ctx, req) }))
	return n, err
}

// Responses is Chat for models with OpenAI's own answers of the Responses API.
func Responses(g *Group, models []llm.ResponsesModel) llm.ResponsesModel { return responses{g, models} }

type responses struct {
	group  *Group
	models []llm.ResponsesModel
}

// Responses implements llm.ResponsesModel.
func (m responses) Responses(ctx context.Context, req *llm.MessagesRequest) iter.Seq2[llm.MessagesPiece, error] {
	if m.group.Alone() && req.Wish.Upstream == "" {
		return m.models[0].Responses(ctx, req)
	}
	return pieces(ctx, m.group, req, func(i int) iter.Seq2[llm.MessagesPiece, error] { return m.models[i].Responses(ctx, req) })
}

// pieces asks one upstream after the other until one begins to answer.
func pieces(ctx context.Context, g *Group, req *llm.MessagesRequest, ask func(upstream int) iter.Seq2[llm.MessagesPiece, error]) iter.Seq2[llm.MessagesPiece, error] {
	return func(yield func(llm.MessagesPiece, error) bool) {
		turn, err := g.Begin(g.AskBody(req.Wish, req.Body))
		if err != nil {
			yield(llm.MessagesPiece{}, err)
			return
		}
		for i, ok := turn.Next(); ok; i, ok = turn.Next() {
			if !turn.relay(ctx, ask(i), yield) {
				return
			}
		}
		yield(llm.MessagesPiece{}, noUpstream())
	}
}

// relay passes on an upstream's pieces; again says that the next one is to be asked.
func (t *Turn) relay(ctx context.Context, answer iter.Seq2[llm.MessagesPiece, error], yield func(llm.MessagesPiece, error) bool) (again bool) {
	seen, usage := false, (*llm.Usage)(nil)
	defer func() { t.Done(usage) }()
	for piece, err := range answer {
		if err != nil {
			if !seen {
				again = t.failed(ctx, err)
			}
			if !again {
				yield(piece, t.Told(err))
			}
			return again
		}
		if !seen {
			if piece.Type == "" {
				continue
			}
			seen = true
			t.First()
			piece.Via = t.Via()
		}
		if piece.Last {
			usage = &piece.Usage
			t.remember(llm.Start{}, piece.Usage)
		}
		if !yield(piece, nil) {
			return false
		}
	}
	return false
}
