package llm_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/llm"
	"outcrop/internal/llm/llmtest"
)

// together runs the scripts side by side.
func together(ctx context.Context, scripts []*llmtest.Script) iter.Seq2[llm.Event, error] {
	return llm.SideBySide(ctx, len(scripts), func(ctx context.Context, i int) iter.Seq2[llm.Event, error] {
		return scripts[i].Chat(ctx, nil)
	})
}

// after is a script whose events come after that many seconds each.
func after(seconds int, events ...llm.Event) *llmtest.Script {
	s := &llmtest.Script{}
	for _, event := range events {
		s.Steps = append(s.Steps, llmtest.Step{Wait: time.Duration(seconds) * time.Second, Event: event}, llmtest.Step{Event: llm.Pause{}})
	}
	s.Steps = s.Steps[:len(s.Steps)-1]
	return s
}

func open(scripts []*llmtest.Script) (n int) {
	for _, s := range scripts {
		n += s.Open()
	}
	return n
}

func TestSideBySideYieldsEveryChoiceAsItComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		used := llm.Finish{Reason: llm.FinishStop, Usage: llm.Usage{Input: 1, Output: 2}}
		scripts := []*llmtest.Script{
			after(4, llm.Start{ID: "0"}, &llm.TextDelta{Text: "a"}, &llm.TextDelta{Text: "b"}, used),
			after(5, llm.Start{ID: "1"}, &llm.TextDelta{Text: "b"}, &llm.TextDelta{Text: "c"}, used),
		}
		var got []string
		for event, err := range together(t.Context(), scripts) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, strings.TrimLeft(fmt.Sprintf("%T", event), "*lm."))
			switch e := event.(type) {
			case llm.Start:
				got[len(got)-1] += e.ID
			case llm.Choice:
				got[len(got)-1] += fmt.Sprint(e.Index)
			case llm.Finish:
				got[len(got)-1] += fmt.Sprint(e.Usage.Input, e.Usage.Output)
			}
		}
		want := "Start0 TextDelta Pause Choice1 TextDelta Pause Choice0 TextDelta Pause Choice1 TextDelta Pause " +
			"Choice0 Finish0 0 Pause Choice1 Finish2 4"
		if s := strings.Join(got, " "); s != want {
			t.Errorf("got  %s\nwant %s", s, want)
		}
	})
}

