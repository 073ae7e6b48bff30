package bedrock

import (
	"fmt"
	"slices"
	"strings"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
	"outcrop/internal/models"
)

// Texts of ours in a result that failed: where the family has no status, and where the client gave no
// reason, since Converse wants content when the status is an error.
const (
	failedPrefix = "Error: "
	failedText   = "The tool failed."
)

// toolResult writes a result. Its text is sent as text, which every family takes, be it JSON or not.
// An empty one is an empty list: a blank text would be refused.
func (c *converse) toolResult(p *place, r llm.ToolResult) error {
	c.body = append(c.body, `{"toolResult":{"toolUseId":`...)
	c.body = jsonscan.AppendString(c.body, p.word)
	c.body = append(c.body, `,"content":[`...)
	c.reportBlanks(&llm.Message{Index: p.m.Index, Parts: r.Parts})
	open := len(c.body)
	status := r.Failed && c.traits.converse.ToolResultStatus != models.No
	if r.Failed && !status {
		c.change(p.path(""), "the model knows no failed result: its text begins with \""+failedPrefix+"\"")
	}
	worded := !r.Failed || status
	for i, part := range r.Parts {
		if file, ok := part.(llm.Blob); blank(part) || ok && !c.traits.resultHolds(file) {
			continue
		}
		if len(c.body) > open {
			c.body = append(c.body, ',')
		}
		if text, ok := part.(llm.Text); ok && !worded {
			part, worded = llm.Text{Text: failedPrefix + text.Text}, true
		}
		if err := c.resultPart(p, i, part); err != nil {
			return err
		}
	}
	if r.Failed && (len(c.body) == open || !worded) {
		if len(c.body) > open {
			c.body = append(c.body, ',')
		}
		c.text(failedText)
	}
	c.body = append(c.body, ']')
	if status {
		c.body = append(c.body, `,"status":"error"`...)
	}
	c.body = append(c.body, `}}`...)
	return nil
}

func (c *converse) resultPart(p *place, i int, part llm.Part) error {
	inside := *p
	inside.inner = int32(i + 1)
	switch x := part.(type) {
	case llm.Text:
		c.text(x.Text)
		return nil
	case llm.Blob:
		return inside.blame(c.file(&inside, x))
	case llm.Link:
		return inside.blame(c.link(&inside, x))
	default:
		return llm.Invalid("", fmt.Sprintf("A %s message cannot hold content of this kind.", p.m.Role))
	}
}

// resultHolds says whether a tool's result can hold a file. Where no source tells, it is sent inside
// and the model has the last word.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolResultContentBlock.html
func (t *traits) resultHolds(b llm.Blob) bool {
	kind := sniff(b)
	if held := t.converse.ToolResultMedia; held != nil {
		return slices.Contains(held, string(kind.class))
	}
	switch t.family.Name {
	case "Claude":
		return kind.class == classImage || kind.class == classDocument
	case "Nova":
		// Live, Nova takes images and text in results, and breaks on PDF, DOCX and video.
		return kind.class == classImage || kind.class == classDocument && kind.text
	case "Llama":
		return strings.HasPrefix(t.model.Base, "meta.llama4") && (kind.class == classImage || kind.class == classDocument)
	case "Mistral":
		return kind.class == classDocument
	case "Qwen":
		return false
	default:
		return !strings.HasPrefix(t.model.Base, "moonshot")
	}
}

// besideResult says whether a part may share its turn with a tool's result. Where one may not, Bedrock
// says "Conversation blocks and tool result blocks cannot be provided in the same turn".
// https://github.com/strands-agents/harness-sdk/issues/1223
func (t *traits) besideResult(part llm.Part) bool {
	switch x := part.(type) {
	case llm.ToolResult, llm.CachePoint:
		return true
	case llm.Blob:
		if t.claude() && t.messages == "" && sniff(x).class != classImage {
			return false
		}
	}
	return !t.converse.ToolResultAlone
}
