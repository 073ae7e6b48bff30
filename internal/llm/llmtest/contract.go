package llmtest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"outcrop/internal/llm"
)

// Fault is a way in which an upstream fails.
type Fault string

// The faults. A name with a number is that fault after that many frames of the upstream.
const (
	Refused         Fault = "refused before anything"
	Throttled       Fault = "throttled before anything"
	ExceptionFirst  Fault = "an exception first"
	ExceptionMiddle Fault = "an exception in the middle"
	CutBetween      Fault = "cut between frames"
	CutInside       Fault = "cut inside a frame"
	EndedEarly      Fault = "ended in good order without the terminal frame"
	BadChecksum     Fault = "a bad checksum"
	NoOutput        Fault = "a good status without output"
	SlowStart       Fault = "a minute of silence first"
)

// Faults are the faults that must end an answer with an error. SlowStart, which must not, is apart.
func Faults() []Fault {
	return []Fault{
		Refused, Throttled, ExceptionFirst, ExceptionMiddle, CutBetween, CutInside, EndedEarly, BadChecksum, NoOutput,
	}
}

// Subject is an implementation under test. TestChatModel calls New within a synctest bubble, so
// what it starts must be stopped by t.Cleanup and must not block on anything outside the process.
type Subject struct {
	New func(t *testing.T) Instance
	// Frames is over how many frames CutBetween, CutInside and EndedEarly are tried: 0 to Frames-1.
	Frames int
}

// Instance is one model and what can be seen of it.
type Instance struct {
	Model llm.ChatModel
	// Ask is a request that the model answers with text, Tool one that it answers with a call; nil
	// when it cannot.
	Ask, Tool func() *llm.ChatRequest
	// Fail is a request that makes the upstream fail after that many frames; nil when it cannot.
	Fail func(f Fault, frames int) *llm.ChatRequest
	// Open is how many upstream replies the model holds.
	Open func() int
}

// TestChatModel checks the contract of package llm.
func TestChatModel(t *testing.T, s Subject) {
	run := func(name string, check func(t *testing.T, i Instance)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				i := s.New(t)
				check(t, i)
				synctest.Wait()
				if n := i.Open(); n != 0 {
					t.Errorf("%d upstream replies are still held", n)
				}
			})
		})
	}
	run("a text answer is in order", func(t *testing.T, i Instance) {
		if events := drain(t, i, i.Ask()); text(events) == "" {
			t.Error("no text")
		}
	})
	run("a tool call is in order", func(t *testing.T, i Instance) {
		if i.Tool == nil {
			return
		}
		reply, err := llm.CollectOne(i.Model.Chat(t.Context(), i.Tool()))
		if err != nil || len(reply.ToolCalls) == 0 || reply.Finish.Reason != llm.FinishToolCalls {
			t.Fatalf("got %+v, %v", reply, err)
		}
		drain(t, i, i.Tool())
	})
	run("a whole answer equals the folded stream", wholeEqualsFolded)
	run("leaving the loop releases the upstream", leaving)
	run("cancelling ends the answer", cancelling)
	run("a slow reader gets everything", slowReader)
	for _, f := range Faults() {
		run(string(f), func(t *testing.T, i Instance) { failing(t, i, f, s.Frames) })
	}
	run(string(SlowStart), func(t *testing.T, i Instance) {
		if req := fault(i, SlowStart, 0); req != nil {
			began := time.Now()
			drain(t, i, req)
			if time.Since(began) < time.Minute {
				t.Error("the upstream was not slow")
			}
		}
	})
}

func fault(i Instance, f Fault, frames int) *llm.ChatRequest {
	if i.Fail == nil {
		return nil
	}
	return i.Fail(f, frames)
}

// drain ranges over an answer that must succeed and checks the order of its events.
func drain(t *testing.T, i Instance, req *llm.ChatRequest) (events []llm.Event) {
	t.Helper()
	for event, err := range i.Model.Chat(t.Context(), req) {
		if err != nil {
			t.Fatalf("after %d events: %v", len(events), err)
		}
		events = append(events, event)
	}
	if err := Ordered(events); err != nil {
		t.Fatalf("%v in %#v", err, events)
	}
	return events
}

// Ordered says what is wrong with the order of a finished answer's events.
func Ordered(events []llm.Event) error {
	o := order{choices: map[int]*choiceOrder{}}
	o.current = o.choice(0)
	for _, event := range events {
		if err := o.see(event); err != nil {
			return err
		}
	}
	return o.end(events)
}

// order is what has been seen of an answer's events.
type order struct {
	started, content bool
	choices          map[int]*choiceOrder
	current          *choiceOrder
	usage            llm.Usage
}

type choiceOrder struct {
	finished bool
	calls    int
}

func (o *order) choice(index int) *choiceOrder {
	if o.choices[index] == nil {
		o.choices[index] = &choiceOrder{}
	}
	return o.choices[index]
}

func (o *order) see(event llm.Event) error {
	switch e := event.(type) {
	case llm.Start:
		if o.started || o.content {
			return errors.New("a Start that is not the first")
		}
		o.started = true
		return nil
	case llm.Pause:
		return nil
	case llm.Choice:
		if e.Index < 0 {
			return fmt.Errorf("a choice %d", e.Index)
		}
		o.current = o.choice(e.Index)
		return nil
	}
	o.content = true
	if o.current.finished {
		return errors.New("an event after Finish")
	}
	switch e := event.(type) {
	case llm.ToolCallStart:
		if e.Index != o.current.calls {
			return fmt.Errorf("tool call %d begins as number %d", e.Index, o.current.calls)
		}
		o.current.calls++
	case llm.ToolCallDelta:
		if e.Index >= o.current.calls {
			return fmt.Errorf("arguments for tool call %d, which has not begun", e.Index)
		}
	case llm.Finish:
		if o.usage != (llm.Usage{}) {
			return errors.New("a Finish with usage that is not the last")
		}
		o.current.finished, o.usage = true, e.Usage
	case *llm.TextDelta, llm.ReasoningDelta, llm.BlobOut, llm.Citation:
	default:
		return fmt.Errorf("an unknown event %T", event)
	}
	return nil
}

