package bedrock

import (
	"iter"
	"regexp"
	"strconv"
	"strings"

	"outcrop/internal/llm"
)

// place is where a part of a conversation stands in Converse's messages.
type place struct {
	turn  int // messages[turn]
	block int // content[block] of it
	m     *llm.Message
	part  int // the part's place in m.Parts
}

// blocks walks over the parts that become content blocks. Neighbours of one role share a turn:
// Converse knows only user and assistant, and wants all results of parallel calls in one turn.
func blocks(req *llm.ChatRequest) iter.Seq[place] {
	return func(yield func(place) bool) {
		p := place{turn: -1}
		assistant := false
		for i := range req.Messages {
			p.m = &req.Messages[i]
			if p.m.Role == llm.RoleSystem {
				continue
			}
			for part, content := range p.m.Parts {
				if blank(content) {
					continue
				}
				p.part = part
				if isAssistant := p.m.Role == llm.RoleAssistant; p.turn < 0 || isAssistant != assistant {
					p.turn, p.block, assistant = p.turn+1, 0, isAssistant
				}
				if !yield(p) {
					return
				}
				p.block++
			}
		}
	}
}

// systemTexts walks over the parts that become system blocks, from whatever place in the conversation.
func systemTexts(req *llm.ChatRequest) iter.Seq2[*llm.Message, llm.Part] {
	return func(yield func(*llm.Message, llm.Part) bool) {
		for i := range req.Messages {
			m := &req.Messages[i]
			if m.Role != llm.RoleSystem {
				continue
			}
			for _, part := range m.Parts {
				if !blank(part) && !yield(m, part) {
					return
				}
			}
		}
	}
}

// Paths in Bedrock's texts: the service model's constraints count from 1 and write .member
// (messages.2.member.content.1.member.toolUse.name), Converse's own rules and the models count from 0
// (messages.1.content.0.toolUse.input).
var (
	blockPath  = regexp.MustCompile(`messages\.(\d+)(\.member)?(?:\.content\.(\d+)(?:\.member)?)?(\.[A-Za-z.]+)?`)
	systemPath = regexp.MustCompile(`system\.(\d+)(\.member)?`)
	toolPath   = regexp.MustCompile(`tools\.(\d+)(\.member)?(\.[A-Za-z.]+)?`)
)

// locate finds the field of the client's own request that a text of Bedrock blames, or "".
func locate(req *llm.ChatRequest, text string) string {
	for _, field := range [...]struct{ theirs, ours string }{
		{"inferenceConfig.maxTokens", "max_tokens"}, {"maximum tokens you requested", "max_tokens"},
		{"inferenceConfig.temperature", "temperature"}, {"`temperature`", "temperature"},
		{"inferenceConfig.topP", "top_p"}, {"top_p", "top_p"},
		{"inferenceConfig.stopSequences", "stop"}, {"toolConfig.toolChoice", "tool_choice"},
	} {
		if strings.Contains(text, field.theirs) {
			return field.ours
		}
	}
	if m := toolPath.FindStringSubmatch(text); m != nil {
		return locateTool(req, index(m[1], m[2]), m[3])
	}
	if m := systemPath.FindStringSubmatch(text); m != nil {
		return locateSystem(req, index(m[1], m[2]))
	}
	if m := blockPath.FindStringSubmatch(text); m != nil {
		block := -1
		if m[3] != "" {
			block = index(m[3], m[2])
		}
		return locateBlock(req, index(m[1], m[2]), block, m[4])
	}
	return ""
}

// index reads a number of a path that counts from 1 if it says .member.
func index(digits, member string) int {
	n, err := strconv.Atoi(digits)
	if err != nil {
		return -1 // too many digits to be a place
	}
	if member != "" {
		n--
	}
	return n
}

func locateTool(req *llm.ChatRequest, i int, member string) string {
	if i < 0 || i >= len(req.Tools) {
		return ""
	}
	path := "tools[" + strconv.Itoa(i) + "].function"
	switch {
	case strings.HasPrefix(member, ".toolSpec.name"):
		return path + ".name"
	case strings.HasPrefix(member, ".toolSpec.description"):
		return path + ".description"
	case strings.HasPrefix(member, ".toolSpec.inputSchema"):
		return path + ".parameters"
	default:
		return path
	}
}

func locateSystem(req *llm.ChatRequest, i int) string {
	for m := range systemTexts(req) {
		if i == 0 {
			return param(m)
		}
		i--
	}
	return ""
}

// locateBlock finds a content block, or with block -1 the first of a turn.
func locateBlock(req *llm.ChatRequest, turn, block int, member string) string {
	for p := range blocks(req) {
		if p.turn == turn && (block < 0 || p.block == block) {
			return p.path(member)
		}
	}
	return ""
}

// path names the part in the client's request.
func (p place) path(member string) string {
	message := "messages[" + strconv.Itoa(p.m.Index) + "]"
	calls, contents := 0, 0
	for _, part := range p.m.Parts[:p.part] {
		if _, ok := part.(llm.ToolCall); ok {
			calls++
		} else {
			contents++
		}
	}
	switch p.m.Parts[p.part].(type) {
	case llm.ToolCall:
		message += ".tool_calls[" + strconv.Itoa(calls) + "]"
		switch {
		case strings.HasPrefix(member, ".toolUse.name"):
			return message + ".function.name"
		case strings.HasPrefix(member, ".toolUse.input"):
			return message + ".function.arguments"
		default:
			return message
		}
	case llm.ToolResult:
		if strings.HasPrefix(member, ".toolResult.toolUseId") {
			return message + ".tool_call_id"
		}
		return message + ".content"
	default:
		if _, text := p.m.Parts[p.part].(llm.Text); text && len(p.m.Parts) == 1 {
			return message + ".content" // a text alone may be a plain string
		}
		return message + ".content[" + strconv.Itoa(contents) + "]"
	}
}
