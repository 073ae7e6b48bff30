package openai

import (
	"errors"
	"fmt"
	"strings"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

const functionWords = "only type function is supported by this version"

// toolCalls reads the calls of an assistant message into d.calls.
func (d *decoder) toolCalls() {
	for a := d.array(maxToolCalls, "tool calls"); a.more(); {
		d.toolCall()
	}
}

func (d *decoder) toolCall() {
	at, functionAt := d.s.Offset(), 0
	var call llm.ToolCall
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "id":
			call.ID = d.s.String()
		case "type":
			d.typeFunction()
		case "function":
			functionAt = o.value
			d.calledFunction(&call)
		default:
			d.ignore()
		}
	}
	switch {
	case call.ID == "":
		d.fail(at, "id", "missing; expected the id that the call's result names")
	case functionAt == 0:
		d.fail(at, "function", "missing; expected an object with name and arguments")
	case call.Name == "":
		d.fail(functionAt, "name", "missing; expected the name of the called tool")
	}
	d.calls = append(d.calls, call)
}

func (d *decoder) calledFunction(call *llm.ToolCall) {
	call.Args = "{}"
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "name":
			call.Name = d.s.String()
		case "arguments":
			call.Args = d.arguments()
		default:
			d.ignore()
		}
	}
}

// arguments reads JSON within a string.
func (d *decoder) arguments() string {
	at := d.s.Offset()
	text := d.s.String()
	if strings.TrimSpace(text) == "" {
		return "{}"
	}
	inner := jsonscan.New([]byte(text))
	if inner.Kind() != '{' {
		d.fail(at, "", "expected the text of a JSON object")
		return ""
	}
	inner.Skip()
	inner.End()
	if scan, ok := errors.AsType[*jsonscan.Error](inner.Err()); ok {
		line, col := jsonscan.Position([]byte(text), scan.Offset)
		d.fail(at, "", fmt.Sprintf("expected the text of a JSON object: its line %d, column %d: %s", line, col, scan.Reason))
	}
	return text
}

func (d *decoder) typeFunction() {
	at := d.s.Offset()
	if d.s.String() != "function" {
		d.fail(at, "", functionWords)
	}
}

func (d *decoder) tools() {
	for a := d.array(maxTools, "tools"); a.more(); {
		d.tool()
	}
}

func (d *decoder) tool() {
	at, functionAt := d.s.Offset(), 0
	var tool llm.Tool
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "type":
			d.typeFunction()
		case "function":
			functionAt = o.value
			d.function(&tool)
		default:
			d.ignore()
		}
	}
	switch {
	case functionAt == 0:
		d.fail(at, "function", "missing; expected an object with name, description and parameters")
	case tool.Name == "":
		d.fail(functionAt, "name", "missing; expected the tool's name")
	}
	d.req.Tools = append(d.req.Tools, tool)
}

func (d *decoder) function(tool *llm.Tool) {
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "name":
			tool.Name = d.s.String()
		case "description":
			tool.Description = d.s.String()
		case "parameters":
			if d.s.Kind() != '{' {
				d.wrongType("a JSON Schema, which is an object")
			}
			tool.Schema = d.s.Raw()
		case "strict":
			if d.s.Bool() {
				d.ignoreAt(o.value)
			}
		default:
			d.ignore()
		}
	}
}

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
	at := d.s.Offset()
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "type":
			d.typeFunction()
		case "function":
			d.choiceName()
		default:
			d.ignore()
		}
	}
	if d.req.ToolChoice.Name == "" {
		d.fail(at, "function.name", "missing; expected the name of a tool")
	}
	d.req.ToolChoice.Mode = llm.ToolNamed
}

func (d *decoder) choiceName() {
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		if key == "name" {
			d.choiceNameAt, d.req.ToolChoice.Name = o.value, d.s.String()
		} else {
			d.ignore()
		}
	}
}
