package openai

import (
	"errors"
	"strconv"
	"strings"

	"outcrop/internal/llm"
)

// RenameResponses is err with the paths of this wire where an adapter, or the server, named those of a
// chat: input[3] for messages[3], reasoning.effort for reasoning_effort. The writers of this package do
// it themselves.
func RenameResponses(err error) error { return renamed(err, responsesPath) }

// renamed is err with its paths, and those in its message, renamed.
func renamed(err error, path func(string) string) error {
	e, ok := errors.AsType[*llm.Error](err)
	if !ok {
		return err
	}
	told := *e
	told.Param = path(e.Param)
	if e.Param != "" && told.Param != e.Param {
		told.Message = strings.ReplaceAll(e.Message, e.Param, told.Param)
	}
	told.Message = renameMessages(told.Message)
	return &told
}

// renamedStart is a Start with its paths renamed.
func renamedStart(start llm.Start, path func(string) string) llm.Start {
	start.Ignored, start.Changed, start.Cached = renamedPaths(start.Ignored, path), renamedPaths(start.Changed, path), path(start.Cached)
	return start
}

func renamedPaths(paths []string, path func(string) string) []string {
	told := make([]string, len(paths))
	for i := range paths {
		told[i] = path(paths[i])
	}
	return told
}

// responsesPath is the name that a member of a chat has here.
func responsesPath(path string) string {
	if rest, ok := strings.CutPrefix(path, "tools["); ok {
		return "tools[" + strings.Replace(rest, "].function", "]", 1)
	}
	for _, name := range [...][2]string{
		{"reasoning_effort", "reasoning.effort"},
		{"response_format.json_schema", "text.format"},
		{"response_format", "text.format"},
		{"tool_choice.function", "tool_choice"},
		{"max_completion_tokens", "max_output_tokens"},
	} {
		if rest, ok := strings.CutPrefix(path, name[0]); ok && (rest == "" || rest[0] == '.') {
			return name[1] + rest
		}
	}
	path = renameMessages(path)
	if rest, ok := strings.CutPrefix(path, "input["); ok {
		// The items of a turn are one message: what is said of its calls is said of the first item.
		rest, _, _ = strings.Cut(rest, ".tool_calls")
		return "input[" + strings.Replace(rest, ".tool_call_id", ".call_id", 1)
	}
	return path
}

// renameMessages renames the messages in a path or in a text.
func renameMessages(text string) string {
	const list = "messages["
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(text, list)
		number, rest, closed := strings.Cut(after, "]")
		index, err := strconv.Atoi(number)
		if !ok || !closed || err != nil {
			return b.String() + text
		}
		b.WriteString(before)
		if index >= 0 {
			b.WriteString("input[" + number + "]")
		} else {
			b.WriteString(wholeName(index))
			rest = strings.TrimPrefix(rest, ".content")
		}
		text = rest
	}
}

// wholeName is the member that a message is alone.
func wholeName(index int) string {
	switch index {
	case AtInstructions:
		return "instructions"
	case AtPrompt:
		return "prompt"
	default:
		return "input"
	}
}
