package bedrock

import (
	"regexp"
	"strconv"
	"strings"

	"outcrop/internal/llm"
)

// anthropicPath is the path at the beginning of an error's text: "messages.1.content.0.text.text: …".
// InvokeModel may say before it that the model returned errors.
var anthropicPath = regexp.MustCompile(`^(?:The model returned the following errors: )?([a-z_]+)((?:\.[A-Za-z0-9_-]+)*): `)

// locate finds the field of the client's own request that a text of Anthropic's blames, or "".
func (w *messagesWriter) locate(text string) string {
	m := anthropicPath.FindStringSubmatch(text)
	if m == nil {
		return locate(w.req, w.places, text)
	}
	steps := strings.Split(strings.TrimPrefix(m[2], "."), ".")
	switch m[1] {
	case "messages":
		return w.locateTurn(steps)
	case "system":
		return w.locateSystem(steps)
	case "tools":
		return w.locateTool(steps)
	case "max_tokens":
		return limitField(w.req)
	case "temperature", "top_p", "tool_choice":
		return m[1]
	case "stop_sequences":
		return "stop"
	case "thinking":
		if strings.HasSuffix(m[2], ".budget_tokens") {
			return thinkingPath + ".budget_tokens"
		}
		return thinkingPath
	case "top_k":
		return configPath + ".top_k"
	case "anthropic_beta":
		return configPath + ".betas"
	case "output_config":
		if steps[0] == "format" {
			return "response_format.json_schema.schema"
		}
		return "reasoning_effort"
	default:
		return locate(w.req, w.places, text)
	}
}

// step is a number in a path, or -1.
func step(steps []string, i int) int {
	if i >= len(steps) {
		return -1
	}
	n, err := strconv.Atoi(steps[i])
	if err != nil {
		return -1
	}
	return n
}

// locateTurn reads 1.content.0.tool_use.input.
func (w *messagesWriter) locateTurn(steps []string) string {
	turn, member := step(steps, 0), ""
	if turn < 0 {
		return "messages"
	}
	switch rest := "." + strings.Join(steps[min(3, len(steps)):], "."); {
	case strings.HasPrefix(rest, ".tool_use.name"):
		member = ".toolUse.name"
	case strings.HasPrefix(rest, ".tool_use.input"):
		member = ".toolUse.input"
	case strings.HasPrefix(rest, ".tool_result.tool_use_id"):
		member = ".toolResult.toolUseId"
	}
	return locateBlock(w.places, turn, step(steps, 2), member)
}

// locateSystem reads 0.text; a text marked for the cache is one block.
func (w *messagesWriter) locateSystem(steps []string) string {
	i := step(steps, 0)
	for m, part := range systemTexts(w.req) {
		if isPoint(part) {
			continue
		}
		if i <= 0 {
			return param(m)
		}
		i--
	}
	return ""
}

// locateTool reads 0.custom.input_schema.type.
func (w *messagesWriter) locateTool(steps []string) string {
	i := step(steps, 0)
	switch {
	case w.format == formatTool:
		return "response_format.json_schema.schema" // the tool is ours
	case i < 0 || i >= len(w.offer.tools) || len(w.req.Tools) == 0:
		return "tools"
	}
	path := w.offer.path(i)
	for _, s := range steps[1:] {
		switch s {
		case "name", "description":
			return path + "." + s
		case "input_schema":
			return path + ".parameters"
		case "cache_control":
			return toolHome(&w.offer.tools[i])
		}
	}
	return path
}

// messagesFinish maps Anthropic's stop reasons. pause_turn and compaction are none of ours: the turn is
// not over, and nothing of what a client knows could go on with it.
// https://docs.claude.com/en/api/handling-stop-reasons
func messagesFinish(word string) (reason llm.FinishReason, detail string) {
	if word == "refusal" {
		return llm.FinishContentFilter, ""
	}
	return stopReason(word)
}
