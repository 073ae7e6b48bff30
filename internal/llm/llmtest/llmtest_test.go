package llmtest_test

import (
	"context"
	"iter"
	"strings"
	"testing"
	"time"

	"outcrop/internal/llm"
	"outcrop/internal/llm/llmtest"
)

func ask(text string) *llm.ChatRequest {
	return &llm.ChatRequest{Messages: []llm.Message{{Role: llm.RoleUser, Parts: []llm.Part{llm.Text{Text: text}}}}}
}

func TestEcho(t *testing.T) {
	llmtest.TestChatModel(t, llmtest.Subject{New: func(*testing.T) llmtest.Instance {
		return llmtest.Instance{
			Model: llmtest.Echo{},
			Ask:   func() *llm.ChatRequest { return ask("one two three") },
			Open:  func() int { return 0 },
		}
	}})
}

// scripted plays the script that the request's text names.
type scripted struct{ plays map[string]*llmtest.Script }

func (s *scripted) Chat(ctx context.Context, req *llm.ChatRequest) iter.Seq2[llm.Event, error] {
	return s.plays[req.Messages[0].Parts[0].(llm.Text).Text].Chat(ctx, req)
}

func (s *scripted) open() (n int) {
	for _, script := range s.plays {
		n += script.Open()
	}
	return n
}

func TestScript(t *testing.T) {
	llmtest.TestChatModel(t, llmtest.Subject{New: newScripted, Frames: 3})
}

func newScripted(*testing.T) llmtest.Instance {
	scripts := &scripted{plays: map[string]*llmtest.Script{
		"text": llmtest.Play(llm.Start{Model: "script"}, llm.ReasoningDelta{Text: "hm"}, llm.ReasoningDelta{Signature: "s"},
			&llm.TextDelta{Text: "a"}, llm.Pause{}, &llm.TextDelta{Text: "b"}, llm.Finish{Reason: llm.FinishStop}),
		"tool": llmtest.Play(&llm.TextDelta{Text: "I look"}, llm.ToolCallStart{ID: "1", Name: "f"}, llm.ToolCallDelta{Args: `{"a"`},
			llm.ToolCallDelta{Args: `:1}`}, llm.ToolCallStart{Index: 1, ID: "2", Name: "g"}, llm.Finish{Reason: llm.FinishToolCalls}),
		string(llmtest.SlowStart): {Steps: []llmtest.Step{{Wait: time.Minute, Event: &llm.TextDelta{Text: "late"}}, {Event: llm.Finish{}}}},
	}}
	for _, f := range llmtest.Faults() {
		scripts.plays[string(f)] = &llmtest.Script{Steps: []llmtest.Step{
			{Event: &llm.TextDelta{Text: "a"}}, {Err: &llm.Error{Kind: llm.KindUpstream, Message: "It broke."}},
		}}
	}
	scripts.plays[string(llmtest.EndedEarly)] = llmtest.Play(&llm.TextDelta{Text: "a"})
	return llmtest.Instance{
		Model: scripts,
		Ask:   func() *llm.ChatRequest { return ask("text") },
		Tool:  func() *llm.ChatRequest { return ask("tool") },
		Fail:  func(f llmtest.Fault, _ int) *llm.ChatRequest { return ask(string(f)) },
		Open:  scripts.open,
	}
}

func TestOrderedRefusesWhatTheContractForbids(t *testing.T) {
	tests := map[string][]llm.Event{
		"no Finish":              {&llm.TextDelta{Text: "a"}},
		"no Finish for choice 1": {llm.Choice{Index: 1}, &llm.TextDelta{}, llm.Choice{}, llm.Finish{}},
		"no Finish for choice 0": {llm.Choice{Index: 1}, llm.Finish{}},
		"that is not the last":   {llm.Finish{Usage: llm.Usage{Input: 1}}, llm.Choice{Index: 1}, llm.Finish{}},
		"an event after":         {llm.Finish{}, &llm.TextDelta{}},
		"an event after Finish":  {llm.Choice{Index: 1}, llm.Finish{}, llm.Choice{}, llm.Finish{}, llm.Pause{}},
		"a Start that is not":    {&llm.TextDelta{}, llm.Start{}, llm.Finish{}},
		"begins as number":       {llm.ToolCallStart{Index: 1}, llm.Finish{}},
		"which has not begun":    {llm.ToolCallDelta{}, llm.Finish{}},
		"an unknown event nil":   {nil, llm.Finish{}},
	}
	for want, events := range tests {
		want = strings.ReplaceAll(want, " nil", "")
		if err := llmtest.Ordered(events); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestOrderedTakesChoicesInAnyOrder(t *testing.T) {
	err := llmtest.Ordered([]llm.Event{
		llm.Start{}, llm.Choice{Index: 1}, llm.ToolCallStart{}, llm.Choice{}, llm.ToolCallStart{}, llm.Choice{Index: 1},
		llm.BlobOut{}, llm.Finish{}, llm.Choice{}, llm.Citation{}, llm.Pause{}, llm.Finish{Usage: llm.Usage{Input: 1}},
	})
	if err != nil {
		t.Error(err)
	}
}

// several is a model that answers with three choices.
type several struct{ model llm.ChatModel }

func (s several) Chat(ctx context.Context, req *llm.ChatRequest) iter.Seq2[llm.Event, error] {
	return llm.SideBySide(ctx, 3, func(ctx context.Context, _ int) iter.Seq2[llm.Event, error] {
		return s.model.Chat(ctx, req)
	})
}

func TestSideBySide(t *testing.T) {
	llmtest.TestChatModel(t, llmtest.Subject{Frames: 3, New: func(t *testing.T) llmtest.Instance {
		instance := newScripted(t)
		instance.Model = several{instance.Model}
		return instance
	}})
	llmtest.TestChatModel(t, llmtest.Subject{New: func(*testing.T) llmtest.Instance {
		return llmtest.Instance{
			Model: several{llmtest.Echo{}},
			Ask:   func() *llm.ChatRequest { return ask("one two three") },
			Open:  func() int { return 0 },
		}
	}})
}
