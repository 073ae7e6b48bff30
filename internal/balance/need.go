package balance

import (
	"bytes"
	"strconv"

	"outcrop/internal/llm"
)

const (
	// bytesPerToken is of English text; others have fewer.
	bytesPerToken = 4
	// fileTokens is what a file counts, which is about a large image.
	fileTokens = 1600
)

// needOf is about what a chat takes of a quota.
func needOf(req *llm.ChatRequest) Need {
	n := Need{Output: req.MaxTokens}
	for i := range req.Messages {
		n.Prompt += tokensOf(req.Messages[i].Parts) + 4
	}
	for i := range req.Tools {
		t := &req.Tools[i]
		n.Prompt += (len(t.Name) + len(t.Description) + len(t.Schema) + len(t.Static)) / bytesPerToken
	}
	return n
}

func tokensOf(parts []llm.Part) (tokens int) {
	text := 0
	for _, part := range parts {
		switch p := part.(type) {
		case llm.Text:
			text += len(p.Text)
		case llm.Blob, llm.Link:
			tokens += fileTokens
		case llm.Reasoning:
			text += len(p.Text) + len(p.Signature)
		case llm.ToolCall:
			text += len(p.Name) + len(p.Args)
		case llm.ToolResult:
			tokens += tokensOf(p.Parts)
		}
	}
	return tokens + text/bytesPerToken
}

// needOfBody is needOf of a JSON body, by its length and by what it says of the longest answer.
func needOfBody(body []byte) Need {
	n := Need{Prompt: len(body) / bytesPerToken}
	for _, name := range [...]string{`"max_tokens"`, `"max_output_tokens"`, `"max_completion_tokens"`} {
		at := bytes.LastIndex(body, []byte(name))
		if at < 0 {
			continue
		}
		rest := bytes.TrimLeft(body[at+len(name):], " \t\r\n:")
		end := bytes.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
		if tokens, err := strconv.Atoi(string(rest[:max(end, 0)])); err == nil {
			n.Output = max(n.Output, min(tokens, 1<<24))
		}
	}
	return n
}
