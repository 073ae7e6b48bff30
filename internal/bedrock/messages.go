package bedrock

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// maxBody is the longest body that Bedrock reads, in bytes.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html
const maxBody = 25_000_000

// addMessages writes the turns.
func (c *converse) addMessages(req *llm.ChatRequest) error {
	return c.addTurns(req, `{"messages":[`, c.turn)
}

// addTurns lays out the conversation and writes its turns, each with turn.
func (c *converse) addTurns(req *llm.ChatRequest, open string, turn func(places []place, last bool) error) (err error) {
	for i := range req.Messages {
		c.reportBlanks(&req.Messages[i])
	}
	if c.places, err = c.plan(req); err != nil {
		return err
	}
	if len(c.places) == 0 {
		return llm.Invalid("messages", "No message has any content: at least one user message must hold text or an image.")
	}
	c.body = append(c.body, open...)
	for start := 0; start < len(c.places); {
		end := start + 1
		for end < len(c.places) && c.places[end].assistant == c.places[start].assistant {
			end++
		}
		if start > 0 {
			c.body = append(c.body, ',')
		}
		if err := turn(c.places[start:end], end == len(c.places)); err != nil {
			return err
		}
		start = end
	}
	c.body = append(c.body, ']')
	if len(c.body) > maxBody {
		return &llm.Error{
			Kind: llm.KindTooLarge, Param: "messages",
			Message: fmt.Sprintf("The conversation is %d MB long with its files, and Bedrock takes 25 MB.", (len(c.body)+999_999)/1_000_000),
		}
	}
	return c.manyImages()
}

// turn writes the blocks of one turn and notes where each of them went.
func (c *converse) turn(places []place, last bool) error {
	role := "user"
	if places[0].assistant {
		role = "assistant"
	}
	c.body = append(append(append(c.body, `{"role":"`...), role...), `","content":[`...)
	texts, documents, block := 0, 0, int32(0)
	for i := range places {
		p := &places[i]
		if block > 0 {
			c.body = append(c.body, ',')
		}
		start, before := len(c.body), c.files.documents
		if err := c.write(p, last && p.assistant && i == len(places)-1); err != nil {
			return p.blame(err)
		}
		if len(c.body) == start {
			c.body = c.body[:start-min(int(block), 1)]
			continue
		}
		p.turn, p.block = c.turns, block
		block++
		switch p.content().(type) {
		case llm.Text:
			texts++
		case llm.Blob, llm.Link:
			documents += c.files.documents - before
		}
	}
	if documents > 0 && texts == 0 {
		// "A text block must be included when using documents."
		c.body = append(c.body, ',')
		c.text(fillUser)
	}
	c.body = append(c.body, `]}`...)
	c.turns++
	return nil
}

// reportBlanks lists a message of which a text is left out: Bedrock refuses a blank one.
func (c *converse) reportBlanks(m *llm.Message) {
	if slices.ContainsFunc(m.Parts, blank) {
		c.ignore(param(m), "Bedrock refuses a text that is blank")
	}
}

// blank is true for a text that Bedrock would refuse and that says nothing.
func blank(p llm.Part) bool {
	text, ok := p.(llm.Text)
	return ok && strings.TrimSpace(text.Text) == ""
}

// write writes the block of a place; the last of a conversation may be the beginning of the reply.
func (c *converse) write(p *place, prefill bool) error {
	switch part := p.content().(type) {
	case llm.Text:
		c.text(c.prefill(p, part.Text, prefill))
		return nil
	case llm.Blob:
		return c.file(p, part)
	case llm.Link:
		return c.link(p, part)
	case llm.Reasoning:
		c.reasoning(part)
		return nil
	case llm.CachePoint:
		c.cachePoint(part)
		return nil
	case llm.ToolCall:
		c.toolUse(p.word, part)
		return nil
	case llm.ToolResult:
		return c.toolResult(p, part)
	default:
		return llm.Invalid("", fmt.Sprintf("A %s message cannot hold content of this kind.", p.m.Role))
	}
}

func param(m *llm.Message) string { return "messages[" + strconv.Itoa(m.Index) + "].content" }

func (c *converse) text(text string) {
	c.body = append(c.body, `{"text":`...)
	c.body = jsonscan.AppendString(c.body, text)
	c.body = append(c.body, '}')
}

// prefill cuts white space from the end of a reply's beginning: "final assistant content cannot end
// with trailing whitespace", says Claude.
func (c *converse) prefill(p *place, text string, prefill bool) string {
	if !prefill || !c.traits.claude() {
		return text
	}
	trimmed := strings.TrimRight(text, " \t\r\n")
	if trimmed != text {
		c.change(p.path(""), "the model takes no white space at the end of an assistant message that it continues")
	}
	return trimmed
}

func (c *converse) reasoning(r llm.Reasoning) {
	c.body = append(c.body, `{"reasoningContent":{`...)
	if r.Redacted != nil {
		c.body = append(c.body, `"redactedContent":"`...)
		c.body = base64.StdEncoding.AppendEncode(c.body, r.Redacted)
		c.body = append(c.body, `"}}`...)
		return
	}
	c.body = append(c.body, `"reasoningText":{"text":`...)
	c.body = jsonscan.AppendString(c.body, r.Text)
	if r.Signature != "" {
		c.body = append(c.body, `,"signature":`...)
		c.body = jsonscan.AppendString(c.body, r.Signature)
	}
	c.body = append(c.body, `}}}`...)
}

func (c *converse) toolUse(id string, t llm.ToolCall) {
	c.body = append(c.body, `{"toolUse":{"toolUseId":`...)
	c.body = jsonscan.AppendString(c.body, id)
	c.body = append(c.body, `,"name":`...)
	c.body = jsonscan.AppendString(c.body, c.toolName(t.Name))
	c.body = append(c.body, `,"input":`...)
	c.body = append(c.body, t.Args...)
	c.body = append(c.body, `}}`...)
}
