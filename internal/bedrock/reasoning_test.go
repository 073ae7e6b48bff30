package bedrock

import (
	"slices"
	"testing"

	"outcrop/internal/llm"
)

func effort(word string) llm.ChatRequest { return llm.ChatRequest{Effort: word} }

const (
	extraThinking = "additionalModelRequestFields.thinking"
	extraEffort   = "additionalModelRequestFields.output_config"
	extraAll      = "additionalModelRequestFields"
)

func TestEffort(t *testing.T) {
	one := []string{"reasoning_effort"}
	check(t, []rule{
		{name: "a Claude that counts tokens gets a budget", model: sonnet45, req: effort("medium"),
			want: map[string]string{extraAll: `{"thinking":{"budget_tokens":8192,"type":"enabled"}}`, "inferenceConfig.maxTokens": "64000"}},
		{name: "low", model: claude37, req: effort("low"), want: map[string]string{extraThinking: `{"budget_tokens":2048,"type":"enabled"}`}},
		{name: "minimal", model: sonnet45, req: effort("minimal"), want: map[string]string{extraThinking: `{"budget_tokens":1024,"type":"enabled"}`}},
		{name: "max", model: sonnet45, req: effort("max"), want: map[string]string{extraThinking: `{"budget_tokens":32000,"type":"enabled"}`}},
		{name: "a budget leaves room for the answer", model: sonnet45, req: llm.ChatRequest{Effort: "high", MaxTokens: 4000},
			want: map[string]string{extraThinking: `{"budget_tokens":3000,"type":"enabled"}`, "inferenceConfig.maxTokens": "4000"}},
		{name: "no room for thinking", model: sonnet45, req: llm.ChatRequest{Effort: "high", MaxTokens: 1024},
			want: map[string]string{extraAll: ""}, ignored: one},
		{name: "none on Claude 4.5 sends nothing", model: sonnet45, req: effort("none"), want: map[string]string{extraAll: ""}},
		{name: "a Claude that adapts gets the effort and shows its thoughts", model: opus47, req: effort("xhigh"),
			want: map[string]string{extraAll: `{"output_config":{"effort":"xhigh"},"thinking":{"display":"summarized","type":"adaptive"}}`}},
		{name: "4.6 has no xhigh", model: sonnet46, req: effort("xhigh"),
			want: map[string]string{extraAll: `{"output_config":{"effort":"high"},"thinking":{"type":"adaptive"}}`}, changed: one},
		{name: "4.6 has max", model: sonnet46, req: effort("max"), want: map[string]string{extraEffort: `{"effort":"max"}`}},
		{name: "minimal is low on an adaptive Claude", model: opus47, req: effort("minimal"), want: map[string]string{extraEffort: `{"effort":"low"}`}, changed: one},
		{name: "none on an adaptive Claude", model: opus47, req: effort("none"), want: map[string]string{extraAll: `{"thinking":{"type":"disabled"}}`}},
		{name: "a Claude that cannot stop thinking", model: fable5, req: effort("none"), refused: "reasoning_effort"},
		{name: "a Claude that does not think", model: claude35, req: effort("high"), want: map[string]string{extraAll: ""}, ignored: one},
		{name: "Nova 2", model: nova2, req: effort("low"), want: map[string]string{
			extraAll: `{"reasoningConfig":{"maxReasoningEffort":"low","type":"enabled"}}`, "inferenceConfig.maxTokens": "65535"}},
		{name: "Nova 2 at high effort bounds itself", model: nova2, req: llm.ChatRequest{
			Effort: "high", MaxTokens: 100, Sampling: llm.Sampling{Temperature: new(1.0), TopP: new(0.9)}},
			want: map[string]string{"inferenceConfig": ""}, ignored: []string{"temperature", "top_p", "max_tokens"}},
		{name: "Nova 2 has no xhigh", model: nova2, req: effort("xhigh"), want: map[string]string{
			extraAll: `{"reasoningConfig":{"maxReasoningEffort":"high","type":"enabled"}}`}, changed: one},
		{name: "Nova 2 off", model: nova2, req: effort("none"), want: map[string]string{extraAll: `{"reasoningConfig":{"type":"disabled"}}`}},
		{name: "Nova 1 does not reason", model: novaLite, req: effort("low"), want: map[string]string{extraAll: ""}, ignored: one},
		{name: "gpt-oss", model: gptOSS, req: effort("medium"), want: map[string]string{extraAll: `{"reasoning_effort":"medium"}`}},
		{name: "gpt-oss has no minimal", model: gptOSS, req: effort("minimal"), want: map[string]string{extraAll: `{"reasoning_effort":"low"}`}, changed: one},
		{name: "gpt-oss has no max", model: gptOSS, req: effort("max"), want: map[string]string{extraAll: `{"reasoning_effort":"high"}`}, changed: one},
		{name: "gpt-oss always reasons", model: gptOSS, req: effort("none"), refused: "reasoning_effort"},
		{name: "Qwen3", model: qwen32, req: effort("high"), want: map[string]string{extraAll: `{"reasoning_config":"high"}`}},
		{name: "DeepSeek V3 off", model: deepseekV3, req: effort("none"), want: map[string]string{extraAll: ""}},
		{name: "DeepSeek R1 always reasons", model: deepseekR1, req: effort("low"), want: map[string]string{extraAll: ""}, ignored: one},
		{name: "DeepSeek R1 cannot stop", model: deepseekR1, req: effort("none"), refused: "reasoning_effort"},
		{name: "GPT takes every word", model: gpt56, req: effort("none"), want: map[string]string{extraAll: `{"reasoning_config":"none"}`}},
		{name: "a model that reasons nobody knows how", model: kimi, req: effort("low"), ignored: one},
		{name: "Llama", model: llama33, req: effort("low"), ignored: one},
		{name: "Llama none", model: llama33, req: effort("none")},
		{name: "a word that is none", model: sonnet45, req: effort("extreme"), refused: "reasoning_effort"},
	})
}

