package llm

import (
	"context"
	"iter"
)

// ResponsesModel answers OpenAI's Responses API with the vendor's own JSON, as MessagesModel does Anthropic's:
// what passes is changed as little as the upstream allows.
type ResponsesModel interface {
	// Responses is as Messages of MessagesModel, with OpenAI's events for pieces, or for a whole reply the one
	// object. Nothing of it is kept by the upstream (store: false), and it is not in the background: both are of
	// whoever owns the request.
	Responses(ctx context.Context, req *MessagesRequest) iter.Seq2[MessagesPiece, error]
}
