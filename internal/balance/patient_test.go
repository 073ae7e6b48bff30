package balance_test

import (
	"context"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"outcrop/internal/balance"
	"outcrop/internal/llm"
	"outcrop/internal/llm/llmtest"
)

// silent takes requests, and says nothing.
type silent struct{}

func (silent) Chat(ctx context.Context, _ *llm.ChatRequest) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		if yield(llm.Start{Model: "silent"}, nil) {
			<-ctx.Done()
			yield(nil, context.Cause(ctx))
		}
	}
}

func good() *llmtest.Script {
	return llmtest.Play(llm.Start{Model: "good"}, &llm.TextDelta{Text: "Hi"}, llm.Finish{Reason: llm.FinishStop})
}

// TestAnUpstreamThatSaysNothingIsLeft: the next one answers, and the one that was silent rests.
func TestAnUpstreamThatSaysNothingIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := two()
		model := balance.Chat(g, []llm.ChatModel{balance.Patient(silent{}, time.Minute), balance.Patient(good(), time.Minute)})
		for i, want := range []time.Duration{time.Minute, 0} {
			began := time.Now()
			reply, err := llm.CollectOne(model.Chat(t.Context(), ask("Hi")))
			if took := time.Since(began); err != nil || reply.Text != "Hi" || took != want {
				t.Errorf("request %d: %+v, %v, after %v, want %v", i, reply, err, took, want)
			}
		}
		if s := g.State()[0]; s.Available || s.Failures != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// TestAnUpstreamIsBlamedForTime that is up before it said anything, and not for a client that left.
func TestAnUpstreamIsBlamedForTime(t *testing.T) {
	for _, tt := range []struct {
		name  string
		cause error
		want  uint64
	}{
		{"time is up", &llm.Error{Kind: llm.KindTimeout, Message: "Too late."}, 1},
		{"the client left", context.Canceled, 0},
		{"the server stops", &llm.Error{Kind: llm.KindServerUnavailable, Message: "Stopping."}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := two()
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Minute, func() { cancel(tt.cause) })
				if _, err := llm.CollectOne(balance.Chat(g, []llm.ChatModel{silent{}, good()}).Chat(ctx, ask("Hi"))); err == nil {
					t.Error("no error")
				}
				if s := g.State()[0]; s.Failures != tt.want {
					t.Errorf("%+v, want %d failures", s, tt.want)
				}
			})
		})
	}
}

// TestPatienceIsForTheFirstWord of a stream alone.
func TestPatienceIsForTheFirstWord(t *testing.T) {
	slow := func() *llmtest.Script {
		return &llmtest.Script{Steps: []llmtest.Step{{Event: &llm.TextDelta{Text: "a"}}, {Wait: time.Hour, Event: &llm.TextDelta{Text: "b"}}, {Event: llm.Finish{}}}}
	}
	synctest.Test(t, func(t *testing.T) {
		if reply, err := llm.CollectOne(balance.Patient(slow(), time.Minute).Chat(t.Context(), ask("Hi"))); err != nil || reply.Text != "ab" {
			t.Errorf("%+v, %v", reply, err)
		}
		late := &llmtest.Script{Steps: []llmtest.Step{{Wait: time.Hour, Event: &llm.TextDelta{Text: "b"}}, {Event: llm.Finish{}}}}
		whole := ask("Hi")
		whole.Whole = true
		if reply, err := llm.CollectOne(balance.Patient(late, time.Minute).Chat(t.Context(), whole)); err != nil || reply.Text != "b" {
			t.Errorf("%+v, %v", reply, err)
		}
	})
}