func TestThinkingConfiguration(t *testing.T) {
	forced := llm.ToolChoice{Mode: llm.ToolRequired}
	thinking := `{"thinking":{"type":"enabled","budget_tokens":2000}}`
	check(t, []rule{
		{name: "a budget", model: sonnet45, req: configured(thinking), want: map[string]string{extraThinking: `{"budget_tokens":2000,"type":"enabled"}`}},
		{name: "a budget and an effort", model: sonnet45, req: with(configured(thinking), func(r *llm.ChatRequest) { r.Effort = "high" }),
			want: map[string]string{extraThinking: `{"budget_tokens":2000,"type":"enabled"}`}, ignored: []string{"reasoning_effort"}},
		{name: "thinking without a budget takes the effort's", model: sonnet45, req: with(configured(`{"thinking":{"type":"enabled"}}`), func(r *llm.ChatRequest) { r.Effort = "low" }),
			want: map[string]string{extraThinking: `{"budget_tokens":2048,"type":"enabled"}`}},
		{name: "a budget below the least", model: sonnet45, req: configured(`{"thinking":{"type":"enabled","budget_tokens":1000}}`),
			refused: "custom_fields.configuration.thinking.budget_tokens"},
		{name: "a budget above max_tokens", model: sonnet45, req: with(configured(thinking), func(r *llm.ChatRequest) { r.MaxTokens = 2000 }),
			refused: "custom_fields.configuration.thinking.budget_tokens"},
		{name: "4.6 takes a budget still", model: sonnet46, req: configured(thinking), want: map[string]string{extraThinking: `{"budget_tokens":2000,"type":"enabled"}`}},
		{name: "a budget becomes an effort", model: opus47, req: configured(`{"thinking":{"type":"enabled","budget_tokens":20000}}`),
			want:    map[string]string{extraAll: `{"output_config":{"effort":"high"},"thinking":{"display":"summarized","type":"adaptive"}}`},
			changed: []string{"custom_fields.configuration.thinking"}},
		{name: "adaptive becomes a budget", model: sonnet45, req: configured(`{"thinking":{"type":"adaptive"}}`),
			want: map[string]string{extraThinking: `{"budget_tokens":8192,"type":"enabled"}`}, changed: []string{"custom_fields.configuration.thinking"}},
		{name: "display", model: opus47, req: configured(`{"thinking":{"type":"adaptive","display":"omitted"}}`),
			want: map[string]string{extraThinking: `{"display":"omitted","type":"adaptive"}`}},
		{name: "disabled with an effort for the answer", model: opus47, req: configured(`{"thinking":{"type":"disabled"},"effort":"low"}`),
			want: map[string]string{extraAll: `{"output_config":{"effort":"low"},"thinking":{"type":"disabled"}}`}},
		{name: "a Claude that cannot think", model: claude35, req: configured(thinking), refused: "custom_fields.configuration.thinking"},
		{name: "a contradiction", model: sonnet45, req: with(configured(thinking), func(r *llm.ChatRequest) { r.Effort = "none" }),
			refused: "custom_fields.configuration.thinking"},
		{name: "two efforts", model: opus47, req: with(configured(`{"effort":"low"}`), func(r *llm.ChatRequest) { r.Effort = "high" }),
			refused: "custom_fields.configuration.effort"},
		{name: "two efforts that agree", model: opus47, req: with(configured(`{"effort":"low"}`), func(r *llm.ChatRequest) { r.Effort = "low" }),
			want: map[string]string{extraEffort: `{"effort":"low"}`}},
		{name: "a budget beside an effort", model: sonnet45, req: with(configured(thinking), func(r *llm.ChatRequest) { r.Effort = "high" }),
			want: map[string]string{extraThinking: `{"budget_tokens":2000,"type":"enabled"}`}, ignored: []string{"reasoning_effort"}},
		{name: "Nova's own", model: nova2, req: configured(`{"reasoningConfig":{"type":"enabled","maxReasoningEffort":"medium"}}`),
			want: map[string]string{extraAll: `{"reasoningConfig":{"maxReasoningEffort":"medium","type":"enabled"}}`}},
		{name: "gpt-oss's own", model: gptOSS, req: configured(`{"reasoning_effort":"high"}`), want: map[string]string{extraAll: `{"reasoning_effort":"high"}`}},
		{name: "Qwen's own", model: qwen32, req: configured(`{"reasoning_config":"low"}`), want: map[string]string{extraAll: `{"reasoning_config":"low"}`}},
		{name: "a forced tool ends an effort's thinking", model: sonnet45, req: llm.ChatRequest{Effort: "low", Tools: weather(), ToolChoice: forced},
			want: map[string]string{extraAll: "", "toolConfig.toolChoice": `{"any":{}}`}, ignored: []string{"reasoning_effort"}},
		{name: "a forced tool and an adaptive Claude", model: opus47, req: llm.ChatRequest{Effort: "low", Tools: weather(), ToolChoice: forced},
			want: map[string]string{extraAll: `{"output_config":{"effort":"low"},"thinking":{"type":"disabled"}}`}, changed: []string{"reasoning_effort"}},
		{name: "a forced tool without a word on thinking", model: opus47, req: llm.ChatRequest{Tools: weather(), ToolChoice: forced},
			want: map[string]string{extraThinking: `{"type":"disabled"}`}},
		{name: "a forced tool and a Claude that always thinks", model: fable5, req: llm.ChatRequest{Tools: weather(), ToolChoice: forced},
			want: map[string]string{extraThinking: "", "toolConfig.toolChoice": ""}, changed: []string{"tool_choice"}},
		{name: "a forced tool and thinking by name", model: sonnet45, req: with(configured(thinking), func(r *llm.ChatRequest) { r.Tools, r.ToolChoice = weather(), forced }),
			refused: "custom_fields.configuration.thinking"},
	})
}

