package bedrock

import (
	"slices"
	"strconv"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
	"outcrop/internal/models"
)

// The members of Converse's toolChoice, which has no "none", and the one that Anthropic's has.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolChoice.html
const (
	choiceAuto = "auto"
	choiceAny  = "any"
	choiceTool = "tool"
	choiceNone = "none"
)

// emptySchema is for a tool without parameters; Converse demands a schema.
const emptySchema = `{"type":"object","properties":{}}`

// maxStrict is how many strict tools a request may hold.
const maxStrict = 20

// noToolText steers a model whose tools had to stay in the request.
const noToolText = "Do not call any tool in this reply. Answer with text."

// offer is what is offered to a model: the tools, and how it must choose among them.
type offer struct {
	tools  []llm.Tool
	choice string // a member of toolChoice; "" leaves it to the model
	name   string // with choiceTool
}

// forced says whether the model has no choice but to call a tool.
func (o *offer) forced() bool { return o.choice == choiceAny || o.choice == choiceTool }

// path is the client's name of a tool.
func (o *offer) path(i int) string { return toolHome(&o.tools[i]) + ".function" }

// sameName is the place of the first tool that has the name of one before it, or -1.
func sameName(tools []llm.Tool) int {
	var seen map[string]bool // of more than a few
	if len(tools) > fewCalls {
		seen = make(map[string]bool, len(tools))
	}
	for i := range tools {
		name := tools[i].Name
		if seen[name] || seen == nil && slices.ContainsFunc(tools[:i], func(t llm.Tool) bool { return t.Name == name }) {
			return i
		}
		if seen != nil {
			seen[name] = true
		}
	}
	return -1
}

// relax leaves the choice to the model after all.
func (o *offer) relax(c *converse, why string) {
	o.choice, o.name = "", ""
	c.change("tool_choice", why)
}

// chooses says whether the model takes a member of toolChoice. Where no source tells, it is asked.
func (t *traits) chooses(choice string) bool {
	return t.converse.ToolChoice == nil || slices.Contains(t.converse.ToolChoice, choice)
}

// strictTools says whether the model can be held to a tool's schema.
func (t *traits) strictTools() bool { return t.model.StructuredOutputs == models.Yes }

// planTools decides which tools are offered. Converse demands them as soon as the history holds tool
// blocks, so a client that sends a history with calls and no tools gets stand-ins.
func (c *converse) planTools() error {
	req := c.req
	mode := req.ToolChoice.Mode
	if !c.traits.hasTools() {
		c.leaveOutAll()
		return refuseTools(req)
	}
	tools := req.Tools
	if mode == llm.ToolNone && !c.keepsTools() || len(tools) == 0 {
		used := usedTools(req)
		if len(tools) == 0 || len(used) == 0 {
			tools = used
		}
	}
	if len(tools) == 0 {
		if mode == llm.ToolAuto || mode == llm.ToolNone {
			c.leaveOutAll()
			return nil
		}
		return llm.Invalid("tool_choice", "tool_choice asks for a tool call, but tools is empty.")
	}
	if i := sameName(tools); i >= 0 && c.traits.claude() {
		return llm.Invalid(toolHome(&tools[i])+".function.name", "Another tool before it has this name, and Claude tells tools apart by their names.")
	}
	c.offer.tools = tools
	switch mode {
	case llm.ToolAuto:
		if c.traits.messages != "" && len(req.Tools) == 0 {
			c.offer.choice = choiceNone // the client offers nothing that could be called
		}
	case llm.ToolNone:
		if c.traits.messages != "" {
			c.offer.choice = choiceNone
			return nil
		}
		c.change("tool_choice", "the history needs the tools; the model is told in words not to call them")
		c.instruct(noToolText)
	case llm.ToolRequired:
		c.require()
	case llm.ToolNamed:
		c.requireNamed(req.ToolChoice.Name)
	}
	return nil
}

// keepsTools says whether tools that must not be called are sent: where that can be said, a cached prefix
// stays the same. They are left out where the format of the answer wants a tool of ours.
func (c *converse) keepsTools() bool {
	return c.traits.messages != "" && c.req.Format.Kind == llm.FormatText
}

// refuseTools is for the models without tools.
func refuseTools(req *llm.ChatRequest) error {
	if len(req.Tools) > 0 && req.ToolChoice.Mode != llm.ToolNone {
		return llm.Invalid("tools", "This model cannot call tools: leave tools out, or choose a model that can.")
	}
	if mode := req.ToolChoice.Mode; mode == llm.ToolRequired || mode == llm.ToolNamed {
		return llm.Invalid("tool_choice", "This model cannot call tools: leave tool_choice out, or choose a model that can.")
	}
	for i := range req.Messages {
		for _, part := range req.Messages[i].Parts {
			at := "messages[" + strconv.Itoa(req.Messages[i].Index) + "]"
			switch part.(type) {
			case llm.ToolCall:
				return llm.Invalid(at+".tool_calls", "This model cannot take part in a conversation with tool calls: choose a model that has tools.")
			case llm.ToolResult:
				return llm.Invalid(at, "This model cannot take part in a conversation with tool calls: choose a model that has tools.")
			}
		}
	}
	return nil
}

// require asks for some tool call, in the nearest way that the model has.
func (c *converse) require() {
	switch {
	case c.traits.chooses(choiceAny):
		c.offer.choice = choiceAny
	case c.traits.chooses(choiceTool) && len(c.offer.tools) == 1:
		c.offer.choice, c.offer.name = choiceTool, c.offer.tools[0].Name
	default:
		c.offer.relax(c, "the model cannot be forced to call a tool")
	}
}

