package gateway

import (
	"context"
	"fmt"
	"iter"
	"time"

	"outcrop/internal/catalog"
	"outcrop/internal/llm"
)

// timed is a model that has only so much time. What a slow client takes to read is not the model's:
// it counts for the total alone.
type timed struct {
	model  llm.ChatModel
	limits catalog.Timeouts
}

// withTimeouts bounds a model, if it is to be bounded.
func withTimeouts(m llm.ChatModel, limits catalog.Timeouts) llm.ChatModel {
	if m == nil || limits.FirstToken <= 0 && limits.InterToken <= 0 && limits.Total <= 0 {
		return m
	}
	return timed{m, limits}
}

// Chat implements llm.ChatModel.
func (m timed) Chat(ctx context.Context, req *llm.ChatRequest) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		inner, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		if d := m.limits.Total; d > 0 {
			defer stopLater(d, cancel, "The answer took longer than %v, the deployment's total timeout.")()
		}
		w := watch{cancel: cancel, limits: m.limits}
		if req.Whole {
			w.limits = catalog.Timeouts{} // of an answer that comes whole nobody knows whether it is on its way
		}
		w.expect(w.limits.FirstToken, "The model said nothing for %v, the deployment's first-token timeout.")
		defer w.rest()
		for event, err := range m.model.Chat(inner, req) {
			w.rest()
			if late, ok := context.Cause(inner).(*llm.Error); ok && ctx.Err() == nil && !isFinish(event) { //nolint:errorlint // stopLater's own value, not a chain
				yield(nil, late)
				return
			}
			if !yield(event, err) || err != nil {
				return
			}
			w.after(event)
		}
	}
}

func isFinish(event llm.Event) bool {
	_, ok := event.(llm.Finish)
	return ok
}

// stopLater ends the context after a while, unless the returned function is called before.
func stopLater(d time.Duration, cancel context.CancelCauseFunc, message string) (stop func() bool) {
	late := &llm.Error{Kind: llm.KindTimeout, Message: fmt.Sprintf(message, d)}
	return time.AfterFunc(d, func() { cancel(late) }).Stop
}

// watch bounds the silence of a model.
type watch struct {
	cancel context.CancelCauseFunc
	limits catalog.Timeouts

	timer  *time.Timer   // nil while nothing is expected
	since  time.Time     // the timer runs
	left   time.Duration // from since on
	spoken bool          // a first token has come
}

// expect begins to wait for something.
func (w *watch) expect(d time.Duration, message string) {
	w.timer = nil
	if d <= 0 {
		return
	}
	late := &llm.Error{Kind: llm.KindTimeout, Message: fmt.Sprintf(message, d)}
	w.since, w.left = time.Now(), d
	w.timer = time.AfterFunc(d, func() { w.cancel(late) })
}

// rest stops the clock while it is somebody else's turn.
func (w *watch) rest() {
	if w.timer != nil && w.timer.Stop() {
		w.left -= time.Since(w.since)
	}
}

// after starts it again, from the beginning if the event was something that a client can see.
func (w *watch) after(event llm.Event) {
	switch event.(type) {
	case llm.Start, llm.Pause, llm.Choice:
		if w.timer != nil {
			w.since = time.Now()
			w.timer.Reset(max(w.left, 1))
		}
		return
	}
	if !w.spoken {
		w.spoken = true
		w.expect(w.limits.InterToken, "The model fell silent for %v, the deployment's inter-token timeout.")
		return
	}
	if w.timer != nil {
		w.since, w.left = time.Now(), w.limits.InterToken
		w.timer.Reset(w.left)
	}
}