func TestThinkingInAToolLoop(t *testing.T) {
	signed := llm.Reasoning{Text: "I should ask.", Signature: "c2ln"}
	lost := []string{"reasoning_effort"}
	more := []llm.Message{ // a call that the model made without thinking again
		{Role: llm.RoleAssistant, Index: 3, Parts: []llm.Part{llm.ToolCall{ID: "t2", Name: "weather", Args: "{}"}}},
		{Role: llm.RoleTool, Index: 4, Parts: []llm.Part{llm.ToolResult{ID: "t2", Parts: []llm.Part{llm.Text{Text: "Sun"}}}}},
	}
	check(t, []rule{
		{name: "signed", model: sonnet45, req: llm.ChatRequest{Effort: "low", Tools: weather(), Messages: loop(signed)},
			want: map[string]string{extraThinking: `{"budget_tokens":2048,"type":"enabled"}`}},
		{name: "redacted", model: sonnet45, req: llm.ChatRequest{Effort: "low", Tools: weather(), Messages: loop(llm.Reasoning{Redacted: []byte{1}})},
			want: map[string]string{extraThinking: `{"budget_tokens":2048,"type":"enabled"}`}},
		{name: "lost", model: sonnet45, req: llm.ChatRequest{Effort: "low", Tools: weather(), Messages: loop()},
			want: map[string]string{extraAll: ""}, ignored: lost},
		{name: "lost, with a remark of the user's", model: sonnet45, req: llm.ChatRequest{Effort: "low", Tools: weather(), Messages: append(loop(), ask("And?")...)},
			want: map[string]string{extraAll: ""}, ignored: lost},
		{name: "lost, but the loop is over", model: sonnet45, req: llm.ChatRequest{Effort: "low", Tools: weather(),
			Messages: append(loop(), llm.Message{Role: llm.RoleAssistant, Index: 3, Parts: []llm.Part{llm.Text{Text: "It rains."}}}, ask("Thanks.")[0])},
			want: map[string]string{extraThinking: `{"budget_tokens":2048,"type":"enabled"}`}},
		{name: "signed at the beginning of the loop", model: sonnet45, req: llm.ChatRequest{Effort: "low", Tools: weather(), Messages: append(loop(signed), more...)},
			want: map[string]string{extraThinking: `{"budget_tokens":2048,"type":"enabled"}`}},
		{name: "lost in all of the loop", model: sonnet45, req: llm.ChatRequest{Effort: "low", Tools: weather(), Messages: append(loop(), more...)},
			want: map[string]string{extraAll: ""}, ignored: lost},
		{name: "lost in this loop, not in the one before", model: sonnet45, req: llm.ChatRequest{Effort: "low", Tools: weather(), Messages: slices.Concat(
			loop(signed), []llm.Message{{Role: llm.RoleAssistant, Parts: []llm.Part{llm.Text{Text: "Rain."}}}}, ask("And now?"), more)},
			want: map[string]string{extraAll: ""}, ignored: lost},
		{name: "lost, behind turns that leave nothing", model: sonnet45, req: llm.ChatRequest{Effort: "low", Tools: weather(), Messages: slices.Concat(
			ask(" "), loop()[1:], ask("", " ")[1:], ask("And?"))},
			want: map[string]string{extraAll: ""}, ignored: []string{"reasoning_effort", "messages[0].content", "messages[1].content"}},
		{name: "a beginning of the reply", model: sonnet45, req: llm.ChatRequest{Effort: "low", Tools: weather(), Messages: append(loop(signed), ask("", "It")[1])},
			want: map[string]string{extraAll: ""}, ignored: []string{"reasoning_effort", "messages[1].reasoning_content"}},
		{name: "a Claude that is not asked to think takes no reasoning back", model: sonnet45, req: llm.ChatRequest{Tools: weather(), Messages: loop(signed)},
			want: map[string]string{"messages.1.content.0.reasoningContent": ""}, ignored: []string{"messages[1].reasoning_content"}},
		{name: "nor one that has never thought", model: claude35, req: llm.ChatRequest{Tools: weather(), Messages: loop(signed)},
			want: map[string]string{"messages.1.content.0.reasoningContent": ""}, ignored: []string{"messages[1].reasoning_content"}},
		{name: "nor one that is kept from thinking", model: opus47, req: llm.ChatRequest{Effort: "none", Tools: weather(), Messages: loop(signed)},
			want: map[string]string{"messages.1.content.0.reasoningContent": ""}, ignored: []string{"messages[1].reasoning_content"}},
		{name: "one that decides itself does", model: opus47, req: llm.ChatRequest{Tools: weather(), Messages: loop(signed)},
			want: map[string]string{"messages.1.content.0.reasoningContent": `{"reasoningText":{"signature":"c2ln","text":"I should ask."}}`}},
		{name: "so does one that thinks by a field of the client's", model: sonnet45,
			req:  llm.ChatRequest{Config: []byte(`{"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":1024}}}`), Tools: weather(), Messages: loop(signed)},
			want: map[string]string{"messages.1.content.1.toolUse.name": `"weather"`}},
		{name: "an adaptive Claude does not mind", model: opus47, req: llm.ChatRequest{Effort: "low", Tools: weather(), Messages: loop()},
			want: map[string]string{extraThinking: `{"display":"summarized","type":"adaptive"}`}},
	})
	for _, c := range []struct {
		model string
		r     llm.Reasoning
		want  bool
	}{
		{sonnet45, signed, true}, {sonnet45, llm.Reasoning{Redacted: []byte{1}}, true}, {sonnet45, llm.Reasoning{Text: "x"}, false},
		{sonnet45, llm.Reasoning{Signature: "s"}, true}, {nova2, signed, false}, {deepseekR1, llm.Reasoning{Text: "x"}, false}, {stranger, signed, false},
	} {
		if got := modelTraits(t, c.model).replays(c.r); got != c.want {
			t.Errorf("%s replays %+v: %v", c.model, c.r, got)
		}
	}
}
