package bedrock

import (
	"strings"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
	"outcrop/internal/models"
)

// formatMode is how a model is brought to answer in a format.
type formatMode uint8

const (
	formatFree   formatMode = iota
	formatNative            // outputConfig.textFormat
	formatTool              // a forced tool, whose arguments are the answer
	formatPrompt            // an instruction; the server checks the answer
)

// formatToolName is the tool whose arguments are the answer.
const formatToolName = "json_response"

// What a model is told that cannot be held to a format. The schema follows the second.
const (
	jsonText   = "Answer with one JSON object and nothing else: no text before or after it and no code fence around it."
	schemaText = "Answer with one JSON value and nothing else: no text before or after it and no code fence around it. It must be valid against this JSON Schema:\n"
)

// nativeSchema is a schema as the model's own structured output takes it.
func (t *traits) nativeSchema(schema []byte) ([]byte, bool) {
	if t.model.StructuredOutputs != models.Yes {
		return nil, false
	}
	return grammarSchema(schema)
}

// planFormat chooses the surest way to the format that the client wants: the model's own; a forced
// tool, if the client's tools and the model's thinking leave room for one; else words. "Any JSON
// object" is said in words everywhere: a closed grammar of no properties, or a tool without parameters,
// would allow {} only.
func (c *converse) planFormat() error {
	f := &c.req.Format
	if f.Kind == llm.FormatText {
		return nil
	}
	if f.Kind == llm.FormatJSON {
		c.format = formatPrompt
		c.instruct(jsonText)
		return nil
	}
	if len(members(f.Schema)) == 0 {
		return llm.Invalid("response_format.json_schema.schema", "The schema must be a JSON object that says something.")
	}
	if _, ok := c.traits.nativeSchema(f.Schema); ok {
		c.format = formatNative
		return nil
	}
	if c.canForce() && isObjectSchema(f.Schema) {
		c.format = formatTool
		description := f.Description
		if description == "" {
			description = "Gives the answer. Always call this tool: its arguments are the whole answer."
		}
		c.offer.tools = []llm.Tool{{Name: formatToolName, Description: description, Schema: f.Schema}}
		c.offer.choice, c.offer.name = choiceTool, formatToolName
		if !c.traits.chooses(choiceTool) {
			c.offer.choice = choiceAny
		}
		return c.forceWithoutThought()
	}
	c.format = formatPrompt
	c.instruct(schemaText + string(f.Schema))
	return nil
}

// canForce says whether a tool of ours can be forced: the client has none, the model is known to obey,
// and it does not think meanwhile.
func (c *converse) canForce() bool {
	t := c.traits
	return len(c.offer.tools) == 0 && t.known && t.converse.Tools && t.converse.ToolChoice != nil &&
		(t.chooses(choiceTool) || t.chooses(choiceAny)) &&
		t.mayForce() && !(t.claude() && c.thinking.on) &&
		t.converse.Thinking != models.ThinkingAlways
}

// isObjectSchema is true for a schema that allows objects only, as a tool's must.
func isObjectSchema(schema []byte) bool {
	return string(find(members(schema), "type")) == `"object"`
}

// addFormat writes outputConfig.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_OutputConfig.html
func (c *converse) addFormat() {
	if c.format != formatNative {
		return
	}
	f := &c.req.Format
	schema, _ := c.traits.nativeSchema(f.Schema)
	c.body = append(c.body, `,"outputConfig":{"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"schema":`...)
	c.body = jsonscan.AppendString(c.body, string(schema))
	if f.Name != "" {
		c.body = append(c.body, `,"name":`...)
		c.body = jsonscan.AppendString(c.body, f.Name)
	}
	if f.Description != "" {
		c.body = append(c.body, `,"description":`...)
		c.body = jsonscan.AppendString(c.body, f.Description)
	}
	c.body = append(c.body, `}}}}`...)
}

// decorate puts what a reply needs between the decoder and the client: the forced tool's arguments
// become the text, a code fence goes, a stop sequence ends it.
func (c *converse) decorate(yield func(llm.Event, error) bool) func(llm.Event, error) bool {
	if len(c.stops) > 0 {
		yield = (&stopper{stops: c.stops, yield: yield}).event
	}
	switch c.format {
	case formatTool:
		yield = (&unwrapper{yield: yield, call: -1}).event
	case formatPrompt:
		yield = (&unfencer{yield: yield}).event
	case formatFree, formatNative:
	}
	return yield
}

