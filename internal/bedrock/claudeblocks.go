package bedrock

import (
	"encoding/base64"
	"fmt"
	"unicode/utf8"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// maxTitle is how long a document's title may be, in bytes.
const maxTitle = 500

// block writes the block of a place; the last of a conversation may be the beginning of the reply.
func (w *messagesWriter) block(p *place, prefill bool) error {
	switch part := p.content().(type) {
	case llm.Text:
		w.text(w.prefill(p, part.Text, prefill))
		return nil
	case llm.Blob:
		return w.file(p, part)
	case llm.Link:
		return w.link(p, part) // which refuses it: Claude takes no s3: URLs, and no others come here
	case llm.Reasoning:
		w.thought(part)
		return nil
	case llm.ToolCall:
		w.toolUse(p.word, part)
		return nil
	case llm.ToolResult:
		return w.toolResult(p, part)
	default:
		return llm.Invalid("", fmt.Sprintf("A %s message cannot hold content of this kind.", p.m.Role))
	}
}

func (w *messagesWriter) text(text string) {
	w.body = append(w.body, `{"type":"text","text":`...)
	w.body = jsonscan.AppendString(w.body, text)
	w.body = append(w.body, '}')
}

// thought writes earlier thinking. What only Anthropic can read is a text of theirs, which Converse writes
// in base64 once more.
func (w *messagesWriter) thought(r llm.Reasoning) {
	if r.Redacted != nil {
		w.body = append(w.body, `{"type":"redacted_thinking","data":`...)
		w.body = jsonscan.AppendString(w.body, string(r.Redacted))
		w.body = append(w.body, '}')
		return
	}
	w.body = append(w.body, `{"type":"thinking","thinking":`...)
	w.body = jsonscan.AppendString(w.body, r.Text)
	w.body = append(w.body, `,"signature":`...)
	w.body = jsonscan.AppendString(w.body, r.Signature)
	w.body = append(w.body, '}')
}

func (w *messagesWriter) toolUse(id string, t llm.ToolCall) {
	w.body = append(w.body, `{"type":"tool_use","id":`...)
	w.body = jsonscan.AppendString(w.body, id)
	w.body = append(w.body, `,"name":`...)
	w.body = jsonscan.AppendString(w.body, w.toolName(t.Name))
	w.body = append(append(w.body, `,"input":`...), t.Args...)
	w.body = append(w.body, '}')
}

// toolResult writes a result. A blank text in it would be refused, and so would an error without a text.
func (w *messagesWriter) toolResult(p *place, r llm.ToolResult) error {
	w.body = append(w.body, `{"type":"tool_result","tool_use_id":`...)
	w.body = jsonscan.AppendString(w.body, p.word)
	w.reportBlanks(&llm.Message{Index: p.m.Index, Parts: r.Parts})
	blocks := 0
	open := func() {
		w.body = append(w.body, [...]string{`,"content":[`, `,`}[min(blocks, 1)]...)
		blocks++
	}
	for i, part := range r.Parts {
		if file, ok := part.(llm.Blob); blank(part) || ok && !w.traits.resultHolds(file) {
			continue // a file that a result cannot hold has a place of its own, after it
		}
		open()
		inside := *p
		inside.inner = int32(i + 1)
		if err := w.block(&inside, false); err != nil {
			return inside.blame(err)
		}
	}
	if r.Failed && blocks == 0 {
		open()
		w.text(failedText)
	}
	if blocks > 0 {
		w.body = append(w.body, ']')
	}
	if r.Failed {
		w.body = append(w.body, `,"is_error":true`...)
	}
	w.body = append(w.body, '}')
	return nil
}

// file writes an image or a document.
func (w *messagesWriter) file(p *place, b llm.Blob) error {
	kind := sniff(b)
	if err := w.checkFile(p, b, kind); err != nil {
		return err
	}
	switch {
	case kind.class == classImage:
		w.body = append(w.body, `{"type":"image","source":{"type":"base64","media_type":"image/`...)
		w.body = append(append(w.body, kind.format...), `","data":"`...)
		w.base64(b)
		w.body = append(w.body, `"}}`...)
		return nil
	case kind.text:
		w.body = append(w.body, `{"type":"document","source":{"type":"text","media_type":"text/plain","data":`...)
		e := encoded{b}
		w.body = jsonscan.AppendString(w.body, string(e.at(0, e.size())))
		w.body = append(w.body, '}')
	default:
		w.body = append(w.body, `{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"`...)
		w.base64(b)
		w.body = append(w.body, `"}`...)
	}
	w.title(p, b.Name)
	if w.citations {
		w.body = append(w.body, `,"citations":{"enabled":true}`...)
	}
	w.body = append(w.body, '}')
	return nil
}

func (w *messagesWriter) base64(b llm.Blob) {
	if b.Base64 != "" {
		w.body = append(w.body, b.Base64...)
		return
	}
	w.body = base64.StdEncoding.AppendEncode(w.body, b.Bytes)
}

// title writes the name of a document, by which it is cited.
func (w *messagesWriter) title(p *place, name string) {
	if isBlank(name) {
		return
	}
	if len(name) > maxTitle {
		cut := maxTitle
		for cut > 0 && !utf8.RuneStart(name[cut]) {
			cut--
		}
		name = name[:cut]
		w.change(p.path(""), "a document's title has room for 500 bytes")
	}
	w.body = append(w.body, `,"title":`...)
	w.body = jsonscan.AppendString(w.body, name)
}
