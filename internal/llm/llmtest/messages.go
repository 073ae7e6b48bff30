package llmtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"outcrop/internal/llm"
)

// MessagesSubject is an implementation under test. TestMessagesModel calls New within a synctest bubble.
type MessagesSubject struct {
	New func(t *testing.T) MessagesInstance
	// Frames is over how many frames CutBetween, CutInside and EndedEarly are tried: 0 to Frames-1.
	Frames int
}

// MessagesInstance is one model and what can be seen of it.
type MessagesInstance struct {
	Model llm.MessagesModel
	// Ask is a request that the model answers with text.
	Ask func() *llm.MessagesRequest
	// Fail is a request that makes the upstream fail after that many frames; nil when it cannot.
	Fail func(f Fault, frames int) *llm.MessagesRequest
	// Open is how many upstream replies the model holds.
	Open func() int
}

// TestMessagesModel checks the contract of llm.MessagesModel.
func TestMessagesModel(t *testing.T, s MessagesSubject) {
	run := func(name string, check func(t *testing.T, i MessagesInstance)) {
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
	run("a streamed reply is in order", func(t *testing.T, i MessagesInstance) {
		if reply := message(t, i.Model.Messages(t.Context(), i.Ask())); reply.text == "" || reply.usage == (llm.Usage{}) {
			t.Errorf("got %+v", reply)
		}
	})
	run("a whole reply says what the stream says", func(t *testing.T, i MessagesInstance) {
		streamed := message(t, i.Model.Messages(t.Context(), i.Ask()))
		req := i.Ask()
		req.Whole = true
		if whole := message(t, i.Model.Messages(t.Context(), req)); whole.text != streamed.text || whole.usage != streamed.usage || whole.stop != streamed.stop {
			t.Errorf("streamed %+v, whole %+v", streamed, whole)
		}
	})
	run("leaving the loop releases the upstream", leavingMessages)
	run("cancelling ends the reply", cancellingMessages)
	run("a slow reader gets everything", slowMessages)
	run("the prompt is counted", func(t *testing.T, i MessagesInstance) {
		count, err := i.Model.CountMessages(t.Context(), i.Ask())
		if err != nil || count.Tokens <= 0 {
			t.Errorf("got %+v, %v", count, err)
		}
	})
	for _, f := range Faults() {
		run(string(f), func(t *testing.T, i MessagesInstance) { failingMessages(t, i, f, s.Frames) })
	}
	run(string(SlowStart), func(t *testing.T, i MessagesInstance) {
		if req := i.Fail(SlowStart, 0); req != nil {
			began := time.Now()
			message(t, i.Model.Messages(t.Context(), req))
			if time.Since(began) < time.Minute {
				t.Error("the upstream was not slow")
			}
		}
	})
}

// pieced is what the pieces of a reply come to.
type pieced struct {
	text, stop string
	usage      llm.Usage
	pieces     int
}

// body is what the test reads of a piece.
type body struct {
	Type  string
	Delta struct {
		Text       string
		StopReason string `json:"stop_reason"`
	}
	StopReason string `json:"stop_reason"`
	Content    []struct{ Text string }
}

// message ranges over a reply that must succeed and checks its pieces.
func message(t *testing.T, seq iter.Seq2[llm.MessagesPiece, error]) (reply pieced) {
	t.Helper()
	var text strings.Builder
	said, last := 0, false
	for p, err := range seq {
		if err != nil {
			t.Fatalf("after %d pieces: %v", reply.pieces, err)
		}
		reply.pieces++
		if last {
			t.Fatalf("%q after the last piece", p.Type)
		}
		if p.Type == "" {
			if p.JSON != nil || p.Last || p.ID != "" {
				t.Fatalf("a pause carries %+v", p)
			}
			continue
		}
		b, err := read(p)
		if err != nil {
			t.Fatal(err)
		}
		if (p.ID != "" || p.Ignored != nil) && said > 0 {
			t.Errorf("piece %d has an id or what was ignored", said)
		}
		if said++; said == 1 && p.Type != "message_start" && p.Type != "message" {
			t.Errorf("the reply begins with %q", p.Type)
		}
		text.WriteString(b.Delta.Text)
		for _, block := range b.Content {
			text.WriteString(block.Text)
		}
		reply.stop += b.Delta.StopReason + b.StopReason
		if last = p.Last; last != (p.Type == "message_stop" || p.Type == "message") {
			t.Errorf("%q with Last %v", p.Type, p.Last)
		}
		if reply.usage = p.Usage; !last && p.Usage != (llm.Usage{}) {
			t.Errorf("%q has a usage", p.Type)
		}
	}
	if !last {
		t.Fatal("the reply ended quietly without its last piece")
	}
	reply.text = text.String()
	return reply
}

func read(p llm.MessagesPiece) (b body, err error) {
	if err = json.Unmarshal(p.JSON, &b); err != nil {
		return b, fmt.Errorf("%q: %w", p.Type, err)
	}
	if b.Type != p.Type || bytes.ContainsAny(p.JSON, "\r\n") {
		return b, fmt.Errorf("a piece of type %q holds %.200s", p.Type, p.JSON)
	}
	return b, nil
}

func leavingMessages(t *testing.T, i MessagesInstance) {
	total := message(t, i.Model.Messages(t.Context(), i.Ask())).pieces
	for leaveAt := range total {
		n := 0
		for _, err := range i.Model.Messages(t.Context(), i.Ask()) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n > leaveAt {
				break
			}
		}
		synctest.Wait()
		if open := i.Open(); open != 0 {
			t.Fatalf("left at piece %d: %d upstream replies are still held", leaveAt, open)
		}
	}
}