// unwrapper turns the arguments of the forced tool into the visible text. Text that a model writes
// before it calls the tool is no part of the answer and goes on as reasoning; if the tool is not called
// at all, the text is the answer.
type unwrapper struct {
	yield func(llm.Event, error) bool
	held  strings.Builder
	call  int // the call that is the answer; -1: none yet
	wrote bool
}

func (u *unwrapper) event(event llm.Event, err error) bool {
	if err != nil {
		return u.yield(event, err)
	}
	switch e := event.(type) {
	case *llm.TextDelta:
		u.held.WriteString(e.Text)
		return true
	case llm.ToolCallStart:
		if u.call >= 0 || e.Name != formatToolName {
			return true // the answer has been given
		}
		u.call = e.Index
		return u.aside()
	case llm.ToolCallDelta:
		if e.Index != u.call {
			return true
		}
		u.wrote = true
		return u.yield(&llm.TextDelta{Text: e.Args}, nil)
	case llm.Finish:
		return u.finish(e)
	default:
		return u.yield(event, nil)
	}
}

// aside passes on what was written beside the answer.
func (u *unwrapper) aside() bool {
	text := u.held.String()
	u.held.Reset()
	return text == "" || u.yield(llm.ReasoningDelta{Text: text}, nil)
}

func (u *unwrapper) finish(e llm.Finish) bool {
	if u.call < 0 {
		if text := u.held.String(); text != "" && !u.yield(&llm.TextDelta{Text: text}, nil) {
			return false
		}
		return u.yield(e, nil)
	}
	if empty := e.Reason.EmptyArgs(); !u.wrote && empty != "" && !u.yield(&llm.TextDelta{Text: empty}, nil) {
		return false
	}
	if !u.aside() {
		return false
	}
	if e.Reason == llm.FinishToolCalls {
		e.Reason = llm.FinishStop
	}
	return u.yield(e, nil)
}

// unfencer takes a Markdown fence off an answer that is to be JSON: models write one although they are
// told not to.
type unfencer struct {
	yield func(llm.Event, error) bool
	held  string
	state fenceState
}

type fenceState uint8

const (
	fenceUnknown fenceState = iota // nothing but the beginning of what may be a fence has come
	fenceNone                      // the answer has none
	fenceOpen                      // the answer is within one
)

const fence = "```"

func (u *unfencer) event(event llm.Event, err error) bool {
	if err != nil {
		return u.yield(event, err)
	}
	switch e := event.(type) {
	case *llm.TextDelta:
		return u.text(e.Text)
	case llm.Pause, llm.Start:
		return u.yield(event, nil)
	default:
		return u.flush() && u.yield(event, nil)
	}
}

func (u *unfencer) text(text string) bool {
	text = u.held + text
	u.held = ""
	if u.state == fenceUnknown {
		start := strings.TrimLeft(text, " \t\r\n")
		line := strings.IndexByte(start, '\n')
		switch {
		case strings.HasPrefix(start, fence) && line < 0, strings.HasPrefix(fence, start):
			u.held = text
			return true
		case strings.HasPrefix(start, fence):
			u.state, text = fenceOpen, start[line+1:]
		default:
			u.state = fenceNone
		}
	}
	if u.state == fenceOpen {
		keep := len(text) - len(strings.TrimRight(text, "` \t\r\n"))
		text, u.held = text[:len(text)-keep], text[len(text)-keep:]
	}
	return text == "" || u.yield(&llm.TextDelta{Text: text}, nil)
}

// flush yields what was held back, but for the fence.
func (u *unfencer) flush() bool {
	text := u.held
	u.held = ""
	if u.state == fenceOpen {
		text = strings.TrimSuffix(strings.TrimRight(text, " \t\r\n"), fence)
		text = strings.TrimRight(text, " \t\r\n")
	}
	return text == "" || u.yield(&llm.TextDelta{Text: text}, nil)
}
