package openai

import "outcrop/internal/llm"

const (
	roleWords    = "system, developer, user, assistant, tool or function"
	contentWords = "a string or an array of parts"
)

// message is a message whose members have been read but not yet judged: role may come last.
type message struct {
	at     int // offset of the message
	role   llm.Role
	legacy bool // the role is function: a tool message that names the function

	contentAt, fileAt, callsAt, calledAt, idAt, nameAt, refusalAt, failedAt int
	thoughtAt, stateAt                                                      int

	callID, name, refusal, thought string

	failed bool
	called llm.ToolCall // function_call
	state  state
	marked bool     // a CachePoint is among the parts
	cache  llm.Part // a CachePoint at the end of the message
}

func (d *decoder) messages() {
	for a := d.array(maxMessages, "messages"); a.more(); {
		if n := len(d.req.Messages); n == cap(d.req.Messages) {
			// Twice as many, since append's quarter more would copy each message about four times.
			d.req.Messages = append(make([]llm.Message, 0, 2*n+8), d.req.Messages...)
		}
		d.message(a.n - 1)
	}
}

// maxBatch is for how many parts room is made at once while no message has asked for more.
const maxBatch = 512

func (d *decoder) message(i int) {
	m := message{at: d.s.Offset()}
	d.parts = d.parts[len(d.parts):]
	if cap(d.parts) == 0 {
		d.parts = make([]llm.Part, 0, min(8+i, maxBatch))
	}
	d.calls, d.files, d.thoughts = d.calls[:0], d.files[:0], d.thoughts[:0]
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "role":
			d.role(&m)
		case "content":
			m.contentAt = o.value
			d.content(&m)
		case "tool_calls":
			m.callsAt = o.value
			d.toolCalls()
		case "tool_call_id":
			m.idAt, m.callID = o.value, d.s.String()
		case "refusal":
			m.refusalAt, m.refusal = o.value, d.s.String()
		default:
			d.messageOption(&m, key)
		}
	}
	if d.s.Err() != nil {
		return
	}
	d.check(&m)
	if d.s.Err() == nil {
		d.place(&m, i)
	}
}

// messageOption reads the rarer members of a message.
func (d *decoder) messageOption(m *message, key string) {
	at := d.s.Offset()
	switch key {
	case "name":
		if d.s.Kind() == '"' {
			m.nameAt, m.name = at, d.s.String()
		} else {
			d.ignore()
		}
	case "function_call":
		m.calledAt = at
		d.calledFunction(&m.called)
	case "audio":
		d.refuse(at, "leave it out")
	case "custom_content":
		d.customContent(m)
	case "custom_fields":
		if point, ok := d.breakpoint(); ok {
			m.cache = point
		}
	case "cache_control":
		m.cache = d.cachePoint("cache_control")
	case "reasoning_content", "reasoning":
		d.thought(m)
	case "is_error", "status":
		d.outcome(m)
	default:
		d.ignore()
	}
}

func (d *decoder) role(m *message) {
	at := d.s.Offset()
	switch d.s.String() {
	case "user":
		m.role = llm.RoleUser
	case "assistant":
		m.role = llm.RoleAssistant
	case "system", "developer":
		m.role = llm.RoleSystem
	case "tool":
		m.role = llm.RoleTool
	case "function":
		m.role, m.legacy = llm.RoleTool, true
	default:
		d.fail(at, "", "unknown role; expected "+roleWords)
	}
}

// outcome reads what some clients say of a tool that failed: is_error is Anthropic's, status is
// LangChain's. OpenAI's wire has no word for it.
func (d *decoder) outcome(m *message) {
	at := d.s.Offset()
	switch raw := d.s.Raw(); string(raw) {
	case "true", `"error"`:
		m.failed, m.failedAt = true, at
	case "false", `"success"`, "null":
	default:
		d.ignoreAt(at)
	}
}

// thought reads reasoning that has no signature. Where two members say it, the first one counts.
func (d *decoder) thought(m *message) {
	at := d.s.Offset()
	if d.s.Kind() != '"' {
		d.ignore()
		return
	}
	text := d.s.String()
	if m.thought == "" {
		m.thoughtAt, m.thought = at, text
	} else if text != "" && text != m.thought {
		d.ignoreAt(at)
	}
}

