package anthropic

import (
	"slices"

	"outcrop/internal/llm"
)

func (d *decoder) tools() {
	for a := d.array(maxTools, "tools"); a.more(); {
		kind, at := d.kind()
		switch {
		case kind != "" && kind != "custom":
			d.staticTool(a.n - 1)
		case at != 0 && kind == "":
			d.fail(at, "", "expected custom or another type of tool")
		default:
			d.tool(a.n - 1)
		}
	}
}

func (d *decoder) tool(i int) {
	at := d.s.Offset()
	tool := llm.Tool{Index: i}
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "type":
			d.s.Skip()
		case "name":
			tool.Name = d.s.String()
		case "description":
			tool.Description = d.s.String()
		case "input_schema":
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
	if tool.Name == "" {
		d.fail(at, "name", "missing; expected the tool's name")
	}
	d.req.Tools = append(d.req.Tools, tool)
}

// staticTool reads a tool of another type than custom: its schema is Anthropic's, and mostly its server
// runs it. What it says goes on as it is.
func (d *decoder) staticTool(i int) {
	saved := d.s
	tool := llm.Tool{Index: i, Static: d.s.Raw()}
	d.s = saved
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch {
		case (key == "name" || key == "mcp_server_name" && tool.Name == "") && d.s.Kind() == '"':
			tool.Name = d.s.String()
		case key == "cache_control":
			point := d.cachePoint("cache_control")
			tool.Cache = &point
		default:
			d.s.Skip()
		}
	}
	d.req.Tools = append(d.req.Tools, tool)
}

func (d *decoder) toolChoice() {
	at, kindAt, kind := d.s.Offset(), 0, ""
	choice := &d.req.ToolChoice
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "type":
			kindAt, kind = o.value, d.s.String()
		case "name":
			d.choiceNameAt, choice.Name = o.value, d.s.String()
		case "disable_parallel_tool_use":
			d.req.OneTool = d.s.Bool()
		default:
			d.ignore()
		}
	}
	switch kind {
	case "auto":
	case "any":
		choice.Mode = llm.ToolRequired
	case "none":
		choice.Mode = llm.ToolNone
	case "tool":
		if choice.Mode = llm.ToolNamed; choice.Name == "" {
			d.fail(at, "name", "missing; expected the name of a tool")
		}
	case "":
		d.fail(at, "type", "missing; expected auto, any, none or tool")
	default:
		d.fail(kindAt, "", "expected auto, any, none or tool")
	}
	if choice.Mode != llm.ToolNamed && choice.Name != "" {
		choice.Name = ""
		d.ignored.add(d.choiceNameAt)
	}
}

// checkChoice refuses a tool_choice that the tools cannot meet.
func (d *decoder) checkChoice() {
	switch choice := d.req.ToolChoice; choice.Mode {
	case llm.ToolRequired, llm.ToolNamed:
		if len(d.req.Tools) == 0 {
			d.fail(d.choiceAt, "", "asks for a tool call, but there are no tools")
		} else if choice.Mode == llm.ToolNamed && !slices.ContainsFunc(d.req.Tools, func(t llm.Tool) bool { return t.Name == choice.Name }) {
			d.fail(d.choiceNameAt, "", "names none of the tools")
		}
	default:
	}
}
