package openai

import (
	"errors"
	"testing"

	"outcrop/internal/llm"
)

func TestRenameResponses(t *testing.T) {
	for _, test := range [][2]string{
		{"messages[3]", "input[3]"},
		{"messages[3].content[1].image_url", "input[3].content[1].image_url"},
		{"messages[0].output[1].image_url", "input[0].output[1].image_url"},
		{"messages[4].tool_call_id", "input[4].call_id"},
		{"messages[2].tool_calls[1].function.name", "input[2]"},
		{"messages[-1]", "instructions"},
		{"messages[-1].content", "instructions"},
		{"messages[-2].content", "input"},
		{"messages[-3].content", "prompt"},
		{"tools[2].function.parameters", "tools[2].parameters"},
		{"tools[2]", "tools[2]"},
		{"tool_choice.function.name", "tool_choice.name"},
		{"reasoning_effort", "reasoning.effort"},
		{"response_format", "text.format"},
		{"response_format.json_schema.schema", "text.format.schema"},
		{"max_completion_tokens", "max_output_tokens"},
		{"max_output_tokens", "max_output_tokens"},
		{"temperature", "temperature"},
		{"messages[", "messages["},
		{"messages[x]", "messages[x]"},
		{"", ""},
	} {
		if got := responsesPath(test[0]); got != test[1] {
			t.Errorf("%s is %s, want %s", test[0], got, test[1])
		}
	}
	other := errors.New("x")
	if got := RenameResponses(other); !errors.Is(got, other) || RenameResponses(nil) != nil {
		t.Error(got)
	}
	whole := llm.Invalid("reasoning_effort", "reasoning_effort: messages[1] and messages[-2] disagree.")
	if got := llm.AsError(RenameResponses(whole)); got.Message != "reasoning.effort: input[1] and input disagree." || whole.Param != "reasoning_effort" {
		t.Error(got)
	}
}
