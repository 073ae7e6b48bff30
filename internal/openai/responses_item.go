package openai

import (
	"slices"

	"outcrop/internal/llm"
)

const (
	itemWords   = "message, function_call, function_call_output or reasoning"
	speakers    = "user, system, developer or assistant"
	outputWords = "a string or an array of parts"
)

func (d *responsesDecoder) input() {
	switch d.s.Kind() {
	case '"':
		if text := d.s.String(); text != "" {
			d.addMessage(llm.RoleUser, AtInput, llm.Text{Text: text})
		}
	case '[':
		for a := d.array(maxMessages, "items"); a.more(); {
			d.item(a.n - 1)
		}
	default:
		d.wrongType("a string or an array of items")
	}
}

func (d *responsesDecoder) addMessage(role llm.Role, index int, parts ...llm.Part) {
	d.endTurn()
	d.req.Messages = append(d.req.Messages, llm.Message{Role: role, Index: index, Parts: parts})
}

func (d *responsesDecoder) item(i int) {
	switch kind := d.kindOf(); kind {
	case "message", "":
		d.messageItem(i, kind)
	case "function_call":
		d.callItem(i)
	case "function_call_output":
		d.resultItem(i)
	case "reasoning":
		d.reasoningItem(i)
	case "item_reference":
		d.failKind("not supported by this version; send the item itself")
	default:
		d.failKind("not a type of item that this version supports; expected " + itemWords)
	}
}

// failKind refuses the object that comes next for its type.
func (d *decoder) failKind(reason string) {
	if d.s.Kind() != '{' {
		d.wrongType("an object")
		return
	}
	d.s.Object()
	for key, ok := d.s.Member(); ok; key, ok = d.s.Member() {
		at := d.s.Offset()
		d.s.Skip()
		if key == "type" {
			d.fail(at, "", reason)
		}
	}
}

// messageItem reads a message: what a client says, or what a model said.
func (d *responsesDecoder) messageItem(i int, kind string) {
	m := message{at: d.s.Offset()}
	d.parts = d.parts[len(d.parts):]
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "role":
			d.speaker(&m)
		case "content":
			m.contentAt = o.value
			d.contentParts(&m, "content")
		case "type":
			d.skipText()
		case "id", "status", "phase": // of what this server said
			d.skipText()
		default:
			d.ignore()
		}
	}
	switch {
	case d.s.Err() != nil:
		return
	case m.role == 0 && kind == "":
		d.fail(m.at, "type", "missing; expected "+itemWords)
	case m.role == 0:
		d.fail(m.at, "role", "missing; expected "+speakers)
	case m.contentAt == 0:
		d.fail(m.at, "content", "missing; expected "+contentWords)
	case m.fileAt != 0 && m.role != llm.RoleUser:
		d.fail(m.fileAt, "", "files are for messages of the user")
	case m.role == llm.RoleAssistant:
		d.said(i, d.parts...)
	default:
		d.addMessage(m.role, i, slices.Clip(d.parts)...)
	}
}

func (d *responsesDecoder) speaker(m *message) {
	at := d.s.Offset()
	switch d.s.String() {
	case "user":
		m.role = llm.RoleUser
	case "assistant":
		m.role = llm.RoleAssistant
	case "system", "developer":
		m.role = llm.RoleSystem
	default:
		d.fail(at, "", "unknown role; expected "+speakers)
	}
}

func (d *responsesDecoder) callItem(i int) {
	at, given := d.s.Offset(), false
	call := llm.ToolCall{Args: "{}"}
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "call_id":
			call.ID = d.s.String()
		case "name":
			call.Name = d.s.String()
		case "arguments":
			given, call.Args = true, d.arguments()
		case "type", "id", "status":
			d.skipText()
		default:
			d.ignore()
		}
	}
	switch {
	case call.ID == "":
		d.fail(at, "call_id", "missing; expected the id that the call's output names")
	case call.Name == "":
		d.fail(at, "name", "missing; expected the name of the called function")
	case !given:
		d.fail(at, "arguments", "missing; expected a JSON object as text")
	}
	if d.turn.calls++; d.turn.calls > maxToolCalls {
		d.tooMany(at, "calls in one turn", maxToolCalls)
		return
	}
	d.said(i, call)
}

func (d *responsesDecoder) resultItem(i int) {
	m := message{at: d.s.Offset()}
	d.parts = d.parts[len(d.parts):]
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "call_id":
			m.callID = d.s.String()
		case "output":
			m.contentAt = o.value
			d.contentParts(&m, "output")
		case "type", "id", "status":
			d.skipText()
		default:
			d.ignore()
		}
	}
	switch {
	case m.callID == "":
		d.fail(m.at, "call_id", "missing; expected the call_id of the function call that this answers")
	case m.contentAt == 0:
		d.fail(m.at, "output", "missing; expected "+outputWords)
	}
	if d.s.Err() == nil {
		d.addResult(i, &m)
	}
}

// addResult adds the output of a call, with a cache breakpoint of its parts behind it.
func (d *responsesDecoder) addResult(i int, m *message) {
	var mark llm.Part
	if m.marked {
		mark = d.takeMarks()
	}
	parts := []llm.Part{llm.ToolResult{ID: m.callID, Parts: slices.Clip(d.parts)}}
	if mark != nil {
		parts = append(parts, mark)
	}
	d.addMessage(llm.RoleTool, i, parts...)
}

// turn is a turn of the assistant that is being gathered from its items.
type turn struct {
	open     bool
	calls    int
	thoughts int
	late     bool // a text came after a call
}

// said adds parts to the assistant's turn.
func (d *responsesDecoder) said(i int, parts ...llm.Part) {
	if len(parts) == 0 || d.s.Err() != nil {
		return
	}
	if !d.turn.open {
		d.turn.open = true
		d.req.Messages = append(d.req.Messages, llm.Message{Role: llm.RoleAssistant, Index: i})
	}
	if _, text := parts[0].(llm.Text); text && d.turn.calls > 0 {
		d.turn.late = true
	}
	m := &d.req.Messages[len(d.req.Messages)-1]
	m.Parts = append(m.Parts, parts...)
}

// endTurn ends the assistant's turn. Its texts come before its calls, as in a chat: models want the
// results of calls right behind them.
func (d *responsesDecoder) endTurn() {
	if d.turn.late {
		m := &d.req.Messages[len(d.req.Messages)-1]
		first := slices.IndexFunc(m.Parts, isToolCall)
		rest := slices.Clone(m.Parts[first:])
		m.Parts = m.Parts[:first]
		for _, texts := range []bool{true, false} {
			for _, p := range rest {
				if _, text := p.(llm.Text); text == texts {
					m.Parts = append(m.Parts, p)
				}
			}
		}
	}
	d.turn = turn{}
}

func isToolCall(p llm.Part) bool { _, ok := p.(llm.ToolCall); return ok }
