package gateway

import (
	"context"
	"fmt"
	"iter"
	"sync/atomic"
	"time"

	"outcrop/internal/catalog"
	"outcrop/internal/llm"
)

// timed is a model that has only so much time. What a slow client takes to read is not the model's:
// it counts for the total alone.
type timed struct {
	model  llm.ChatModel
	limits catalog.Timeouts
	tally  *tally // sees what passes; nil for nobody
}

// withTimeouts bounds a model, if it is to be bounded.
func withTimeouts(m llm.ChatModel, limits catalog.Timeouts) llm.ChatModel {
	if m == nil || limits.FirstToken <= 0 && limits.InterToken <= 0 && limits.Whole <= 0 && limits.Total <= 0 {
		return m
	}
	return timed{m, limits, nil}
}

// Chat implements llm.ChatModel.
func (m timed) Chat(ctx context.Context, req *llm.ChatRequest) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		t := &turn{outer: ctx, limits: m.limits, tally: m.tally, yield: yield}
		t.inner, t.cancel = context.WithCancelCause(ctx)
		defer t.end()
		if t.limits.Total > 0 {
			t.total = time.AfterFunc(t.limits.Total, t.tooLong)
		}
		if req.Whole {
			// Nobody knows whether such an answer is on its way. One that comes in pieces all the same may not stop.
			t.limits.FirstToken, t.limits.InterToken = t.limits.Whole, t.limits.Whole
		}
		t.silence = newSilence(t.limits.FirstToken, t.cancel, "The model said nothing for %v, the deployment's first-token timeout.")
		t.silence.begin()
		m.tally.ask()
		m.model.Chat(t.inner, req)(t.take)
	}
}

// turn is an answer that is bounded, as one value: a loop's own variables would each be allocated, for every answer.
type turn struct {
	outer, inner context.Context
	cancel       context.CancelCauseFunc
	limits       catalog.Timeouts
	total        *time.Timer // nil without a bound
	silence      *silence
	spoken       bool
	tally        *tally
	yield        func(llm.Event, error) bool
}

// take is what the model yields to.
func (t *turn) take(event llm.Event, err error) bool {
	visible := isVisible(event)
	_, waits := event.(llm.Pause)
	t.silence.pause(visible)
	event = t.tally.see(event, visible, err)
	if t.inner.Err() != nil && t.outer.Err() == nil && !isFinish(event) {
		t.yield(nil, context.Cause(t.inner))
		return false
	}
	if !t.yield(event, err) || err != nil {
		return false
	}
	if visible && !t.spoken {
		t.spoken = true
		t.silence.end()
		t.silence = newSilence(t.limits.InterToken, t.cancel, "The model fell silent for %v, the deployment's inter-token timeout.")
	}
	if waits {
		t.silence.begin()
	} else {
		t.silence.resume()
	}
	return true
}

func (t *turn) tooLong() {
	t.cancel(tooLate("The answer took longer than %v, the deployment's total timeout.", t.limits.Total))
}

func (t *turn) end() {
	t.silence.end()
	if t.total != nil {
		t.total.Stop()
	}
	t.cancel(nil)
}

// isVisible says whether an event is something that a client can see.
func isVisible(event llm.Event) bool {
	switch event.(type) {
	case llm.Start, llm.Pause, llm.Choice:
		return false
	default:
		return true
	}
}

func isFinish(event llm.Event) bool {
	_, ok := event.(llm.Finish)
	return ok
}

// tooLate is the error of a model that took longer than d.
func tooLate(message string, d time.Duration) error {
	return &llm.Error{Kind: llm.KindTimeout, Message: fmt.Sprintf(message, d)}
}

// silence ends a context when a model has been silent for too long. Its timer is not touched for every
// event, which would cost more than the event: when it fires it looks whether it is time, and if not
// waits for what is left.
type silence struct {
	limit  time.Duration
	late   string // what is said then, with the limit
	cancel context.CancelCauseFunc
	timer  *time.Timer // made by the first begin

	epoch time.Time     // what the times below count from
	left  time.Duration // of the limit, while it is not the model's turn
	until atomic.Int64  // when it is too late; or one of the constants below
}

const (
	othersTurn  = -1 // it is not the model's turn
	timerRests  = -2 // nor is it, and the timer is not running
	silenceOver = -3 // it was too late, or does not matter any more
	modelsTurn  = -4 // it is the model's turn, since nobody knows when: the timer will look at the clock
)

// newSilence returns nil, which bounds nothing, without a limit.
func newSilence(limit time.Duration, cancel context.CancelCauseFunc, message string) *silence {
	if limit <= 0 {
		return nil
	}
	s := &silence{limit: limit, late: message, left: limit, cancel: cancel, epoch: time.Now()}
	s.until.Store(timerRests)
	return s
}

// begin gives the model its turn.
func (s *silence) begin() {
	if s == nil {
		return
	}
	until := int64(time.Since(s.epoch) + s.left)
	switch {
	case s.until.CompareAndSwap(othersTurn, until) || !s.until.CompareAndSwap(timerRests, until):
	case s.timer == nil:
		s.timer = time.AfterFunc(s.left, s.look)
	default:
		s.timer.Reset(s.left)
	}
}

// resume gives the model its turn back that has most likely something more at hand: who has not says so by a Pause. It does not look at
// the clock, which for a hundred events that came together costs as much as to write them. What falls silent without a Pause has twice the
// limit at most.
func (s *silence) resume() {
	if s == nil || s.until.CompareAndSwap(othersTurn, modelsTurn) {
		return
	}
	s.begin()
}

// pause takes the model's turn away, because it has yielded something. What a client can see ends the
// silence.
func (s *silence) pause(visible bool) {
	if s == nil {
		return
	}
	until := s.until.Load()
	if until < 0 && until != modelsTurn || !s.until.CompareAndSwap(until, othersTurn) {
		return
	}
	switch {
	case visible:
		s.left = s.limit
	case until != modelsTurn:
		s.left = max(1, time.Duration(until)-time.Since(s.epoch))
	}
}

// look is the timer's.
func (s *silence) look() {
	for {
		until, now := s.until.Load(), int64(time.Since(s.epoch))
		switch {
		case until == silenceOver:
			return
		case until == othersTurn:
			if s.until.CompareAndSwap(until, timerRests) {
				return
			}
		case until == modelsTurn:
			if until = now + int64(s.limit); s.until.CompareAndSwap(modelsTurn, until) {
				s.timer.Reset(s.limit)
				return
			}
		case now < until:
			s.timer.Reset(time.Duration(until - now))
			return
		case s.until.CompareAndSwap(until, silenceOver):
			s.cancel(tooLate(s.late, s.limit))
			return
		}
	}
}

// end stops the clock for good.
func (s *silence) end() {
	if s == nil {
		return
	}
	if s.until.Store(silenceOver); s.timer != nil {
		s.timer.Stop()
	}
}
