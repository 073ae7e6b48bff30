package openai

import (
	"strconv"
	"strings"

	"outcrop/internal/llm"
)

// legacy is what has been seen of the wire before tools: functions, function_call and messages of the
// role function. It becomes tools, whose calls have ids: they are counted, so that a conversation that
// comes back has the same ones, which a prompt cache needs.
type legacy struct {
	at     int        // of functions; 0 when there are none
	tools  []llm.Tool // functions
	callAt int        // of function_call
	choice llm.ToolChoice
	nameAt int // of function_call.name

	count   int       // of calls, with or without an answer
	waiting []waiting // calls without an answer, in order
	ownAt   int       // the id of a tool call that looks like ours
}

type waiting struct{ id, name string }

const legacyID = "call_fn_"

// own notes the id of one of the client's tool calls.
func (l *legacy) own(id string, at int) {
	if l.ownAt == 0 && strings.HasPrefix(id, legacyID) {
		l.ownAt = at
	}
}

// legacyCall gives a message's function call its id.
func (d *decoder) legacyCall(m *message) llm.ToolCall {
	l := &d.legacy
	var id [32]byte
	m.called.ID = string(strconv.AppendInt(append(id[:0], legacyID...), int64(l.count), 10))
	l.count++
	if len(l.waiting) == maxWaiting {
		d.tooMany(m.calledAt, "function calls without an answer", maxWaiting)
	}
	l.waiting = append(l.waiting, waiting{m.called.ID, m.called.Name})
	return m.called
}

// answered returns the id of the first call of the function that the message names and that has no
// answer yet.
func (d *decoder) answered(m *message) string {
	for i, call := range d.legacy.waiting {
		if call.name == m.name {
			d.legacy.waiting = append(d.legacy.waiting[:i], d.legacy.waiting[i+1:]...)
			return call.id
		}
	}
	d.fail(m.nameAt, "", "answers no function_call of an earlier message")
	return ""
}

func (d *decoder) functions() {
	for a := d.array(maxTools, "functions"); a.more(); {
		at := d.s.Offset()
		var tool llm.Tool
		d.function(&tool)
		if tool.Name == "" {
			d.fail(at, "name", "missing; expected the function's name")
		}
		d.legacy.tools = append(d.legacy.tools, tool)
	}
}

// functionChoice reads function_call, which is tool_choice for functions.
func (d *decoder) functionChoice() {
	const words = `none, auto or {"name":"…"}`
	l := &d.legacy
	l.callAt = d.s.Offset()
	switch d.s.Kind() {
	case '"':
		switch d.s.String() {
		case "auto":
		case "none":
			l.choice.Mode = llm.ToolNone
		default:
			d.fail(l.callAt, "", "expected "+words)
		}
	case '{':
		l.choice = llm.ToolChoice{Mode: llm.ToolNamed, Name: d.choiceName(&l.nameAt)}
		if l.choice.Name == "" {
			d.fail(l.callAt, "name", "missing; expected the name of a function")
		}
	default:
		d.wrongType(words)
	}
}

// settleFunctions makes tools of the functions.
func (d *decoder) settleFunctions() {
	l := &d.legacy
	switch {
	case l.count > 0 && l.ownAt != 0:
		d.fail(l.ownAt, "", "ids that begin with "+legacyID+" are given to the function calls of the conversation; use another id")
	case len(l.tools) == 0 && l.choice.Mode == llm.ToolNamed:
		d.fail(l.callAt, "", "asks for a function call, but there are no functions")
	case len(l.tools) == 0:
		d.ignorePresent(l.callAt)
		return
	case len(d.req.Tools) > 0:
		d.fail(l.at, "", "cannot be used together with tools; move the functions there")
	case l.callAt != 0 && d.choiceAt != 0:
		d.fail(l.callAt, "", "cannot be used together with tool_choice")
	}
	d.shape.Functions = true
	d.req.Tools = l.tools
	if l.callAt != 0 {
		d.req.ToolChoice, d.choiceAt, d.choiceNameAt = l.choice, l.callAt, l.nameAt
	}
}