func cancellingMessages(t *testing.T, i MessagesInstance) {
	total := message(t, i.Model.Messages(t.Context(), i.Ask())).pieces
	for cancelAt := range total {
		ctx, cancel := context.WithCancel(t.Context())
		if cancelAt == 0 {
			cancel()
		}
		n, last := 0, error(nil)
		for p, err := range i.Model.Messages(ctx, i.Ask()) {
			if last = err; err != nil {
				continue
			}
			if n++; n == cancelAt {
				cancel()
				synctest.Wait()
			}
			if p.Last {
				n = total
			}
		}
		cancel()
		// What had arrived before may still be delivered, to the end even; but no other error.
		if last == nil && n < total {
			t.Fatalf("cancelled at piece %d: the reply ended quietly after %d of %d", cancelAt, n, total)
		}
		if last != nil && llm.AsError(last).Kind != llm.KindCanceled {
			t.Fatalf("cancelled at piece %d: %v", cancelAt, last)
		}
	}
}

func slowMessages(t *testing.T, i MessagesInstance) {
	want := message(t, i.Model.Messages(t.Context(), i.Ask()))
	got := message(t, func(yield func(llm.MessagesPiece, error) bool) {
		for p, err := range i.Model.Messages(t.Context(), i.Ask()) {
			if !yield(p, err) {
				return
			}
			time.Sleep(10 * time.Second) // the bubble's clock
		}
	})
	if got.text != want.text {
		t.Errorf("got %q, want %q", got.text, want.text)
	}
}

// failingMessages checks that a fault ends the reply with one error, and never with a last piece.
func failingMessages(t *testing.T, i MessagesInstance, f Fault, frames int) {
	switch f {
	case CutBetween, CutInside, EndedEarly, BadChecksum:
	default:
		frames = 1
	}
	for after := range frames {
		for _, whole := range []bool{false, true} {
			req := i.Fail(f, after)
			if req == nil {
				continue
			}
			req.Whole = whole
			if err := failedMessage(i.Model.Messages(t.Context(), req)); err != nil {
				t.Errorf("after %d frames, whole=%v: %v", after, whole, err)
			}
			synctest.Wait()
			if n := i.Open(); n != 0 {
				t.Fatalf("after %d frames, whole=%v: %d upstream replies are still held", after, whole, n)
			}
		}
	}
}

// failedMessage ranges over a reply that must fail and says what it did wrong.
func failedMessage(seq iter.Seq2[llm.MessagesPiece, error]) error {
	var failed error
	for p, err := range seq {
		switch {
		case failed != nil:
			return fmt.Errorf("more after the error: %q, %w", p.Type, err)
		case p.Last:
			return errors.New("a last piece, as if the reply were whole")
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