func (o *order) end(events []llm.Event) error {
	for index, c := range o.choices {
		if !c.finished {
			return fmt.Errorf("no Finish for choice %d", index)
		}
	}
	if _, ok := events[len(events)-1].(llm.Finish); !ok {
		return errors.New("an event after Finish")
	}
	return nil
}

// text is the text of every choice, one after the other.
func text(events []llm.Event) string {
	var texts []string
	current := 0
	for _, event := range events {
		switch e := event.(type) {
		case llm.Choice:
			current = e.Index
		case *llm.TextDelta:
			for len(texts) <= current {
				texts = append(texts, "")
			}
			texts[current] += e.Text
		}
	}
	return strings.Join(texts, "|")
}

func wholeEqualsFolded(t *testing.T, i Instance) {
	for _, ask := range []func() *llm.ChatRequest{i.Ask, i.Tool} {
		if ask == nil {
			continue
		}
		streamed, err := llm.Collect(i.Model.Chat(t.Context(), ask()))
		if err != nil {
			t.Fatal(err)
		}
		req := ask()
		req.Whole = true
		whole, err := llm.Collect(i.Model.Chat(t.Context(), req))
		if err != nil {
			t.Fatal(err)
		}
		for _, reply := range slices.Concat(streamed, whole) {
			reply.Start.ID = "" // one per call
		}
		if !reflect.DeepEqual(streamed, whole) {
			t.Errorf("streamed %s, whole %s", describe(streamed), describe(whole))
		}
	}
}

func describe(replies []*llm.Reply) string {
	var b strings.Builder
	for _, reply := range replies {
		fmt.Fprintf(&b, "%+v\n", *reply)
	}
	return b.String()
}

func leaving(t *testing.T, i Instance) {
	total := len(drain(t, i, i.Ask()))
	for leaveAt := range total {
		n := 0
		for _, err := range i.Model.Chat(t.Context(), i.Ask()) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n > leaveAt {
				break
			}
		}
		synctest.Wait()
		if open := i.Open(); open != 0 {
			t.Fatalf("left at event %d: %d upstream replies are still held", leaveAt, open)
		}
	}
}

func cancelling(t *testing.T, i Instance) {
	total := len(drain(t, i, i.Ask()))
	for cancelAt := range total {
		ctx, cancel := context.WithCancel(t.Context())
		if cancelAt == 0 {
			cancel()
		}
		n, last := 0, error(nil)
		for event, err := range i.Model.Chat(ctx, i.Ask()) {
			if last = err; err != nil {
				continue
			}
			if n++; n == cancelAt {
				cancel()
				synctest.Wait()
			}
			if _, done := event.(llm.Finish); done {
				n = total
			}
		}
		cancel()
		// What had arrived before may still be delivered, to the end even; but no other error.
		if last == nil && n < total {
			t.Fatalf("cancelled at event %d: the answer ended quietly after %d of %d", cancelAt, n, total)
		}
		if last != nil && llm.AsError(last).Kind != llm.KindCanceled {
			t.Fatalf("cancelled at event %d: %v", cancelAt, last)
		}
	}
}

func slowReader(t *testing.T, i Instance) {
	want := text(drain(t, i, i.Ask()))
	var events []llm.Event
	for event, err := range i.Model.Chat(t.Context(), i.Ask()) {
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, event)
		time.Sleep(10 * time.Second) // the bubble's clock
	}
	if got := text(events); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// failing checks that a fault ends the answer with one error, and never with a Finish.
func failing(t *testing.T, i Instance, f Fault, frames int) {
	switch f {
	case CutBetween, CutInside, EndedEarly, BadChecksum:
	default:
		frames = 1
	}
	for after := range frames {
		for _, whole := range []bool{false, true} {
			req := fault(i, f, after)
			if req == nil {
				continue
			}
			req.Whole = whole
			if err := failure(i.Model.Chat(t.Context(), req)); err != nil {
				t.Errorf("after %d frames, whole=%v: %v", after, whole, err)
			}
			synctest.Wait()
			if n := i.Open(); n != 0 {
				t.Fatalf("after %d frames, whole=%v: %d upstream replies are still held", after, whole, n)
			}
		}
	}
}

// failure ranges over an answer that must fail and says what it did wrong.
func failure(seq iter.Seq2[llm.Event, error]) error {
	var failed error
	for event, err := range seq {
		if failed != nil {
			return fmt.Errorf("more after the error: %#v, %w", event, err)
		}
		if _, done := event.(llm.Finish); done {
			return errors.New("a Finish, as if the answer were whole")
		}
		failed = err
	}
	if failed == nil {
		return errors.New("ended without an error")
	}
	e, ok := errors.AsType[*llm.Error](failed)
	if !ok {
		return fmt.Errorf("not an *llm.Error: %w", failed)
	}
	if e.Message == "" || e.Kind == llm.KindInternal || e.Kind == llm.KindCanceled {
		return fmt.Errorf("a failure of the upstream reported as %w", e)
	}
	return nil
}