// requireNamed asks for a call of one tool. Where only "any" can be said, the others are not offered.
func (c *converse) requireNamed(name string) {
	if c.traits.chooses(choiceTool) {
		c.offer.choice, c.offer.name = choiceTool, name
		return
	}
	if i := slices.IndexFunc(c.offer.tools, func(t llm.Tool) bool { return t.Name == name }); i >= 0 {
		c.offer.tools = c.offer.tools[i : i+1]
		for other := range c.req.Tools {
			if other != i {
				c.leaveOut(other)
			}
		}
		c.own().Tools = c.offer.tools // what Bedrock says of a tool is about this one
	}
	if c.traits.chooses(choiceAny) {
		c.offer.choice = choiceAny
		return
	}
	c.offer.relax(c, "the model cannot be forced to call a tool; the others are not offered")
}

// addTools writes toolConfig.
func (c *converse) addTools(*llm.ChatRequest) error {
	tools := c.offer.tools
	if len(tools) == 0 {
		return nil
	}
	c.tools = true
	native := c.oneTool()
	c.body = append(c.body, `,"toolConfig":{"tools":[`...)
	strict := 0
	for i := range tools {
		if i > 0 {
			c.body = append(c.body, ',')
		}
		if err := c.toolSpec(&tools[i], i, &strict); err != nil {
			return err
		}
		if tools[i].Cache != nil {
			c.body = append(c.body, ',')
			c.cachePoint(*tools[i].Cache)
		}
	}
	c.body = append(c.body, ']')
	switch {
	case native:
	case c.offer.choice == choiceAny:
		c.body = append(c.body, `,"toolChoice":{"any":{}}`...)
	case c.offer.choice == choiceTool:
		c.body = append(c.body, `,"toolChoice":{"tool":{"name":`...)
		c.body = jsonscan.AppendString(c.body, c.toolName(c.offer.name))
		c.body = append(c.body, `}}`...)
	}
	c.body = append(c.body, '}')
	return nil
}

// oneTool asks for one call at most. Only Claude can, in a field of its own that holds the choice as
// well; next to toolConfig.toolChoice Converse refuses it as a conflict, so the choice is written there
// alone. https://docs.claude.com/en/docs/agents-and-tools/tool-use/implement-tool-use
func (c *converse) oneTool() bool {
	if !c.req.OneTool {
		return false
	}
	if !c.traits.claude() {
		c.ignore("parallel_tool_calls", "the model cannot be kept to one call")
		return false
	}
	choice := `{"type":"`
	switch c.offer.choice {
	case choiceTool:
		choice += string(jsonscan.AppendString([]byte(`tool","name":`), c.toolName(c.offer.name)))
	case choiceAny:
		choice += `any"`
	default:
		choice += `auto"`
	}
	c.extra.add("tool_choice", []byte(choice+`,"disable_parallel_tool_use":true}`))
	return true
}

// toolSpec writes one tool.
func (c *converse) toolSpec(t *llm.Tool, i int, strict *int) error {
	c.body = append(c.body, `{"toolSpec":{"name":`...)
	c.body = jsonscan.AppendString(c.body, c.toolName(t.Name))
	description := t.Description
	if isBlank(description) {
		description = ""
		if c.traits.family.Vendor == vendorCohere {
			description = " " // Cohere demands one
		}
	}
	if description != "" {
		c.body = append(c.body, `,"description":`...)
		c.body = jsonscan.AppendString(c.body, description)
	}
	schema, held, err := c.toolSchema(t, i, *strict)
	if err != nil {
		return err
	}
	c.body = append(append(c.body, `,"inputSchema":{"json":`...), schema...)
	c.body = append(c.body, '}')
	if held {
		*strict++
		c.body = append(c.body, `,"strict":true`...)
	}
	c.body = append(c.body, `}}`...)
	return nil
}

// toolSchema is a tool's schema as the model takes it; held says that the model is held to it.
func (c *converse) toolSchema(t *llm.Tool, i, strict int) (schema []byte, held bool, err error) {
	at := func(member string) string { return c.offer.path(i) + "." + member }
	var top []member // which Nova's needs anyhow
	var kind []byte
	nova := c.traits.family.Vendor == vendorNova && len(t.Schema) > 0
	if nova {
		top = members(t.Schema)
		kind = find(top, "type")
	} else {
		kind = first(t.Schema, "type")
	}
	schema, ok := argumentsSchema(t.Schema, kind)
	if !ok {
		return nil, false, llm.Invalid(at("parameters"), notArguments)
	}
	if t.Strict {
		switch grammar, ok := grammarSchema(schema); {
		case !c.traits.strictTools():
			c.ignore(at("strict"), "the model cannot be held to a schema")
		case !ok:
			c.ignore(at("strict"), "the schema says more than a model can be held to")
		case strict >= maxStrict:
			c.ignore(at("strict"), "a request can hold "+strconv.Itoa(maxStrict)+" strict tools")
		default:
			return grammar, true, nil
		}
	}
	if nova {
		flat, lost := novaSchema(schema, top)
		if lost && c.format != formatTool { // what is lost of a format's schema is checked afterwards
			c.change(at("parameters"), "Nova takes type, properties and required at the top of a schema")
		}
		return flat, false, nil
	}
	return schema, false, nil
}

// usedTools are the tools that the history calls, each once, for a client that sends a conversation
// with tool calls and no tools.
func usedTools(req *llm.ChatRequest) (tools []llm.Tool) {
	seen := map[string]bool{}
	for i := range req.Messages {
		for _, part := range req.Messages[i].Parts {
			if call, ok := part.(llm.ToolCall); ok && !seen[call.Name] {
				seen[call.Name] = true
				tools = append(tools, llm.Tool{Name: call.Name})
			}
		}
	}
	return tools
}