func TestSideBySideOfOneIsTheSequence(t *testing.T) {
	var got []llm.Event
	script := llmtest.Play(llm.Start{}, &llm.TextDelta{Text: "a"}, llm.Finish{Usage: llm.Usage{Input: 1}})
	for event, err := range together(t.Context(), []*llmtest.Script{script}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, event)
	}
	want := []llm.Event{llm.Start{}, &llm.TextDelta{Text: "a"}, llm.Finish{Usage: llm.Usage{Input: 1}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTheFirstErrorOfAChoiceIsTheReplys(t *testing.T) {
	broken := &llm.Error{Kind: llm.KindUpstream, Message: "It broke."}
	for at := range 4 {
		synctest.Test(t, func(t *testing.T) {
			failing := after(5, llm.Start{}, &llm.TextDelta{Text: "a"}, &llm.TextDelta{Text: "b"}, llm.Finish{})
			failing.Steps[2*at].Event, failing.Steps[2*at].Err = nil, broken
			endless := &llmtest.Script{}
			for range 100 {
				endless.Steps = append(endless.Steps, llmtest.Step{Wait: time.Second, Event: &llm.TextDelta{Text: "x"}}, llmtest.Step{Event: llm.Pause{}})
			}
			scripts := []*llmtest.Script{endless, failing, after(1000, llm.Start{})}
			began, errs := time.Now(), []error(nil)
			for event, err := range together(t.Context(), scripts) {
				if _, done := event.(llm.Finish); done {
					t.Error("a Finish")
				}
				if err != nil {
					errs = append(errs, err)
					if n := open(scripts); n != 0 {
						t.Errorf("%d choices are still running when the error is told", n)
					}
				}
			}
			if len(errs) != 1 || !errors.Is(errs[0], broken) {
				t.Errorf("got %v", errs)
			}
			if took := time.Since(began); took != time.Duration(5*(at+1))*time.Second {
				t.Errorf("told after %v", took)
			}
		})
	}
}

func TestLeavingAndCancellingEndEveryChoice(t *testing.T) {
	scripts := func() []*llmtest.Script {
		return []*llmtest.Script{
			after(1, llm.Start{}, &llm.TextDelta{Text: "a"}, llm.Finish{}),
			after(2, llm.Start{}, &llm.TextDelta{Text: "a"}, &llm.TextDelta{Text: "a"}, llm.Finish{}),
			after(1000, llm.Start{}, llm.Finish{}),
		}
	}
	for leaveAt := range 14 {
		synctest.Test(t, func(t *testing.T) {
			s, n := scripts(), 0
			for _, err := range together(t.Context(), s) {
				if n++; n > leaveAt || err != nil {
					break
				}
			}
			if open(s) != 0 {
				t.Errorf("left at %d: %d choices are still running", leaveAt, open(s))
			}
		})
		synctest.Test(t, func(t *testing.T) {
			s, n, last := scripts(), 0, error(nil)
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(leaveAt)*500*time.Millisecond+time.Millisecond)
			defer cancel()
			for _, err := range together(ctx, s) {
				n++
				last = err
			}
			if llm.AsError(last).Kind != llm.KindCanceled || open(s) != 0 {
				t.Errorf("cancelled at %d: %v after %d events, %d choices are still running", leaveAt, last, n, open(s))
			}
		})
	}
}

func TestAChoiceThatBreaksTheContract(t *testing.T) {
	play := func(first iter.Seq2[llm.Event, error]) iter.Seq2[llm.Event, error] {
		return llm.SideBySide(t.Context(), 2, func(_ context.Context, i int) iter.Seq2[llm.Event, error] {
			if i == 0 {
				return first
			}
			return func(yield func(llm.Event, error) bool) { yield(llm.Finish{}, nil) }
		})
	}
	var last error
	for _, err := range play(func(yield func(llm.Event, error) bool) { yield(&llm.TextDelta{Text: "a"}, nil) }) {
		last = err
	}
	if last == nil || !strings.Contains(last.Error(), "without a finish") {
		t.Errorf("a choice without a Finish: %v", last)
	}
	events := []llm.Event{}
	for event, err := range play(func(yield func(llm.Event, error) bool) {
		_ = yield(llm.Finish{}, nil) && yield(&llm.TextDelta{Text: "late"}, nil) && yield(llm.Pause{}, nil)
	}) {
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, event)
	}
	if err := llmtest.Ordered(events); err != nil {
		t.Errorf("an event after a choice's Finish: %v in %v", err, events)
	}
	defer func() {
		if p := fmt.Sprint(recover()); !strings.HasPrefix(p, "a fault\n\ngoroutine") {
			t.Errorf("the panic of a choice came as %s", p)
		}
	}()
	for _, err := range play(func(func(llm.Event, error) bool) { panic("a fault") }) {
		if err != nil {
			t.Error(err)
		}
	}
}

func TestCollectKeepsChoicesApart(t *testing.T) {
	replies, err := llm.Collect(func(yield func(llm.Event, error) bool) {
		for _, event := range []llm.Event{
			llm.Start{Model: "m"}, llm.Choice{Index: 1}, &llm.TextDelta{Text: "b"}, llm.Choice{}, &llm.TextDelta{Text: "a"},
			llm.BlobOut{Blob: llm.Blob{MIME: "image/png", Base64: "AA=="}}, llm.Choice{Index: 1}, llm.Finish{Reason: llm.FinishLength},
			llm.Choice{}, llm.Citation{Title: "t"}, llm.Finish{Reason: llm.FinishStop, Usage: llm.Usage{Input: 3}},
		} {
			if !yield(event, nil) {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []*llm.Reply{
		{
			Start: llm.Start{Model: "m"}, Text: "a", Blobs: []llm.BlobOut{{Blob: llm.Blob{MIME: "image/png", Base64: "AA=="}}},
			Citations: []llm.Citation{{Title: "t"}}, Finish: llm.Finish{Reason: llm.FinishStop},
		},
		{Start: llm.Start{Model: "m"}, Text: "b", Finish: llm.Finish{Reason: llm.FinishLength, Usage: llm.Usage{Input: 3}}},
	}
	if diff := cmp.Diff(want, replies); diff != "" {
		t.Error(diff)
	}
}
