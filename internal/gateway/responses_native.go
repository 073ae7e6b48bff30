package gateway

import (
	"context"
	"iter"

	"outcrop/internal/catalog"
	"outcrop/internal/llm"
	"outcrop/internal/openai"
)

// pieces is the model's own reply, under the id that this server gives it.
func (p *response) pieces(ctx context.Context, x *exchange) iter.Seq2[llm.MessagesPiece, error] {
	reply := p.g.piecesWithin(x, pieces{ctx, p.call.Timeouts, p.req.Whole}, func(ctx context.Context) iter.Seq2[llm.MessagesPiece, error] {
		return p.native.Responses(ctx, p.req)
	})
	return func(yield func(llm.MessagesPiece, error) bool) {
		for piece, err := range reply {
			if err == nil && piece.Type != "" {
				piece.JSON = p.renamed(piece.JSON)
			}
			if !yield(piece, err) {
				return
			}
		}
	}
}

// renamed is a piece with the id that this server gives the response.
func (p *response) renamed(text []byte) []byte {
	own := func(string) string { return p.env.ID }
	if p.req.Whole {
		return openai.RenameResponse(text, own)
	}
	return openai.RenameInEvent(text, own)
}

// pass passes the model's own reply through.
func (p *response) pass(ctx context.Context, x *exchange, a asked, body []byte) (err error) {
	reply := p.pieces(ctx, x)
	if p.call.Fallback != (catalog.Fallback{}) {
		if reply, err = held(reply, silentPiece); err != nil {
			return p.elsewhere(x, a, body, err)
		}
	}
	final, err := openai.WriteNativeResponse(x, reply, p.env, p.stream)
	p.keep(final)
	return x.guess(err, body)
}
