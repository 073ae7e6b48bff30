package anthropic

import (
	"strconv"
	"strings"
)

// Path is the member of a Messages request that a path of llm's vocabulary, which is OpenAI's, stands
// for. What it does not know stays as it is.
func Path(path string) string {
	if rest, ok := strings.CutPrefix(path, "custom_fields.configuration."); ok {
		if strings.HasPrefix(rest, "thinking") || strings.HasPrefix(rest, "top_k") {
			return rest
		}
		return path
	}
	if rest, ok := strings.CutPrefix(path, "messages["+strconv.Itoa(SystemIndex)+"]"); ok {
		return "system" + strings.TrimPrefix(strings.TrimPrefix(rest, "."), "content")
	}
	if strings.HasPrefix(path, "tools[") {
		return toolPath(path)
	}
	if head, rest, ok := strings.Cut(path, "]."); ok && strings.HasPrefix(head, "messages[") && rest == "tool_call_id" {
		return head + "].content"
	}
	switch path {
	case "stop":
		return "stop_sequences"
	case "max_completion_tokens":
		return "max_tokens"
	case "parallel_tool_calls":
		return "tool_choice.disable_parallel_tool_use"
	case "reasoning_effort":
		return "output_config.effort"
	case "user":
		return "metadata.user_id"
	case "response_format", "response_format.json_schema":
		return "output_config.format"
	}
	if rest, ok := strings.CutPrefix(path, "response_format.json_schema."); ok {
		return "output_config.format." + rest
	}
	return path
}

// toolPath is Path for a member of a tool, which Anthropic's wire has without a function around it.
func toolPath(path string) string {
	head, rest, ok := strings.Cut(path, "].function")
	if !ok {
		return path
	}
	switch rest = strings.TrimPrefix(rest, "."); {
	case rest == "":
		return head + "]"
	case strings.HasPrefix(rest, "parameters"):
		return head + "].input_schema" + strings.TrimPrefix(rest, "parameters")
	default:
		return head + "]." + rest
	}
}
