package gateway

import (
	"context"
	"net/http"
	"slices"

	"outcrop/internal/auth"
	"outcrop/internal/catalog"
	"outcrop/internal/llm"
	"outcrop/internal/openai"
	"outcrop/internal/usage"
)

// handleEmbeddings answers an embeddings request whose body names the deployment.
func (g *Gateway) handleEmbeddings(x *exchange, r *http.Request, caller auth.Caller) error {
	return g.embeddings(x, r, caller, "")
}

// embeddings is the path of one embeddings request, from bytes to bytes. The deployment is that of the
// name or, without one, of the body's model, which is else not looked at.
func (g *Gateway) embeddings(x *exchange, r *http.Request, caller auth.Caller, name string) error {
	x.operation = usage.Embeddings
	body, release, err := g.readBody(x, r)
	if err != nil {
		return x.refuse(err)
	}
	defer release()
	a := asked{r, caller, name}
	to, err := g.find(x, a, catalog.Embeddings, body)
	if err != nil {
		return x.refuse(err)
	}
	return g.embedAt(x, a, to, body)
}

// embedAt is the rest of the path, as chatAt.
func (g *Gateway) embedAt(x *exchange, a asked, to *step, body []byte) error {
	if to != nil && to.remote != nil {
		return g.forward(x, a.r, to, body)
	}
	ctx := a.r.Context()
	e, err := g.decodeEmbedding(x, a, to, body)
	if err != nil {
		return x.refuse(err)
	}
	if err := g.claim(ctx, x, need{body: body}); err != nil {
		return x.refuse(err)
	}
	if err := g.attach(a.r, linksOfInputs(e.req), newBudget()); err != nil {
		return x.refuse(err)
	}
	x.tally.ask()
	g.tally(x).countInputs(e.served, e.req.Inputs)
	out, err := e.ask(ctx)
	if err != nil {
		x.tally.fail(err)
		if next := g.instead(x, a, e.served, catalog.Embeddings, err); next != nil {
			return g.again(x, a, next, body)
		}
		return x.refuse(err)
	}
	x.tally.whole(out.Model, out.Usage, out.Via)
	return e.write(x, out)
}

// embedding is one embeddings request on its way.
type embedding struct {
	*served
	req   *llm.EmbedRequest
	shape openai.EmbedShape
}

// decodeEmbedding is what a body asks for, as decodeCall.
func (g *Gateway) decodeEmbedding(x *exchange, a asked, to *step, body []byte) (*embedding, error) {
	req, shape, err := openai.DecodeEmbeddings(body)
	if err != nil {
		return nil, err
	}
	if to == nil {
		if to, err = g.findNamed(x, a, catalog.Embeddings, shape.Model); err != nil {
			return nil, err
		}
	}
	s := to.served
	if s.Embed == nil {
		return nil, llm.Invalid("model", "The deployment "+s.Name+" does not embed. GET /openai/models says which do (capabilities.embeddings).")
	}
	s.embedDefaults.Apply(req, &shape)
	req.Metadata, req.Wish = g.metadata(s, a.caller), x.wish
	return &embedding{s, req, shape}, nil
}

// linksOfInputs finds the files that are to be fetched.
func linksOfInputs(req *llm.EmbedRequest) (links []link) {
	for i := range req.Inputs {
		for j, p := range req.Inputs[i].Parts {
			if l, ok := p.(llm.Link); ok && !isS3(l.URL) {
				links = append(links, link{l, &req.Inputs[i].Parts[j], string(l.At)})
			}
		}
	}
	return links
}

// ask gets the vectors. Nobody need be asked for none.
func (e *embedding) ask(ctx context.Context) (*llm.Embeddings, error) {
	if len(e.req.Inputs) == 0 {
		return &llm.Embeddings{}, nil
	}
	out, err := within(ctx, e.Timeouts.Total, func(ctx context.Context) (*llm.Embeddings, error) {
		return e.Embed.Embed(ctx, e.req)
	})
	if err != nil {
		return nil, err
	}
	if len(out.Vectors) != len(e.req.Inputs) || slices.ContainsFunc(out.Vectors, isEmpty) {
		return nil, &llm.Error{Kind: llm.KindUpstream, Message: "The model did not give one vector for each input."}
	}
	return out, nil
}

func isEmpty(vector []float32) bool { return len(vector) == 0 }

func (e *embedding) write(x *exchange, out *llm.Embeddings) error {
	return openai.WriteEmbeddings(x, out, openai.EmbedEnvelope{Model: e.Name, Base64: e.shape.Base64, Ignored: e.shape.Ignored})
}