// check refuses a message that lacks what its role needs, and lists what its role has no use for.
func (d *decoder) check(m *message) {
	switch {
	case m.role == 0:
		d.fail(m.at, "role", "missing; expected "+roleWords)
	case m.contentAt == 0 && m.role != llm.RoleAssistant && !m.legacy && len(d.files) == 0:
		d.fail(m.at, "content", "missing; expected "+contentWords)
	case m.fileAt != 0 && m.role == llm.RoleSystem:
		d.fail(m.fileAt, "", "files are not for system messages; put them into a user message")
	case m.role == llm.RoleTool && !m.legacy && m.callID == "":
		d.fail(m.at, "tool_call_id", "missing; expected the id of the tool call that this message answers")
	case m.calledAt != 0 && m.called.Name == "":
		d.fail(m.calledAt, "name", "missing; expected the name of the called function")
	case m.legacy && m.name == "":
		d.fail(m.at, "name", "missing; expected the name of the function that this message answers")
	}
	if m.role != llm.RoleAssistant {
		d.ignoreOthers(len(d.calls) > 0, m.callsAt)
		d.ignoreOthers(m.refusal != "", m.refusalAt)
		d.ignoreOthers(m.thought != "", m.thoughtAt)
		d.ignoreOthers(m.state.found(), m.stateAt)
		d.ignorePresent(m.calledAt)
	}
	d.ignoreOthers(m.callID != "" && (m.role != llm.RoleTool || m.legacy), m.idAt)
	d.ignoreOthers(m.name != "" && !m.legacy, m.nameAt)
	d.ignoreOthers(m.failed && m.role != llm.RoleTool, m.failedAt)
}

// ignoreOthers lists a member that the message's role has no use for.
func (d *decoder) ignoreOthers(says bool, at int) {
	if says {
		d.ignoreAt(at)
	}
}

// place adds the message to the request.
func (d *decoder) place(m *message, i int) {
	from := 0
	switch m.role {
	case llm.RoleAssistant:
		d.addText(m.refusal)
		d.parts = append(d.parts, d.files...)
		d.placeTurn(m)
	case llm.RoleTool:
		d.parts = append(d.parts, d.files...)
		from = d.placeResult(m)
	default:
		d.parts = append(d.parts, d.files...)
	}
	if m.cache != nil {
		d.parts = append(d.parts, m.cache)
	}
	end := len(d.parts)
	d.req.Messages = append(d.req.Messages, llm.Message{Role: m.role, Index: i, Parts: d.parts[from:end:end]})
}

// placeTurn adds what an assistant thought and called: reasoning first, except for blocks that were
// between its calls.
func (d *decoder) placeTurn(m *message) {
	if m.calledAt != 0 {
		d.calls = append(d.calls, d.legacyCall(m))
	}
	thoughts := m.state.thoughts()
	if len(thoughts) == 0 && m.thought != "" {
		thoughts = []llm.Reasoning{{Text: m.thought}}
	}
	lead := 0
	for lead < len(thoughts) && thoughts[lead].Calls == 0 {
		lead++
	}
	said := len(d.parts)
	d.parts = append(d.parts, make([]llm.Part, lead)...)
	copy(d.parts[lead:], d.parts[:said])
	for i, thought := range thoughts[:lead] {
		d.parts[i] = thought
	}
	thoughts = thoughts[lead:]
	for n, call := range d.calls {
		for len(thoughts) > 0 && thoughts[0].Calls <= n {
			d.addThought(thoughts[0])
			thoughts = thoughts[1:]
		}
		d.parts = append(d.parts, call)
	}
	for _, thought := range thoughts {
		d.addThought(thought)
	}
}

// addThought adds a block whose place now says what Calls did.
func (d *decoder) addThought(r llm.Reasoning) {
	r.Calls = 0
	d.parts = append(d.parts, r)
}

// placeResult adds the result of a tool call, whose parts are what has been read, and returns where
// it is.
func (d *decoder) placeResult(m *message) int {
	var mark llm.Part
	if m.marked {
		mark = d.takeMarks()
	}
	end := len(d.parts)
	result := llm.ToolResult{ID: m.callID, Failed: m.failed}
	if m.legacy {
		result.ID = d.answered(m)
	}
	if end > 0 {
		result.Parts = d.parts[:end:end]
	}
	d.parts = append(d.parts, result)
	if mark != nil {
		d.parts = append(d.parts, mark)
	}
	return end
}

// takeMarks removes the cache breakpoints from a result's parts, where llm has none, and returns the
// last one: it goes behind the result, which is the nearest place that it can have.
func (d *decoder) takeMarks() (last llm.Part) {
	kept := d.parts[:0]
	for _, part := range d.parts {
		if point, ok := part.(llm.CachePoint); ok {
			last = point
		} else {
			kept = append(kept, part)
		}
	}
	d.parts = kept
	return last
}

// addText adds a part unless it is empty: clients write "" where they mean that there is no text,
// most of all beside tool calls, and models refuse an empty part.
func (d *decoder) addText(text string) {
	if text != "" {
		d.parts = append(d.parts, llm.Text{Text: text})
	}
}
