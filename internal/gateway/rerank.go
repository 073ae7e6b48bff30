package gateway

import (
	"context"
	"math"
	"net/http"

	"outcrop/internal/auth"
	"outcrop/internal/cohere"
	"outcrop/internal/llm"
	"outcrop/internal/openai"
	"outcrop/internal/usage"
)

// handleRerank answers a request of Cohere's v2, whose body names the deployment.
func (g *Gateway) handleRerank(x *exchange, r *http.Request, caller auth.Caller) error {
	return g.rerank(x, asked{r: r, caller: caller}, "2")
}

// handleRerankV1 answers one of v1. Both versions' requests are taken by both routes; the replies differ
// in the version that they tell.
func (g *Gateway) handleRerankV1(x *exchange, r *http.Request, caller auth.Caller) error {
	return g.rerank(x, asked{r: r, caller: caller}, "1")
}

// writeRerankError tells a failure in Cohere's words.
func writeRerankError(w http.ResponseWriter, err error) {
	cohere.WriteError(w, openai.Status(llm.AsError(err).Kind), err)
}

// rerank is the path of one rerank request, from bytes to bytes.
func (g *Gateway) rerank(x *exchange, a asked, version string) error {
	x.operation = usage.Rerank
	body, release, err := g.readBody(x, a.r)
	if err != nil {
		return x.refuse(err)
	}
	defer release()
	c, err := g.decodeRerank(x, a, body)
	if err != nil {
		return x.refuse(err)
	}
	x.charge.embeds = true // it has no answer of tokens
	if err := g.claim(a.r.Context(), x, need{body: body, queries: (len(c.req.Documents) + documentsAQuery - 1) / documentsAQuery}); err != nil {
		return x.refuse(err)
	}
	x.tally.ask()
	out, err := c.ask(a.r.Context())
	if err != nil {
		x.tally.fail(err)
		return x.refuse(err)
	}
	x.tally.terms.Queries = out.Units
	x.tally.whole(out.Model, out.Usage, out.Via)
	return c.write(x, out, version)
}

// documentsAQuery is how many documents AWS bills as one query (llm.Reranking.Units).
const documentsAQuery = 100

// reranking is one rerank request on its way.
type reranking struct {
	*served
	req   *llm.RerankRequest
	shape cohere.Shape
}

// decodeRerank is what a body asks for, as decodeCall.
func (g *Gateway) decodeRerank(x *exchange, a asked, body []byte) (*reranking, error) {
	req, shape, err := cohere.Decode(body)
	if err != nil {
		return nil, err
	}
	s, err := g.here(x, a, shape.Model, "rerankings")
	if err != nil {
		return nil, err
	}
	if s.Rerank == nil {
		return nil, llm.Invalid("model", "The deployment "+s.Name+" does not rerank. GET /openai/models says which do (capabilities.rerank).")
	}
	req.Metadata, req.Wish = g.metadata(s, a.caller), x.wish
	return &reranking{s, req, shape}, nil
}

// ask gets the ranking: at most as many results as are wanted, each of another document.
func (c *reranking) ask(ctx context.Context) (*llm.Reranking, error) {
	out, err := within(ctx, c.Timeouts.Total, func(ctx context.Context) (*llm.Reranking, error) {
		return c.Rerank.Rerank(ctx, c.req)
	})
	if err != nil {
		return nil, err
	}
	seen := make([]bool, len(c.req.Documents))
	for _, r := range out.Results {
		if r.Index < 0 || r.Index >= len(seen) || seen[r.Index] || math.IsNaN(r.Score) || math.IsInf(r.Score, 0) {
			return nil, &llm.Error{Kind: llm.KindUpstream, Message: "The model's ranking is not one of the documents that it was given."}
		}
		seen[r.Index] = true
	}
	if c.req.TopN > 0 {
		out.Results = out.Results[:min(c.req.TopN, len(out.Results))]
	}
	return out, nil
}

func (c *reranking) write(x *exchange, out *llm.Reranking, version string) error {
	env := cohere.Envelope{ID: x.id, Version: version}
	if c.shape.Documents {
		env.Documents = c.req.Documents
	}
	openai.SetReport(x.Header(), append(c.shape.Ignored, out.Ignored...), out.Changed)
	return cohere.WriteReply(x, out, env)
}
