package llm

import (
	"context"
	"iter"
)

// MessagesModel answers Anthropic's Messages API with the vendor's own JSON: what passes is changed as
// little as the upstream allows, so that a feature works on the day it is released.
type MessagesModel interface {
	// Messages starts when the sequence is ranged over. It yields the pieces of one reply; the last is
	// the one with Last. An error before the first piece means that there is no reply; one later that
	// the reply broke off. Leaving the loop or cancelling the context releases everything.
	Messages(ctx context.Context, req *MessagesRequest) iter.Seq2[MessagesPiece, error]
	// CountMessages counts the tokens of a request's prompt.
	CountMessages(ctx context.Context, req *MessagesRequest) (Count, error)
}

// MessagesRequest is a request of the Messages API.
type MessagesRequest struct {
	Body  []byte   // one JSON object, the client's
	Betas []string // of the header anthropic-beta
	Whole bool     // the client wants no stream
	// Metadata is for the upstream's own bill, as in ChatRequest.
	Metadata map[string]string
	Wish     Wish // as in ChatRequest
}

// MessagesPiece is an event of a streamed reply, or the whole of one that is not.
type MessagesPiece struct {
	// Type is the event's: "message_start", "ping"; "message" for a whole reply; "" for a pause, which
	// says that the upstream has nothing more at hand and carries nothing.
	Type string
	JSON []byte // on one line; valid until the next piece
	// Last says that this piece ends the reply well; Usage is then the whole reply's.
	Last  bool
	Usage Usage
	// ID is the upstream's request id, in the first piece.
	ID string
	// Ignored are, in the first piece, the client's betas and fields that the upstream does not take.
	Ignored []string
	// Via is, in the first piece, which upstream answers.
	Via Via
	// Tier is, in the last piece, the service tier that served it, or "".
	Tier string
}
