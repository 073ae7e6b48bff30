package bedrock

import (
	"strconv"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// converse is a chat as a call of Converse or ConverseStream, which take the same body.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
type converse struct {
	traits  *traits
	body    []byte
	tools   bool              // the body holds toolConfig
	ignored []string          // fields of the request that the body does not carry
	names   map[string]string // tool names that AWS would refuse, by what stands for them
}

// build translates a request for a model.
func build(req *llm.ChatRequest, t *traits) (*converse, error) {
	c := &converse{traits: t, body: make([]byte, 0, estimate(req))}
	if err := c.addMessages(req); err != nil {
		return nil, err
	}
	if err := c.addSystem(req); err != nil {
		return nil, err
	}
	if err := c.addInference(req); err != nil {
		return nil, err
	}
	if err := c.addTools(req); err != nil {
		return nil, err
	}
	c.body = append(c.body, '}')
	return c, nil
}

// estimate is about how long the body will be, so that it is allocated once.
func estimate(req *llm.ChatRequest) int {
	n := 512
	for _, m := range req.Messages {
		n += 32
		for _, part := range m.Parts {
			switch p := part.(type) {
			case llm.Text:
				n += len(p.Text) + len(p.Text)/16 + 16
			case llm.Blob:
				n += len(p.Base64) + len(p.Bytes)*4/3 + 64
			case llm.ToolCall:
				n += len(p.Args) + 128
			case llm.ToolResult:
				for _, part := range p.Parts {
					if text, ok := part.(llm.Text); ok {
						n += len(text.Text) + len(text.Text)/16 + 128
					}
				}
			case llm.Reasoning:
				n += len(p.Text) + len(p.Signature) + len(p.Redacted)*4/3 + 128
			}
		}
	}
	for _, t := range req.Tools {
		n += len(t.Schema) + len(t.Description) + 128
	}
	return n
}

// addSystem writes the system messages, wherever they stood, in their order.
func (c *converse) addSystem(req *llm.ChatRequest) error {
	open := false
	for m, part := range systemTexts(req) {
		text, ok := part.(llm.Text)
		if !ok {
			return llm.Invalid(param(m), "A system message can hold text only.")
		}
		if open {
			c.body = append(c.body, ',')
		} else {
			c.body = append(c.body, `,"system":[`...)
			open = true
		}
		c.text(text.Text)
	}
	if open {
		c.body = append(c.body, ']')
	}
	return nil
}

func (c *converse) addInference(req *llm.ChatRequest) error {
	const open = `,"inferenceConfig":{`
	c.body = append(c.body, open...)
	start := len(c.body)
	field := func(name string) {
		if len(c.body) > start {
			c.body = append(c.body, ',')
		}
		c.body = append(append(append(c.body, '"'), name...), `":`...)
	}
	if req.MaxTokens > 0 {
		field("maxTokens")
		c.body = strconv.AppendInt(c.body, int64(req.MaxTokens), 10)
	}
	if t := req.Sampling.Temperature; t != nil {
		if *t > 1 {
			return llm.Invalid("temperature", "Bedrock's models take a temperature from 0 to 1.")
		}
		field("temperature")
		c.body = strconv.AppendFloat(c.body, *t, 'g', -1, 64)
	}
	if p := req.Sampling.TopP; p != nil {
		field("topP")
		c.body = strconv.AppendFloat(c.body, *p, 'g', -1, 64)
	}
	if len(req.Stop) > 0 {
		field("stopSequences")
		for i, stop := range req.Stop {
			c.body = append(c.body, "[,"[min(i, 1)])
			c.body = jsonscan.AppendString(c.body, stop)
		}
		c.body = append(c.body, ']')
	}
	if len(c.body) == start {
		c.body = c.body[:start-len(open)]
		return nil
	}
	c.body = append(c.body, '}')
	return nil
}

// emptySchema is for a tool without parameters; Converse demands a schema.
const emptySchema = `{"type":"object","properties":{}}`

// addTools writes toolConfig. Converse has no choice "none", and demands the tools as soon as the
// history holds tool blocks.
func (c *converse) addTools(req *llm.ChatRequest) error {
	tools := req.Tools
	used := usedTools(req)
	if req.ToolChoice.Mode == llm.ToolNone {
		if len(used) == 0 {
			return nil
		}
		c.ignored = append(c.ignored, "tool_choice")
	}
	if len(tools) == 0 {
		tools = used
	}
	if len(tools) == 0 {
		if req.ToolChoice.Mode == llm.ToolAuto {
			return nil
		}
		return llm.Invalid("tool_choice", "tool_choice asks for a tool call, but tools is empty.")
	}
	c.tools = true
	c.body = append(c.body, `,"toolConfig":{"tools":[`...)
	for i := range tools {
		if i > 0 {
			c.body = append(c.body, ',')
		}
		c.toolSpec(&tools[i])
	}
	c.body = append(c.body, ']')
	switch req.ToolChoice.Mode {
	case llm.ToolRequired:
		c.body = append(c.body, `,"toolChoice":{"any":{}}`...)
	case llm.ToolNamed:
		c.body = append(c.body, `,"toolChoice":{"tool":{"name":`...)
		c.body = jsonscan.AppendString(c.body, c.toolName(req.ToolChoice.Name))
		c.body = append(c.body, `}}`...)
	case llm.ToolAuto, llm.ToolNone:
		// Without a choice the model decides.
	}
	c.body = append(c.body, '}')
	return nil
}

func (c *converse) toolSpec(t *llm.Tool) {
	c.body = append(c.body, `{"toolSpec":{"name":`...)
	c.body = jsonscan.AppendString(c.body, c.toolName(t.Name))
	if t.Description != "" {
		c.body = append(c.body, `,"description":`...)
		c.body = jsonscan.AppendString(c.body, t.Description)
	}
	c.body = append(c.body, `,"inputSchema":{"json":`...)
	if len(t.Schema) == 0 {
		c.body = append(c.body, emptySchema...)
	} else {
		c.body = append(c.body, t.Schema...)
	}
	c.body = append(c.body, `}}}`...)
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
