package openai

import (
	"strings"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

const functionWords = "only type function is supported by this version"

// toolCalls reads the calls of an assistant message into d.calls.
func (d *decoder) toolCalls() {
	for a := d.array(maxToolCalls, "tool calls"); a.more(); {
		d.toolCall(a.n - 1)
	}
}

func (d *decoder) toolCall(i int) {
	at, functionAt := d.s.Offset(), 0
	var call llm.ToolCall
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "id":
			call.ID = d.s.String()
			d.legacy.own(call.ID, o.value)
		case "type":
			d.typeFunction()
		case "function":
			functionAt = o.value
			d.calledFunction(&call)
		case "index":
			d.index(i)
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

// calledFunction reads what a call calls.
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

// arguments reads the text of a JSON object. What is another text was written by a model once and
// comes back with every turn: an object around it keeps the conversation usable, and the member is
// told as changed.
func (d *decoder) arguments() string {
	at := d.s.Offset()
	text := d.s.String()
	size := d.s.Offset() - at // of the text with its escapes, as it will be again
	switch trimmed := strings.TrimSpace(text); {
	case trimmed == "" || trimmed == "null":
		return "{}"
	case isObject(text):
		return text
	}
	d.changed.add(at)
	const open = `{"arguments":`
	object := append(make([]byte, 0, len(open)+size+1), open...)
	return string(append(jsonscan.AppendString(object, text), '}'))
}

func isObject(text string) bool {
	if text = strings.TrimSpace(text); text[0] != '{' {
		return false // without a copy
	}
	inner := jsonscan.New([]byte(text))
	inner.Skip()
	inner.End()
	return inner.Err() == nil
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
		case "custom_fields":
			if point, ok := d.breakpoint(); ok {
				tool.Cache = &point
			}
		case "cache_control":
			point := d.cachePoint("cache_control")
			tool.Cache = &point
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
	tool.Index = len(d.req.Tools)
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
			tool.Schema = d.schema()
		case "strict":
			tool.Strict = d.s.Bool()
		case "cache_control":
			point := d.cachePoint("function.cache_control")
			tool.Cache = &point
		default:
			d.ignore()
		}
	}
}
