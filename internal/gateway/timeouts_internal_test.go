package gateway

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"outcrop/internal/catalog"
	"outcrop/internal/llm"
	"outcrop/internal/llm/llmtest"
	"outcrop/internal/openai"
)

func TestTimeouts(t *testing.T) {
	word := func(after time.Duration) llmtest.Step {
		return llmtest.Step{Wait: after, Event: &llm.TextDelta{Text: "a"}}
	}
	idle := func(after time.Duration, e llm.Event) llmtest.Step { return llmtest.Step{Wait: after, Event: e} }
	finish := llm.Finish{Reason: llm.FinishStop}
	limits := catalog.Timeouts{FirstToken: 10 * time.Second, InterToken: 5 * time.Second, Total: time.Minute}
	broken := errors.New("broken")
	for _, tt := range []struct {
		name   string
		limits catalog.Timeouts
		steps  []llmtest.Step
		slow   time.Duration // the client takes that for every event
		ends   time.Duration
		kind   llm.Kind // KindInternal for a good end
	}{
		{"in time", limits, []llmtest.Step{word(9 * time.Second), word(4 * time.Second), word(4 * time.Second), idle(4*time.Second, finish)}, 0, 21 * time.Second, 0},
		{"no first token", limits, []llmtest.Step{word(11 * time.Second)}, 0, 10 * time.Second, llm.KindTimeout},
		{"a start is no token", limits, []llmtest.Step{idle(6*time.Second, llm.Start{}), idle(0, llm.Pause{}), word(6 * time.Second)}, 0, 10 * time.Second, llm.KindTimeout},
		{"silence after a token", limits, []llmtest.Step{word(time.Second), word(6 * time.Second)}, 0, 6 * time.Second, llm.KindTimeout},
		{"silence after several", limits, []llmtest.Step{word(time.Second), word(time.Second), idle(0, llm.Pause{}), word(6 * time.Second)}, 0, 7 * time.Second, llm.KindTimeout},
		{"silence that nothing announces has twice the limit at most", limits, []llmtest.Step{word(0), word(time.Second), word(20 * time.Second)}, 0, 10 * time.Second, llm.KindTimeout},
		{"several tokens in time", limits, []llmtest.Step{word(0), word(4 * time.Second), word(4 * time.Second), idle(4*time.Second, llm.Pause{}), word(time.Second), idle(4*time.Second, finish)}, 0, 17 * time.Second, 0},
		{"a pause is no token", limits, []llmtest.Step{word(0), idle(3*time.Second, llm.Pause{}), word(3 * time.Second)}, 0, 5 * time.Second, llm.KindTimeout},
		{"a slow client is not the model's fault", limits, []llmtest.Step{idle(0, llm.Start{}), idle(0, llm.Pause{}), word(0), idle(0, llm.Pause{}), idle(0, finish)}, 9 * time.Second, 45 * time.Second, 0},
		{"but has no longer than the total", limits, []llmtest.Step{word(0), word(0), word(0), word(time.Second)}, 20 * time.Second, time.Minute, llm.KindTimeout},
		{"the total alone", catalog.Timeouts{Total: time.Second}, []llmtest.Step{word(2 * time.Second)}, 0, time.Second, llm.KindTimeout},
		{"between tokens alone", catalog.Timeouts{InterToken: time.Second}, []llmtest.Step{word(time.Hour), word(2 * time.Second)}, 0, time.Hour + time.Second, llm.KindTimeout},
		{"the model's own error", limits, []llmtest.Step{word(0), {Wait: time.Second, Err: &llm.Error{Kind: llm.KindUnavailable, Err: broken}}}, 0, time.Second, llm.KindUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				script := &llmtest.Script{Steps: tt.steps}
				began := time.Now()
				var failed error
				for _, err := range withTimeouts(script, tt.limits).Chat(t.Context(), &llm.ChatRequest{}) {
					failed = err
					time.Sleep(tt.slow)
				}
				d := time.Since(began)
				if failed != nil {
					d -= tt.slow
				}
				kind := llm.KindInternal
				if failed != nil {
					kind = llm.AsError(failed).Kind
				}
				if d != tt.ends || kind != tt.kind || script.Open() != 0 {
					t.Errorf("ended after %v with %v, %d open", d, failed, script.Open())
				}
			})
		})
	}
}

// TestTheTotalIsOfAllChoices: also of those that wait for their turn.
func TestTheTotalIsOfAllChoices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := catalog.Timeouts{Total: time.Minute}
		script := &llmtest.Script{Steps: []llmtest.Step{{Wait: 40 * time.Second, Event: llm.Finish{Reason: llm.FinishStop}}}}
		d := &catalog.Deployment{Chat: script, Timeouts: limits}
		c := &call{served: &served{Deployment: d, chat: withTimeouts(script, limits)}, req: &llm.ChatRequest{}, shape: openai.Shape{N: choicesAtOnce + 1}}
		began := time.Now()
		_, err := llm.Collect(c.ask(t.Context()))
		if e := llm.AsError(err); e.Kind != llm.KindTimeout || time.Since(began) != time.Minute || script.Open() != 0 {
			t.Errorf("after %v: %v, %d open", time.Since(began), err, script.Open())
		}
	})
}

// TestTimeoutsLeaveWithTheClient: a client that leaves or is gone is not late.
func TestTimeoutsLeaveWithTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := &llmtest.Script{Steps: []llmtest.Step{{Event: llm.Start{}}, {Wait: time.Hour, Event: &llm.TextDelta{}}}}
		m := withTimeouts(script, catalog.Timeouts{FirstToken: time.Minute, Total: time.Minute})
		for _, err := range m.Chat(t.Context(), &llm.ChatRequest{}) {
			if err != nil {
				t.Error(err)
			}
			break
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err := llm.CollectOne(m.Chat(ctx, &llm.ChatRequest{}))
		if e := llm.AsError(err); e.Kind != llm.KindCanceled {
			t.Errorf("got %v", err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if script.Open() != 0 {
			t.Error("the model is still open")
		}
	})
	var none llm.ChatModel
	if withTimeouts(none, catalog.Timeouts{Total: 1}) != nil {
		t.Error("a deployment that does not chat does")
	}
	script := llmtest.Play()
	if withTimeouts(script, catalog.Timeouts{Heartbeat: 1}) != llm.ChatModel(script) {
		t.Error("a model without timeouts is wrapped")
	}
}

func TestTimeoutsKeepTheContract(t *testing.T) {
	llmtest.TestChatModel(t, llmtest.Subject{New: func(*testing.T) llmtest.Instance {
		script := llmtest.Play(llm.Start{ID: "1"}, &llm.TextDelta{Text: "one"}, llm.Pause{}, &llm.TextDelta{Text: "two"}, llm.Finish{Reason: llm.FinishStop})
		return llmtest.Instance{
			Model: withTimeouts(script, catalog.Timeouts{FirstToken: time.Minute, InterToken: time.Minute, Total: time.Hour}),
			Ask:   func() *llm.ChatRequest { return &llm.ChatRequest{} },
			Open:  script.Open,
		}
	}})
}
