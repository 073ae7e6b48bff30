package llmtest

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"
	"time"

	"outcrop/internal/llm"
)

// Step is what a Script does next: it waits, then yields the event, or ends with the error.
type Step struct {
	Wait  time.Duration
	Event llm.Event
	Err   error
}

// Script is a model that does what it is told, step by step, whatever is asked.
type Script struct {
	Steps []Step
	open  atomic.Int64
}

// Play is a Script that yields the events without waiting.
func Play(events ...llm.Event) *Script {
	s := &Script{}
	for _, event := range events {
		s.Steps = append(s.Steps, Step{Event: event})
	}
	return s
}

// Open is how many replies are being played.
func (s *Script) Open() int { return int(s.open.Load()) }

// ErrUnfinished is what Script reports, as an upstream's failure, when its steps end without a
// Finish or an error.
var ErrUnfinished = errors.New("the script ended without a finish")

// Chat implements llm.ChatModel.
func (s *Script) Chat(ctx context.Context, _ *llm.ChatRequest) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		s.open.Add(1)
		defer s.open.Add(-1)
		for _, step := range s.Steps {
			if err := wait(ctx, step.Wait); err != nil {
				yield(nil, &llm.Error{Kind: llm.KindCanceled, Message: "The client closed the request.", Err: err})
				return
			}
			if step.Err != nil {
				yield(nil, step.Err)
				return
			}
			if !yield(step.Event, nil) {
				return
			}
			if _, done := step.Event.(llm.Finish); done {
				return
			}
		}
		yield(nil, &llm.Error{Kind: llm.KindUpstream, Message: "The answer ended before it was complete.", Err: ErrUnfinished})
	}
}

func wait(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
