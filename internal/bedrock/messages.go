package bedrock

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// addMessages writes the turns.
func (c *converse) addMessages(req *llm.ChatRequest) error {
	for i := range req.Messages {
		c.reportBlanks(&req.Messages[i])
	}
	c.body = append(c.body, `{"messages":[`...)
	turn := -1
	for p := range blocks(req) {
		if p.turn == turn {
			c.body = append(c.body, ',')
		} else {
			if turn >= 0 {
				c.body = append(c.body, `]},`...)
			}
			turn = p.turn
			role := "user"
			if p.m.Role == llm.RoleAssistant {
				role = "assistant"
			}
			c.body = append(append(append(c.body, `{"role":"`...), role...), `","content":[`...)
		}
		if err := c.part(p.m, p.m.Parts[p.part]); err != nil {
			if e, ok := errors.AsType[*llm.Error](err); ok {
				e.Param = p.path("")
			}
			return err
		}
	}
	if turn < 0 {
		return llm.Invalid("messages", "No message has any content: at least one user message must hold text or an image.")
	}
	c.body = append(c.body, `]}]`...)
	return nil
}

// reportBlanks lists a message of which a text is left out: Bedrock refuses a blank one.
func (c *converse) reportBlanks(m *llm.Message) {
	if slices.ContainsFunc(m.Parts, blank) {
		c.ignored = append(c.ignored, param(m))
	}
}

// blank is true for a text that Bedrock would refuse and that says nothing.
func blank(p llm.Part) bool {
	text, ok := p.(llm.Text)
	return ok && strings.TrimSpace(text.Text) == ""
}

func (c *converse) part(m *llm.Message, part llm.Part) error {
	switch p := part.(type) {
	case llm.Text:
		c.text(p.Text)
		return nil
	case llm.Blob:
		return c.image(m, p)
	case llm.Reasoning:
		c.reasoning(p)
		return nil
	case llm.CachePoint:
		c.cachePoint(p)
		return nil
	case llm.ToolCall:
		c.toolUse(p)
		return nil
	case llm.ToolResult:
		return c.toolResult(m, p)
	default:
		return llm.Invalid(param(m), fmt.Sprintf("A %s message cannot hold content of this kind.", m.Role))
	}
}

func param(m *llm.Message) string { return "messages[" + strconv.Itoa(m.Index) + "].content" }

func (c *converse) text(text string) {
	c.body = append(c.body, `{"text":`...)
	c.body = jsonscan.AppendString(c.body, text)
	c.body = append(c.body, '}')
}

func (c *converse) image(m *llm.Message, b llm.Blob) error {
	format, ok := imageFormat(b.MIME)
	if !ok {
		return llm.Invalid(param(m), "Images can be image/png, image/jpeg, image/gif or image/webp.")
	}
	c.body = append(append(append(c.body, `{"image":{"format":"`...), format...), `","source":{"bytes":"`...)
	if b.Base64 != "" {
		c.body = append(c.body, b.Base64...)
	} else {
		c.body = base64.StdEncoding.AppendEncode(c.body, b.Bytes)
	}
	c.body = append(c.body, `"}}}`...)
	return nil
}

// imageFormat gives Converse's name of a media type. image/jpg is not a registered type, and common.
func imageFormat(mime string) (string, bool) {
	switch strings.ToLower(mime) {
	case "image/png":
		return "png", true
	case "image/jpeg", "image/jpg":
		return "jpeg", true
	case "image/gif":
		return "gif", true
	case "image/webp":
		return "webp", true
	default:
		return "", false
	}
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

func (c *converse) toolUse(t llm.ToolCall) {
	c.body = append(c.body, `{"toolUse":{"toolUseId":`...)
	c.body = jsonscan.AppendString(c.body, toolID(t.ID))
	c.body = append(c.body, `,"name":`...)
	c.body = jsonscan.AppendString(c.body, c.toolName(t.Name))
	c.body = append(c.body, `,"input":`...)
	c.body = append(c.body, t.Args...)
	c.body = append(c.body, `}}`...)
}

// toolResult writes a result. An empty one is an empty list: a blank text would be refused.
func (c *converse) toolResult(m *llm.Message, r llm.ToolResult) error {
	c.body = append(c.body, `{"toolResult":{"toolUseId":`...)
	c.body = jsonscan.AppendString(c.body, toolID(r.ID))
	c.body = append(c.body, `,"content":[`...)
	c.reportBlanks(&llm.Message{Index: m.Index, Parts: r.Parts})
	open := len(c.body)
	for _, part := range r.Parts {
		if blank(part) {
			continue
		}
		if len(c.body) > open {
			c.body = append(c.body, ',')
		}
		if err := c.part(m, part); err != nil {
			return err
		}
	}
	c.body = append(c.body, ']')
	if r.Failed {
		c.body = append(c.body, `,"status":"error"`...)
	}
	c.body = append(c.body, `}}`...)
	return nil
}
