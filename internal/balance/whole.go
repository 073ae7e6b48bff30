package balance

import (
	"context"

	"outcrop/internal/llm"
)

// asking is a request whose answer comes whole.
type asking[T any] struct {
	ask  Ask
	call func(upstream int) (T, error)
	cost func(answer T) *llm.Usage // nil is not known
}

// whole asks one upstream after the other until one answers.
func whole[T any](ctx context.Context, g *Group, a asking[T]) (answer T, via llm.Via, err error) {
	turn, err := g.Begin(a.ask)
	if err != nil {
		return answer, via, err
	}
	defer turn.Done(nil) // of a call that panics
	err = noUpstream()
	for i, ok := turn.Next(); ok; i, ok = turn.Next() {
		if answer, err = a.call(i); err == nil {
			turn.First()
			turn.Done(a.cost(answer))
			return answer, turn.Via(), nil
		}
		again := turn.failed(ctx, err)
		if err = turn.Told(err); !again {
			break
		}
	}
	return answer, turn.Via(), err
}

// Embed is Chat for models that make vectors.
func Embed(g *Group, models []llm.EmbedModel) llm.EmbedModel { return embed{g, models} }

type embed struct {
	group  *Group
	models []llm.EmbedModel
}

// Embed implements llm.EmbedModel.
func (m embed) Embed(ctx context.Context, req *llm.EmbedRequest) (*llm.Embeddings, error) {
	if m.group.Alone() && req.Wish.Upstream == "" {
		return m.models[0].Embed(ctx, req)
	}
	out, via, err := whole(ctx, m.group, asking[*llm.Embeddings]{
		ask:  m.group.askEmbed(req),
		call: func(i int) (*llm.Embeddings, error) { return m.models[i].Embed(ctx, req) },
		cost: func(e *llm.Embeddings) *llm.Usage { return &e.Usage },
	})
	if err != nil {
		return nil, err
	}
	out.Via = via
	return out, nil
}

// Rerank is Chat for models that put documents into an order.
func Rerank(g *Group, models []llm.RerankModel) llm.RerankModel { return rerank{g, models} }

type rerank struct {
	group  *Group
	models []llm.RerankModel
}

// Rerank implements llm.RerankModel.
func (m rerank) Rerank(ctx context.Context, req *llm.RerankRequest) (*llm.Reranking, error) {
	if m.group.Alone() && req.Wish.Upstream == "" {
		return m.models[0].Rerank(ctx, req)
	}
	out, via, err := whole(ctx, m.group, asking[*llm.Reranking]{
		ask:  Ask{Wish: req.Wish},
		call: func(i int) (*llm.Reranking, error) { return m.models[i].Rerank(ctx, req) },
		cost: func(r *llm.Reranking) *llm.Usage { return &r.Usage },
	})
	if err != nil {
		return nil, err
	}
	out.Via = via
	return out, nil
}

// Counter is Chat for models that count the tokens of a prompt. Counting costs nothing of a quota.
func Counter(g *Group, models []llm.TokenCounter) llm.TokenCounter { return counter{g, models} }

type counter struct {
	group  *Group
	models []llm.TokenCounter
}

// CountTokens implements llm.TokenCounter.
func (m counter) CountTokens(ctx context.Context, req *llm.ChatRequest) (llm.Count, error) {
	if m.group.Alone() && req.Wish.Upstream == "" {
		return m.models[0].CountTokens(ctx, req)
	}
	n, _, err := whole(ctx, m.group, counting(req.Wish, func(i int) (llm.Count, error) { return m.models[i].CountTokens(ctx, req) }))
	return n, err
}

func counting(w llm.Wish, call func(upstream int) (llm.Count, error)) asking[llm.Count] {
	return asking[llm.Count]{ask: Ask{Wish: w, Free: true}, call: call, cost: func(llm.Count) *llm.Usage { return &llm.Usage{} }}
}
