package bedrock

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/llm"
	"outcrop/internal/models"
)

func TestSampling(t *testing.T) {
	sampling := func(temperature, topP *float64) llm.ChatRequest {
		return llm.ChatRequest{Sampling: llm.Sampling{Temperature: temperature, TopP: topP}}
	}
	k := `{"top_k":5}`
	check(t, []rule{
		{name: "both", model: claude35, req: sampling(new(0.5), new(0.9)), want: map[string]string{
			"inferenceConfig.temperature": "0.5", "inferenceConfig.topP": "0.9"}},
		{name: "one of them", model: sonnet45, req: sampling(new(0.5), new(0.9)), want: map[string]string{
			"inferenceConfig.temperature": "0.5", "inferenceConfig.topP": ""}, ignored: []string{"top_p"}},
		{name: "a temperature of 1 says nothing", model: sonnet45, req: sampling(new(1.0), new(0.9)), want: map[string]string{
			"inferenceConfig.temperature": "", "inferenceConfig.topP": "0.9"}},
		{name: "a top_p of 1 says nothing", model: sonnet45, req: sampling(new(0.2), new(1.0)), want: map[string]string{
			"inferenceConfig.temperature": "0.2", "inferenceConfig.topP": ""}},
		{name: "neither", model: opus47, req: sampling(new(0.5), new(0.9)), want: map[string]string{
			"inferenceConfig": `{"maxTokens":128000}`}, ignored: []string{"temperature", "top_p"}},
		{name: "neither, at their defaults", model: opus47, req: sampling(new(1.0), new(1.0)), want: map[string]string{"inferenceConfig": `{"maxTokens":128000}`}},
		{name: "a Claude that thinks", model: sonnet45, req: with(sampling(new(0.5), nil), func(r *llm.ChatRequest) { r.Effort = "low" }),
			want: map[string]string{"inferenceConfig.temperature": ""}, ignored: []string{"temperature"}},
		{name: "a Claude that thinks takes no top_k", model: sonnet45, req: with(configured(k), func(r *llm.ChatRequest) { r.Effort = "low" }),
			want: map[string]string{extraAll + ".top_k": ""}, ignored: []string{"custom_fields.configuration.top_k"}},
		{name: "hot", model: novaLite, req: sampling(new(1.7), nil), want: map[string]string{"inferenceConfig.temperature": "1"}, changed: []string{"temperature"}},
		{name: "top_k of Claude", model: claude35, req: configured(k), want: map[string]string{extraAll: `{"top_k":5}`}},
		{name: "top_k of Nova", model: novaLite, req: configured(k), want: map[string]string{extraAll: `{"inferenceConfig":{"topK":5}}`}},
		{name: "top_k of a Claude without sampling", model: opus47, req: configured(k), ignored: []string{"custom_fields.configuration.top_k"}},
		{name: "top_k of Llama", model: llama33, req: configured(k), refused: "custom_fields.configuration.top_k"},
	})
}

func TestMaxTokens(t *testing.T) {
	check(t, []rule{
		{name: "the client's", model: novaLite, req: llm.ChatRequest{MaxTokens: 7}, want: map[string]string{"inferenceConfig.maxTokens": "7"}},
		{name: "the model's own", model: novaLite, want: map[string]string{"inferenceConfig.maxTokens": "10000"}},
		{name: "what the publisher says, not all that Converse takes", model: qwenCoder, want: map[string]string{"inferenceConfig.maxTokens": "131072"}},
		{name: "half the window at most", model: gptOSS, want: map[string]string{"inferenceConfig.maxTokens": "65536"}},
		{name: "a long prompt leaves less", model: gptOSS, req: llm.ChatRequest{Messages: ask(strings.Repeat("word ", 60_000))},
			want: map[string]string{"inferenceConfig.maxTokens": "24636"}},
		{name: "and room for a reply, however long the prompt", model: gptOSS, req: llm.ChatRequest{Messages: ask(strings.Repeat("word ", 120000))},
			want: map[string]string{"inferenceConfig.maxTokens": "1024"}},
		{name: "beyond the model's", model: novaLite, req: llm.ChatRequest{MaxTokens: 20_000}, want: map[string]string{"inferenceConfig.maxTokens": "10000"}, changed: []string{"max_tokens"}},
		{name: "by the client's name", model: novaLite, req: llm.ChatRequest{MaxTokens: 20_000, MaxTokensAt: "max_completion_tokens"}, changed: []string{"max_completion_tokens"}},
		{name: "beyond the publisher's, within Converse's", model: qwen32, req: llm.ChatRequest{MaxTokens: 20_000}, want: map[string]string{"inferenceConfig.maxTokens": "20000"}},
		{name: "a beta lifts Claude 3.7's", model: claude37, req: with(configured(`{"betas":["output-128k-2025-02-19"]}`), func(r *llm.ChatRequest) { r.MaxTokens = 100_000 }),
			want: map[string]string{"inferenceConfig.maxTokens": "100000"}},
		{name: "a model that nobody listed", model: stranger, want: map[string]string{"inferenceConfig": ""}},
	})
}

