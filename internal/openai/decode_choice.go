package openai

import (
	"slices"

	"outcrop/internal/llm"
)

const choiceWords = `none, auto, required or {"type":"function","function":{"name":"…"}}`

func (d *decoder) toolChoice() {
	switch at := d.s.Offset(); d.s.Kind() {
	case '"':
		switch d.s.String() {
		case "auto":
		case "none":
			d.req.ToolChoice.Mode = llm.ToolNone
		case "required":
			d.req.ToolChoice.Mode = llm.ToolRequired
		default:
			d.fail(at, "", "expected "+choiceWords)
		}
	case '{':
		d.namedChoice()
	default:
		d.wrongType(choiceWords)
	}
}

func (d *decoder) namedChoice() {
	at, functionAt, allowedAt, kind := d.s.Offset(), 0, 0, "function"
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "type":
			if kind = d.s.String(); kind != "function" && kind != "allowed_tools" {
				d.fail(o.value, "", "expected function or allowed_tools")
			}
		case "function":
			functionAt = o.value
			d.req.ToolChoice.Name = d.choiceName(&d.choiceNameAt)
		case "allowed_tools":
			allowedAt = o.value
			d.allowedTools()
		default:
			d.ignore()
		}
	}
	switch {
	case kind == "allowed_tools" && allowedAt == 0:
		d.fail(at, "allowed_tools", "missing; expected an object with mode and tools")
	case kind == "allowed_tools":
		d.ignorePresent(functionAt)
		d.req.ToolChoice = llm.ToolChoice{Mode: d.allowed.mode}
	case d.req.ToolChoice.Name == "":
		d.fail(at, "function.name", "missing; expected the name of a tool")
	default:
		d.ignorePresent(allowedAt)
		d.allowed = allowed{}
		d.req.ToolChoice.Mode = llm.ToolNamed
	}
}

// allowed is a tool_choice of some of the tools.
type allowed struct {
	given bool
	mode  llm.ToolMode
	tools []allowedTool
}

type allowedTool struct {
	name string
	at   int
}

func (d *decoder) allowedTools() {
	at, modeGiven := d.s.Offset(), false
	d.allowed.given = true
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "mode":
			modeGiven = true
			switch d.s.String() {
			case "auto":
			case "required":
				d.allowed.mode = llm.ToolRequired
			default:
				d.fail(o.value, "", "expected auto or required")
			}
		case "tools":
			for a := d.array(maxTools, "tools"); a.more(); {
				d.allowedTool()
			}
		default:
			d.ignore()
		}
	}
	switch {
	case !modeGiven:
		d.fail(at, "mode", "missing; expected auto or required")
	case len(d.allowed.tools) == 0:
		d.fail(at, "tools", "missing; expected at least one tool")
	}
}

func (d *decoder) allowedTool() {
	at := d.s.Offset()
	var tool allowedTool
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "type":
			d.typeFunction()
		case "function":
			tool.name = d.choiceName(&tool.at)
		default:
			d.ignore()
		}
	}
	if tool.name == "" {
		d.fail(at, "function.name", "missing; expected the name of a tool")
	}
	d.allowed.tools = append(d.allowed.tools, tool)
}

// keepAllowed leaves out the tools that may not be called, which is all that a model would make of
// them.
func (d *decoder) keepAllowed() {
	if !d.allowed.given {
		return
	}
	for _, tool := range d.allowed.tools {
		if !canMeet(llm.ToolChoice{Mode: llm.ToolNamed, Name: tool.name}, d.req.Tools) {
			d.fail(tool.at, "", "names none of the tools")
			return
		}
	}
	kept := d.req.Tools[:0]
	for _, tool := range d.req.Tools {
		if slices.ContainsFunc(d.allowed.tools, func(a allowedTool) bool { return a.name == tool.Name }) {
			kept = append(kept, tool)
		} else if n := len(kept); n > 0 && tool.Cache != nil {
			kept[n-1].Cache = tool.Cache // what comes before it is worth caching all the same
		}
	}
	d.req.Tools = kept
}

// choiceName reads an object with the name of a function, and where that is.
func (d *decoder) choiceName(nameAt *int) (name string) {
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		if key == "name" {
			*nameAt, name = o.value, d.s.String()
		} else {
			d.ignore()
		}
	}
	return name
}

// checkChoice refuses a tool_choice that the tools cannot meet: it would be lost on the way, or come
// back as an error that names nothing of the client's request.
func (d *decoder) checkChoice() {
	choice := d.req.ToolChoice
	if choice.Mode != llm.ToolRequired && choice.Mode != llm.ToolNamed {
		return
	}
	if len(d.req.Tools) == 0 {
		d.fail(d.choiceAt, "", "asks for a tool call, but there are no tools")
		return
	}
	if !canMeet(choice, d.req.Tools) {
		d.fail(d.choiceNameAt, "", "names none of the tools")
	}
}

// canMeet reports whether the choice asks for nothing that the tools have not.
func canMeet(choice llm.ToolChoice, tools []llm.Tool) bool {
	switch choice.Mode {
	case llm.ToolRequired:
		return len(tools) > 0
	case llm.ToolNamed:
		for _, tool := range tools {
			if tool.Name == choice.Name {
				return true
			}
		}
		return false
	default:
		return true
	}
}
