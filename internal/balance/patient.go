package balance

import (
	"context"
	"fmt"
	"iter"
	"time"

	"outcrop/internal/llm"
)

// Patient is a model that has so long to say, of a stream, what a client can see; 0 is without bound. Then it has failed,
// and the time of another upstream is its own: one that takes requests and never answers keeps none of them from the rest.
// Of an answer that comes whole nobody knows whether it is on its way.
func Patient(m llm.ChatModel, limit time.Duration) llm.ChatModel {
	if limit <= 0 {
		return m
	}
	return patientChat{m, limit}
}

type patientChat struct {
	model llm.ChatModel
	limit time.Duration
}

// Chat implements llm.ChatModel.
func (p patientChat) Chat(ctx context.Context, req *llm.ChatRequest) iter.Seq2[llm.Event, error] {
	if req.Whole {
		return p.model.Chat(ctx, req)
	}
	return patiently(ctx, p.limit, func(ctx context.Context) iter.Seq2[llm.Event, error] { return p.model.Chat(ctx, req) }, isSaid)
}

// isSaid says whether a client can see an event.
func isSaid(event llm.Event) bool {
	switch event.(type) {
	case llm.Start, llm.Pause, llm.Choice:
		return false
	default:
		return true
	}
}

// PatientMessages is Patient for models with Anthropic's own answers. Counts are not bounded.
func PatientMessages(m llm.MessagesModel, limit time.Duration) llm.MessagesModel {
	if limit <= 0 || m == nil {
		return m
	}
	return patientMessages{m, limit}
}

type patientMessages struct {
	llm.MessagesModel
	limit time.Duration
}

// Messages implements llm.MessagesModel.
func (p patientMessages) Messages(ctx context.Context, req *llm.MessagesRequest) iter.Seq2[llm.MessagesPiece, error] {
	if req.Whole {
		return p.MessagesModel.Messages(ctx, req)
	}
	return patiently(ctx, p.limit, func(ctx context.Context) iter.Seq2[llm.MessagesPiece, error] {
		return p.MessagesModel.Messages(ctx, req)
	}, isPiece)
}

// PatientResponses is Patient for models with OpenAI's own answers of the Responses API.
func PatientResponses(m llm.ResponsesModel, limit time.Duration) llm.ResponsesModel {
	if limit <= 0 || m == nil {
		return m
	}
	return patientResponses{m, limit}
}

type patientResponses struct {
	llm.ResponsesModel
	limit time.Duration
}

// Responses implements llm.ResponsesModel.
func (p patientResponses) Responses(ctx context.Context, req *llm.MessagesRequest) iter.Seq2[llm.MessagesPiece, error] {
	if req.Whole {
		return p.ResponsesModel.Responses(ctx, req)
	}
	return patiently(ctx, p.limit, func(ctx context.Context) iter.Seq2[llm.MessagesPiece, error] {
		return p.ResponsesModel.Responses(ctx, req)
	}, isPiece)
}

// isPiece says whether a piece goes to the client: from there on no other upstream is asked.
func isPiece(p llm.MessagesPiece) bool { return p.Type != "" || p.Last }

// patiently gives an answer up that says nothing in time.
func patiently[T any](ctx context.Context, limit time.Duration, ask func(context.Context) iter.Seq2[T, error], said func(T) bool) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		inner, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		late := &llm.Error{Kind: llm.KindTimeout, Message: fmt.Sprintf("The model said nothing for %v, the deployment's first-token timeout.", limit)}
		timer := time.AfterFunc(limit, func() { cancel(late) })
		defer timer.Stop()
		waits := true
		for piece, err := range ask(inner) {
			if waits && (err != nil || said(piece)) {
				if waits = false; !timer.Stop() && ctx.Err() == nil {
					var none T
					yield(none, late)
					return
				}
			}
			if !yield(piece, err) || err != nil {
				return
			}
		}
	}
}
