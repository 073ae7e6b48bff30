package openai

import "outcrop/internal/llm"

// flatTools reads the tools of a Responses request: a function's members are the tool's own.
func (d *responsesDecoder) flatTools() {
	for a := d.array(maxTools, "tools"); a.more(); {
		switch d.kindOf() {
		case "function", "":
			d.flatTool()
		default:
			d.failKind(functionWords)
		}
	}
}

func (d *responsesDecoder) flatTool() {
	at, typed := d.s.Offset(), false
	var tool llm.Tool
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "type":
			typed = true
			d.typeFunction()
		case "name":
			tool.Name = d.s.String()
		case "description":
			tool.Description = d.s.String()
		case "parameters":
			tool.Schema = d.schema()
		case "strict":
			tool.Strict = d.s.Bool()
		case "cache_control":
			point := d.cachePoint("cache_control")
			tool.Cache = &point
		default:
			d.ignore()
		}
	}
	switch {
	case !typed:
		d.fail(at, "type", "missing; "+functionWords)
	case tool.Name == "":
		d.fail(at, "name", "missing; expected the tool's name")
	}
	tool.Index = len(d.req.Tools)
	d.req.Tools = append(d.req.Tools, tool)
}

const flatChoiceWords = `none, auto, required or {"type":"function","name":"…"}`

func (d *responsesDecoder) flatChoice() {
	if d.s.Kind() != '{' {
		if d.s.Kind() != '"' {
			d.wrongType(flatChoiceWords)
			return
		}
		d.toolChoice()
		return
	}
	switch d.kindOf() {
	case "function":
		d.req.ToolChoice.Mode = llm.ToolNamed
		d.flatName(&d.req.ToolChoice.Name, &d.choiceNameAt)
	case "allowed_tools":
		d.flatAllowed()
	case "":
		d.fail(d.s.Offset(), "type", "missing; expected function or allowed_tools")
	default:
		d.failKind("expected function or allowed_tools")
	}
}

// flatName reads an object that names a function, and where it does.
func (d *responsesDecoder) flatName(name *string, nameAt *int) {
	at := d.s.Offset()
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "type":
			d.typeFunction()
		case "name":
			*nameAt, *name = o.value, d.s.String()
		default:
			d.ignore()
		}
	}
	if *name == "" {
		d.fail(at, "name", "missing; expected the name of a tool")
	}
}

// flatAllowed reads a choice of some of the tools.
func (d *responsesDecoder) flatAllowed() {
	at, modeGiven := d.s.Offset(), false
	d.allowed.given = true
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "type":
			d.skipText()
		case "mode":
			modeGiven = true
			d.allowedMode()
		case "tools":
			for a := d.array(maxTools, "tools"); a.more(); {
				var tool allowedTool
				d.flatName(&tool.name, &tool.at)
				d.allowed.tools = append(d.allowed.tools, tool)
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
	d.req.ToolChoice.Mode = d.allowed.mode
}

func (d *responsesDecoder) allowedMode() {
	at := d.s.Offset()
	switch d.s.String() {
	case "auto":
	case "required":
		d.allowed.mode = llm.ToolRequired
	default:
		d.fail(at, "", "expected auto or required")
	}
}