// TestMaxTokensAreAlwaysSent holds for every chat model of which a limit is known.
func TestMaxTokensAreAlwaysSent(t *testing.T) {
	catalogue, err := models.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range catalogue.All() {
		tr := traitsOf(catalogue, m.ID, "")
		if m.Kind != models.Chat || m.MaxOutputTokens == 0 && m.ConverseMaxTokens == 0 {
			continue
		}
		call, err := build(&llm.ChatRequest{Messages: ask("Hi")}, &tr)
		if err != nil {
			t.Fatal(m.ID, err)
		}
		if !strings.Contains(string(call.body), `"maxTokens":`) {
			t.Errorf("%s: %s", m.ID, call.body)
		}
	}
}

func TestStopSequences(t *testing.T) {
	many := llm.ChatRequest{Stop: []string{"1", "2", "3", "4", "5", "6"}}
	native := "inferenceConfig.stopSequences"
	check(t, []rule{
		{name: "Claude takes many", model: sonnet45, req: many, want: map[string]string{native: `["1","2","3","4","5","6"]`}},
		{name: "Nova takes four", model: novaLite, req: many, want: map[string]string{native: `["1","2","3","4"]`}},
		{name: "Mistral takes ten", model: mistral, req: many, want: map[string]string{native: `["1","2","3","4","5","6"]`}},
		{name: "of others it is not known", model: stranger, req: many, want: map[string]string{native: `["1","2","3","4"]`}},
		{name: "white space is searched for here", model: sonnet45, req: llm.ChatRequest{Stop: []string{"\n\n", "END"}}, want: map[string]string{native: `["END"]`}},
		{name: "white space alone", model: sonnet45, req: llm.ChatRequest{Stop: []string{"\n"}}, want: map[string]string{native: ""}},
		{name: "nothing", model: sonnet45, req: llm.ChatRequest{Stop: []string{"a", ""}}, refused: "stop[1]"},
	})
	for model, want := range map[string][]string{sonnet45: nil, mistral: nil, novaLite: many.Stop, stranger: many.Stop} {
		call, err := build(&llm.ChatRequest{Stop: many.Stop, Messages: ask("Hi")}, modelTraits(t, model))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, call.stops); diff != "" {
			t.Errorf("%s searches for %s", model, diff)
		}
	}
}

// decorated is what becomes of events on their way to the client.
func decorated(c *converse, events ...llm.Event) (out []llm.Event) {
	yield := c.decorate(func(event llm.Event, err error) bool {
		if err != nil {
			out = append(out, &llm.TextDelta{Text: "error " + err.Error()})
			return false
		}
		// Neighbouring texts are one: how they are cut up is no promise.
		if text, ok := event.(*llm.TextDelta); ok && len(out) > 0 {
			if last, ok := out[len(out)-1].(*llm.TextDelta); ok {
				out[len(out)-1] = &llm.TextDelta{Text: last.Text + text.Text}
				return true
			}
		}
		out = append(out, event)
		return true
	})
	for _, event := range events {
		yield(event, nil)
	}
	return out
}

func TestStopsAreFoundAcrossDeltas(t *testing.T) {
	usage := llm.Usage{Input: 3, Output: 9}
	finish := llm.Finish{Reason: llm.FinishLength, Usage: usage}
	stopped := llm.Finish{Reason: llm.FinishStop, Usage: usage}
	text := func(s string) llm.Event { return &llm.TextDelta{Text: s} }
	call := llm.ToolCallStart{ID: "t", Name: "f"}
	for _, c := range []struct {
		name  string
		stops []string
		in    []llm.Event
		want  []llm.Event
	}{
		{"across deltas", []string{"STOP"}, []llm.Event{text("one ST"), text("OP two"), text("three"), call, finish}, []llm.Event{text("one "), stopped}},
		{"not there", []string{"STOP"}, []llm.Event{text("one ST"), text("ART"), finish}, []llm.Event{text("one START"), finish}},
		{"at the very end", []string{"STOP"}, []llm.Event{text("one S"), text("T"), finish}, []llm.Event{text("one ST"), finish}},
		{"at the very beginning", []string{"one"}, []llm.Event{text("o"), text("n"), text("e"), finish}, []llm.Event{stopped}},
		{"the one that is complete first", []string{"abcd", "c"}, []llm.Event{text("xabcd"), finish}, []llm.Event{text("xab"), stopped}},
		{"the same in pieces", []string{"abcd", "c"}, []llm.Event{text("xa"), text("b"), text("c"), text("d"), finish}, []llm.Event{text("xab"), stopped}},
		{"a beginning within a beginning", []string{"aab"}, []llm.Event{text("a"), text("a"), text("a"), text("b"), finish}, []llm.Event{text("a"), stopped}},
		{"held text comes before a call", []string{"STOP"}, []llm.Event{text("ST"), call, finish}, []llm.Event{text("ST"), call, finish}},
		{"thoughts are not searched", []string{"STOP"}, []llm.Event{llm.ReasoningDelta{Text: "STOP"}, text("x"), finish},
			[]llm.Event{llm.ReasoningDelta{Text: "STOP"}, text("x"), finish}},
		{"a filtered reply stays one", []string{"b"}, []llm.Event{text("abc"), llm.Finish{Reason: llm.FinishContentFilter}},
			[]llm.Event{text("a"), llm.Finish{Reason: llm.FinishContentFilter}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, decorated(&converse{stops: c.stops}, c.in...)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
