package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"outcrop/internal/llm"
)

// clock ends a call that takes too long. What a slow client takes to read is not the other server's silence.
type clock struct {
	client context.Context // of the request
	ctx    context.Context // of the call
	cancel context.CancelCauseFunc
	total  *time.Timer // nil without a bound; so is idle
	idle   *time.Timer
	quiet  time.Duration
}

// newClock starts with the call; its owner stops it.
func newClock(client context.Context, total time.Duration) *clock {
	c := &clock{client: client}
	c.ctx, c.cancel = context.WithCancelCause(client)
	if total > 0 {
		c.total = time.AfterFunc(total, c.late(total, "The answer took longer than %v, the deployment's total timeout."))
	}
	return c
}

// watch bounds each silence from now on.
func (c *clock) watch(quiet time.Duration) {
	if c.quiet = quiet; quiet > 0 {
		c.idle = time.AfterFunc(quiet, c.late(quiet, "The deployment's server fell silent for %v, the deployment's inter-token timeout."))
		c.idle.Stop()
	}
}

func (c *clock) late(after time.Duration, message string) func() {
	return func() { c.cancel(&llm.Error{Kind: llm.KindTimeout, Message: fmt.Sprintf(message, after)}) }
}

// read reads within the time for a silence.
func (c *clock) read(from io.Reader, into []byte) (int, error) {
	if c.idle != nil {
		c.idle.Reset(c.quiet)
		defer c.idle.Stop()
	}
	return from.Read(into)
}

// explain is why a call failed: the client that left, the time that was up, or else the message.
func (c *clock) explain(err error, message string) error {
	if c.client.Err() != nil {
		return gone(c.client.Err())
	}
	if late, ok := errors.AsType[*llm.Error](context.Cause(c.ctx)); ok {
		return late
	}
	return &llm.Error{Kind: llm.KindUpstream, Message: message, Err: err}
}

// stop releases the timers.
func (c *clock) stop() {
	for _, timer := range []*time.Timer{c.total, c.idle} {
		if timer != nil {
			timer.Stop()
		}
	}
	c.cancel(nil)
}
