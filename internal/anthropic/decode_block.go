package anthropic

import (
	"strings"

	"outcrop/internal/llm"
)

// common reads the members that blocks of every type have. The breakpoint goes behind the block.
func (d *decoder) common(key string, place llm.Place, mark *llm.Part) {
	switch key {
	case "type":
		d.s.Skip()
	case "cache_control":
		*mark = d.cachePoint(place + ".cache_control")
	default:
		d.ignore()
	}
}

func (d *decoder) addMark(mark llm.Part) {
	if mark != nil {
		d.parts = append(d.parts, mark)
	}
}

func (d *decoder) textBlock(place llm.Place) {
	at, textAt := d.s.Offset(), 0
	var mark llm.Part
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		if key == "text" {
			textAt = o.value
			d.addText(d.s.String())
		} else {
			d.common(key, place, &mark)
		}
	}
	if textAt == 0 {
		d.fail(at, "text", "missing; expected a string")
	}
	d.addMark(mark)
}

// thoughtBlock reads thinking, which only its own vendor can check.
func (d *decoder) thoughtBlock() {
	at, dataAt := d.s.Offset(), 0
	var thought llm.Reasoning
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "type":
			d.s.Skip()
		case "thinking":
			dataAt, thought.Text = o.value, d.s.String()
		case "signature":
			thought.Signature = d.s.String()
		case "data":
			// The vendor's text; Converse has it as bytes (internal/openai/testdata/decode/state-claude.txtar).
			dataAt, thought.Redacted = o.value, []byte(d.s.String())
		default:
			d.ignore()
		}
	}
	switch {
	case dataAt == 0:
		d.fail(at, "thinking", "missing; expected the thinking, or data of redacted_thinking")
	case len(thought.Redacted) > 0:
		d.parts = append(d.parts, llm.Reasoning{Redacted: thought.Redacted})
	case thought.Text != "" || thought.Signature != "":
		d.parts = append(d.parts, llm.Reasoning{Text: thought.Text, Signature: thought.Signature})
	}
}

func (d *decoder) callBlock(place llm.Place) {
	at := d.s.Offset()
	call := llm.ToolCall{Args: "{}"}
	var mark llm.Part
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "id":
			call.ID = d.s.String()
		case "name":
			call.Name = d.s.String()
		case "input":
			if d.s.Kind() != '{' {
				d.wrongType("an object")
			}
			call.Args = string(d.s.Raw())
		default:
			d.common(key, place, &mark)
		}
	}
	switch {
	case call.ID == "":
		d.fail(at, "id", "missing; expected the id that the call's result names")
	case call.Name == "":
		d.fail(at, "name", "missing; expected the name of the called tool")
	}
	d.parts = append(d.parts, call)
	d.addMark(mark)
}

func (d *decoder) resultBlock(place llm.Place) {
	at, start := d.s.Offset(), len(d.parts)
	var result llm.ToolResult
	var mark llm.Part
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch {
		case key == "tool_use_id":
			result.ID = d.s.String()
		case key == "is_error":
			result.Failed = d.s.Bool()
		case key == "content" && d.s.Kind() == '"':
			d.addText(d.s.String())
		case key == "content" && d.s.Kind() == '[':
			for a := d.array(maxBlocks, "blocks"); a.more(); {
				d.resultPart(blockPlace(place, a.n-1))
			}
		case key == "content":
			d.wrongType(contentWords)
		default:
			d.common(key, place, &mark)
		}
	}
	if result.ID == "" {
		d.fail(at, "tool_use_id", "missing; expected the id of the tool_use that this block answers")
	}
	for _, part := range d.parts[start:] {
		if point, ok := part.(llm.CachePoint); ok {
			if mark == nil {
				mark = point // the nearest place that it can have
			}
			continue
		}
		result.Parts = append(result.Parts, part)
	}
	d.parts = append(d.parts[:start], result)
	d.addMark(mark)
}

// resultPart reads a block of a tool's result.
func (d *decoder) resultPart(place llm.Place) {
	kind, at := d.kind()
	switch kind {
	case "text":
		d.textBlock(place)
	case "image", "document", "search_result":
		d.mediaBlock(kind, place)
	case "tool_reference":
		d.ignore() // to a tool that is offered anyway
	default:
		d.failKind(kind, at, "text, image, document or search_result")
	}
}

// media is a block with a file, or with what was found somewhere.
type media struct {
	kind    string
	at      int
	place   llm.Place
	mark    llm.Part
	title   string
	from    string // of a search result: where it was found
	sourced bool
	parts   []llm.Part
}

// mediaBlock reads an image, a document or a search result.
func (d *decoder) mediaBlock(kind string, place llm.Place) {
	b := media{kind: kind, at: d.s.Offset(), place: place}
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		d.mediaMember(&b, key)
	}
	if d.fileCount++; d.fileCount > maxFiles {
		d.tooMany(b.at, "files", maxFiles)
	}
	if !b.sourced {
		d.fail(b.at, "source", "missing; expected an object with type and data, or url")
	}
	if d.s.Err() != nil {
		return
	}
	if kind == "search_result" {
		d.addText(found(&b))
		d.changed.add(b.at) // a text, where the client has something to cite
	}
	for _, part := range b.parts {
		switch p := part.(type) {
		case llm.Blob:
			p.Name = b.title
			part = p
		case llm.Link:
			p.Name = b.title
			part = p
		}
		if kind != "search_result" {
			d.parts = append(d.parts, part)
		}
	}
	d.addMark(b.mark)
}

func (d *decoder) mediaMember(b *media, key string) {
	switch {
	case key == "source" && b.kind == "search_result":
		b.sourced, b.from = true, d.s.String()
	case key == "source":
		b.sourced = true
		d.source(b)
	case key == "title" && b.kind != "image":
		b.title = d.s.String()
	case key == "content" && b.kind == "search_result":
		b.parts = d.inner(b.place)
	case key == "citations" && b.kind != "image":
		d.citations(b)
	default:
		d.common(key, b.place, &b.mark)
	}
}

// inner reads content blocks apart from those of the message.
func (d *decoder) inner(place llm.Place) []llm.Part {
	start := len(d.parts)
	if d.s.Kind() == '"' {
		d.addText(d.s.String())
	} else {
		for a := d.array(maxBlocks, "blocks"); a.more(); {
			d.resultPart(blockPlace(place, a.n-1))
		}
	}
	parts := append([]llm.Part(nil), d.parts[start:]...)
	d.parts = d.parts[:start]
	return parts
}

// citations reads whether the document is to be cited.
func (d *decoder) citations(b *media) {
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		if key != "enabled" {
			d.ignore()
			continue
		}
		if d.s.Bool() && b.kind == "document" {
			d.citationsAt = first(d.citationsAt, o.value)
		}
	}
}

// found is a search result as a text.
func found(b *media) string {
	lines := make([]string, 0, len(b.parts)+2)
	for _, line := range []string{b.title, b.from} {
		if line != "" {
			lines = append(lines, line)
		}
	}
	for _, part := range b.parts {
		if text, ok := part.(llm.Text); ok {
			lines = append(lines, text.Text)
		}
	}
	return strings.Join(lines, "\n")
}
