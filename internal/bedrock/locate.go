package bedrock

import (
	"errors"
	"iter"
	"regexp"
	"strconv"
	"strings"

	"outcrop/internal/llm"
)

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

// locate finds the field of the client's own request that a text of Bedrock blames, or "". The places
// are those of the call that Bedrock refused.
func locate(req *llm.ChatRequest, places []place, text string) string {
	for _, field := range [...]struct{ theirs, ours string }{
		{"inferenceConfig.maxTokens", limitField(req)}, {"maximum tokens you requested", limitField(req)},
		{"inferenceConfig.temperature", "temperature"}, {"`temperature`", "temperature"},
		{"inferenceConfig.topP", "top_p"}, {"top_p", "top_p"},
		{"inferenceConfig.stopSequences", "stop"}, {"toolConfig.toolChoice", "tool_choice"},
		{"budget_tokens", thinkingPath + ".budget_tokens"}, {"output_config.format", "response_format.json_schema.schema"},
		{"outputConfig.textFormat", "response_format.json_schema.schema"}, {"beta flag", configPath + ".betas"},
		{"guardrailConfig", configPath + ".guardrailConfig"}, {"performanceConfig", configPath + ".performanceConfig"},
		{"Latency performance configuration", configPath + ".performanceConfig"},
		{"serviceTier", "service_tier"}, {"additionalModelResponseFieldPaths", configPath + ".additionalModelResponseFieldPaths"},
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
		return locateBlock(places, index(m[1], m[2]), block, m[4])
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

// locateTool finds an element of toolConfig.tools, which holds the tools and the cache points after
// them.
func locateTool(req *llm.ChatRequest, element int, member string) string {
	if element < 0 {
		return ""
	}
	i := 0
	for ; element > 0 && i < len(req.Tools); i++ {
		if element--; req.Tools[i].Cache != nil {
			element--
		}
	}
	if element < 0 {
		return toolHome(&req.Tools[i-1]) // the cache point after it
	}
	if i >= len(req.Tools) {
		return ""
	}
	path := toolHome(&req.Tools[i]) + ".function"
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

// locateBlock finds a content block, or with block -1 the first of a turn. For a block of ours it names
// what of the client's is next to it.
func locateBlock(places []place, turn, block int, member string) string {
	found := -1
	for i := range places {
		p := &places[i]
		if int(p.turn) != turn {
			continue
		}
		if found = i; block < 0 || int(p.block) == block {
			break
		}
	}
	if found < 0 || block < -1 {
		return ""
	}
	if places[found].m != nil && (block < 0 || int(places[found].block) == block) {
		return places[found].path(member)
	}
	near := found // the text that a document needs is the last of its turn
	for near < len(places)-1 && places[near].m == nil {
		near++
	}
	return "messages[" + strconv.Itoa(places[near].m.Index) + "]"
}

// path names the part in the client's request.
func (p *place) path(member string) string {
	message := "messages[" + strconv.Itoa(p.m.Index) + "]"
	switch x := p.content().(type) {
	case llm.Blob:
		return p.filePath(message, x.At)
	case llm.Link:
		return p.filePath(message, x.At)
	case llm.CachePoint:
		if x.At != "" {
			return message + "." + string(x.At)
		}
		return message
	case llm.Reasoning:
		return message + ".reasoning_content"
	case llm.ToolCall:
		return callPath(message+".tool_calls["+strconv.Itoa(p.before(isCall))+"]", member)
	case llm.ToolResult:
		if strings.HasPrefix(member, ".toolResult.toolUseId") {
			return message + ".tool_call_id"
		}
		return message + ".content"
	default:
		if alone(p.m.Parts) {
			return message + ".content" // a text alone may be a plain string
		}
		return message + ".content[" + strconv.Itoa(p.before(isContent)) + "]"
	}
}

func callPath(call, member string) string {
	switch {
	case strings.HasPrefix(member, ".toolUse.name"):
		return call + ".function.name"
	case strings.HasPrefix(member, ".toolUse.input"):
		return call + ".function.arguments"
	default:
		return call
	}
}

// blame says in an error where it is, unless it says so already.
func (p *place) blame(err error) error {
	if e, ok := errors.AsType[*llm.Error](err); ok && e.Param == "" {
		e.Param = p.path("")
	}
	return err
}

// filePath names a file, whose place the dialect knows better than we do.
func (p *place) filePath(message string, at llm.Place) string {
	switch {
	case at != "":
		return message + "." + string(at)
	case p.inner > 0:
		return message + ".content"
	default:
		return message + ".content[" + strconv.Itoa(p.before(isContent)) + "]"
	}
}

// before counts the parts of a kind before the place in its message.
func (p *place) before(kind func(llm.Part) bool) (n int) {
	for _, part := range p.m.Parts[:p.part] {
		if kind(part) {
			n++
		}
	}
	return n
}

func isCall(part llm.Part) bool { _, ok := part.(llm.ToolCall); return ok }

// isContent is true for what stands in a message's content, as far as a part tells: a file may come
// from elsewhere.
func isContent(part llm.Part) bool {
	switch x := part.(type) {
	case llm.Text:
		return true
	case llm.Blob:
		return x.At == "" || strings.HasPrefix(string(x.At), "content[")
	case llm.Link:
		return x.At == "" || strings.HasPrefix(string(x.At), "content[")
	default:
		return false
	}
}

// alone says whether a message's content is one text and nothing else.
func alone(parts []llm.Part) bool {
	n := 0
	for _, part := range parts {
		if isContent(part) {
			n++
		}
	}
	return n <= 1
}
