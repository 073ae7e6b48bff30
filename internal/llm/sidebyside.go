package llm

import (
	"context"
	"fmt"
	"iter"
	"runtime/debug"
	"sync"
)

// maxBatch is how many events a choice collects before it hands them over without a Pause.
const maxBatch = 64

// SideBySide is one sequence of n choices: it runs start(ctx, 0) to start(ctx, n-1), each a sequence
// of one choice, at the same time, once it is ranged over itself. The reply has the Start that comes
// first, every choice's events after a Choice, and a Finish for each, of which the last one has the
// usage of all. A Pause comes when none of the choices has anything at hand.
//
// The first error of a choice is the reply's: the others are cancelled by their context and left, and
// have ended, like everything that SideBySide started, before the error is yielded. The same holds
// when the loop is left. With n of 1 or less it is start(ctx, 0).
func SideBySide(
	ctx context.Context, n int, start func(ctx context.Context, i int) iter.Seq2[Event, error],
) iter.Seq2[Event, error] {
	if n <= 1 {
		return start(ctx, 0)
	}
	return func(yield func(Event, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		s := &sideBySide{batches: make(chan batch), left: make(chan struct{}), yield: yield, open: n, finished: make([]bool, n)}
		join := sync.OnceFunc(func() {
			cancel()
			close(s.left)
			s.running.Wait()
		})
		defer join()
		for i := range n {
			s.running.Go(func() { s.run(i, func() iter.Seq2[Event, error] { return start(ctx, i) }) })
		}
		if err := s.merge(); err != nil {
			join()
			yield(nil, err)
		}
	}
}

// batch is what a choice hands over at once.
type batch struct {
	choice int
	events []Event
	ended  bool // the choice's sequence ended, after the events
	err    error
	panic  any // what the sequence panicked with
}

type sideBySide struct {
	batches chan batch
	left    chan struct{} // closed when nobody reads batches any more
	running sync.WaitGroup
	yield   func(Event, error) bool

	started  bool // a Start has been yielded, or it is too late for one
	held     bool // something was yielded since the last Pause
	current  int  // the choice of the last Choice
	finished []bool
	open     int // choices that are not finished
	usage    Usage
}

// run is the goroutine of one choice. Its last batch says that it has ended, however it did.
func (s *sideBySide) run(choice int, start func() iter.Seq2[Event, error]) {
	last := batch{choice: choice, ended: true}
	defer func() {
		if p := recover(); p != nil {
			last.panic = fmt.Sprintf("%v\n\n%s", p, debug.Stack())
		}
		s.send(last)
	}()
	for event, err := range start() {
		if err != nil {
			last.err = err
			return
		}
		now := false
		switch event.(type) {
		case Pause:
			now = len(last.events) > 0
		case Start:
			now = true
			last.events = append(last.events, event)
		default:
			last.events = append(last.events, event)
		}
		if now || len(last.events) == maxBatch {
			if !s.send(batch{choice: choice, events: last.events}) {
				return
			}
			last.events = nil
		}
	}
}

// send reports whether there is still somebody who reads.
func (s *sideBySide) send(b batch) bool {
	select {
	case s.batches <- b:
		return true
	case <-s.left:
		return false
	}
}

// merge yields what the choices hand over until all of them have ended. It returns the error that ends
// the reply; nil also when the loop was left.
func (s *sideBySide) merge() error {
	for running := len(s.finished); running > 0; {
		b, ok := s.next()
		if !ok {
			return nil
		}
		for _, event := range b.events {
			if !s.pass(b.choice, event) {
				return nil
			}
		}
		switch {
		case b.panic != nil:
			panic(b.panic) // as if the sequence had been ranged over here
		case b.err != nil:
			return b.err
		case b.ended && !s.finished[b.choice]:
			return unfinished()
		case b.ended:
			running--
		}
	}
	return nil
}

// next waits for a batch, after a Pause if something was yielded since the last one. It reports false
// when the loop was left.
func (s *sideBySide) next() (batch, bool) {
	select {
	case b := <-s.batches:
		return b, true
	default:
	}
	if s.held && s.open > 0 {
		s.held = false
		if !s.yield(Pause{}, nil) {
			return batch{}, false
		}
	}
	return <-s.batches, true
}

// pass yields an event of a choice, and reports false when the loop was left.
func (s *sideBySide) pass(choice int, event Event) bool {
	if s.finished[choice] {
		return true
	}
	switch e := event.(type) {
	case Start:
		first := !s.started
		s.started = true
		return !first || s.yield(e, nil)
	case Choice:
		return true
	case Finish:
		s.finished[choice] = true
		s.open--
		s.usage = s.usage.Add(e.Usage)
		e.Usage = Usage{}
		if s.open == 0 {
			e.Usage = s.usage
		}
		event = e
	}
	s.started, s.held = true, true
	if choice != s.current {
		s.current = choice
		if !s.yield(Choice{Index: choice}, nil) {
			return false
		}
	}
	return s.yield(event, nil)
}
