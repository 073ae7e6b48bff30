package openai

import "outcrop/internal/llm"

const (
	roleWords    = "system, developer, user, assistant or tool"
	contentWords = "a string or an array of parts"
)

// message is a message whose members have been read but not yet judged: role may come last.
type message struct {
	at   int // offset of the message
	role llm.Role

	contentAt, imageAt, callsAt, idAt, refusalAt int

	callID, refusal string
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
	d.calls = d.calls[:0]
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "role":
			m.role = d.role()
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
		case "function_call":
			d.refuseUnlessEmpty("use tool_calls")
		case "audio":
			d.refuse(o.value, "")
		case "custom_content":
			d.customContent()
		default:
			d.ignore()
		}
	}
	if d.s.Err() != nil {
		return
	}
	d.check(&m)
	d.place(&m, i)
}

func (d *decoder) role() llm.Role {
	at := d.s.Offset()
	switch d.s.String() {
	case "user":
		return llm.RoleUser
	case "assistant":
		return llm.RoleAssistant
	case "system", "developer":
		return llm.RoleSystem
	case "tool":
		return llm.RoleTool
	case "function":
		d.refuse(at, "use the role tool and tool_call_id")
	default:
		d.fail(at, "", "unknown role; expected "+roleWords)
	}
	return 0
}

// customContent reads DIAL's extension of a message.
func (d *decoder) customContent() {
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		if key == "attachments" {
			d.refuseUnlessEmpty("send images as image_url parts with a data URL")
		} else {
			d.ignore()
		}
	}
}

// check refuses a message that lacks what its role needs, and lists what its role has no use for.
func (d *decoder) check(m *message) {
	switch {
	case m.role == 0:
		d.fail(m.at, "role", "missing; expected "+roleWords)
	case m.contentAt == 0 && m.role != llm.RoleAssistant:
		d.fail(m.at, "content", "missing; expected "+contentWords)
	case m.imageAt != 0 && m.role != llm.RoleUser:
		d.fail(m.imageAt, "", "images are supported in user messages only by this version")
	case m.role == llm.RoleTool && m.callID == "":
		d.fail(m.at, "tool_call_id", "missing; expected the id of the tool call that this message answers")
	}
	if len(d.calls) > 0 && m.role != llm.RoleAssistant {
		d.ignoreAt(m.callsAt)
	}
	if m.refusal != "" && m.role != llm.RoleAssistant {
		d.ignoreAt(m.refusalAt)
	}
	if m.callID != "" && m.role != llm.RoleTool {
		d.ignoreAt(m.idAt)
	}
}

// place adds the message to the request.
func (d *decoder) place(m *message, i int) {
	from := 0
	switch m.role {
	case llm.RoleAssistant:
		d.addText(m.refusal)
		d.parts = append(d.parts, d.calls...)
	case llm.RoleTool:
		end := len(d.parts)
		result := llm.ToolResult{ID: m.callID}
		if end > 0 {
			result.Parts = d.parts[:end:end]
		}
		d.parts = append(d.parts, result)
		from = end
	}
	end := len(d.parts)
	d.req.Messages = append(d.req.Messages, llm.Message{Role: m.role, Index: i, Parts: d.parts[from:end:end]})
}

// addText adds a part unless it is empty: clients write "" where they mean that there is no text,
// most of all beside tool calls, and models refuse an empty part.
func (d *decoder) addText(text string) {
	if text != "" {
		d.parts = append(d.parts, llm.Text{Text: text})
	}
}
