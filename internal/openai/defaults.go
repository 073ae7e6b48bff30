package openai

import "outcrop/internal/llm"

// memberSet is a set of the members of a request that Defaults can hold. Members that stand for each
// other are one: a default max_completion_tokens does not overrule the client's max_tokens.
type memberSet uint32

const (
	hasStreamOptions memberSet = 1 << iota
	hasTemperature
	hasTopP
	hasMaxTokens
	hasStop
	hasTools
	hasToolChoice
	hasOneTool
	hasN
	hasMaxPrompt
	hasFormat
	hasEffort
	hasTier
	hasCustomFields
	hasCacheControl
	hasCacheOptions
)

// memberOf is the member's set, empty for a member that no default can change.
func memberOf(key string) memberSet {
	switch key {
	case "stream_options":
		return hasStreamOptions
	case "temperature":
		return hasTemperature
	case "top_p":
		return hasTopP
	case "max_tokens", "max_completion_tokens":
		return hasMaxTokens
	case "stop":
		return hasStop
	case "tools", "functions":
		return hasTools
	case "tool_choice", "function_call":
		return hasToolChoice
	case "parallel_tool_calls":
		return hasOneTool
	case "n":
		return hasN
	case "max_prompt_tokens":
		return hasMaxPrompt
	case "response_format":
		return hasFormat
	case "reasoning_effort":
		return hasEffort
	case "service_tier":
		return hasTier
	case "custom_fields":
		return hasCustomFields
	case "cache_control":
		return hasCacheControl
	case "prompt_cache_options":
		return hasCacheOptions
	default:
		return 0
	}
}

var _ = llm.ChatRequest{}
