package anthropic

import (
	"slices"
	"strconv"
	"time"

	"outcrop/internal/llm"
)

const contentWords = "a string or an array of content blocks"

// message is a message whose members have been read but not yet judged: role may come last.
type message struct {
	at, contentAt int
	role          llm.Role
	// userAt and assistantAt are the first block that only such a message has.
	userAt, assistantAt int
	textAt              int // the first block before a result that is none; a model gets it after
	systems             []llm.Part
	results             int
	brief               bool   // clear_at: next_user_message
	effortAt            int    // of output_config
	effort              string // of a system message's output_config
}

func (d *decoder) systemPrompt() {
	switch d.s.Kind() {
	case '"':
		if text := d.s.String(); text != "" {
			d.system = append(d.system, llm.Text{Text: text})
		}
	case '[':
		d.parts = nil
		for a := d.array(maxBlocks, "blocks"); a.more(); {
			kind, at := d.kind()
			if kind != "text" {
				d.failKind(kind, at, "text")
				return
			}
			d.textBlock(blockPlace("", a.n-1))
		}
		d.system, d.parts = d.parts, nil
	default:
		d.wrongType("a string or an array of text blocks")
	}
}

func (d *decoder) failKind(kind string, at int, want string) {
	if kind == "" {
		d.fail(d.s.Offset(), "type", "missing; expected "+want)
		return
	}
	d.fail(at, "", "unknown type of block here; expected "+want)
}

// blockPlace is where a block is within its message; outer is the place of the block around it.
func blockPlace(outer llm.Place, i int) llm.Place {
	if outer != "" {
		outer += "."
	}
	return outer + llm.Place("content["+strconv.Itoa(i)+"]")
}

func (d *decoder) messages() {
	for a := d.array(maxMessages, "messages"); a.more(); {
		d.message(a.n - 1)
	}
	d.clear()
}

func (d *decoder) message(i int) {
	m := message{at: d.s.Offset()}
	d.parts = nil
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "role":
			d.role(&m)
		case "content":
			m.contentAt = o.value
			d.content(&m)
		case "output_config":
			m.effortAt, m.effort = o.value, d.turnEffort()
		case "clear_at":
			if m.brief = d.s.Kind() == '"' && d.s.String() == "next_user_message"; !m.brief {
				d.ignored.add(o.value)
			}
		default:
			d.ignore()
		}
	}
	if d.s.Err() == nil {
		d.place(&m, i)
	}
}

func (d *decoder) role(m *message) {
	at := d.s.Offset()
	switch d.s.String() {
	case "user":
		m.role = llm.RoleUser
	case "assistant":
		m.role = llm.RoleAssistant
	case "system":
		m.role = llm.RoleSystem
	default:
		d.fail(at, "", "unknown role; expected user, assistant or system")
	}
}

func (d *decoder) content(m *message) {
	switch d.s.Kind() {
	case '"':
		d.addText(d.s.String())
	case '[':
		for a := d.array(maxBlocks, "blocks"); a.more(); {
			d.block(m, blockPlace("", a.n-1))
		}
	default:
		d.wrongType(contentWords)
	}
}

func (d *decoder) addText(text string) {
	if text != "" { // clients write "" where they mean that there is no text, and models refuse it
		d.parts = append(d.parts, llm.Text{Text: text})
	}
}

// block reads a content block of a message.
func (d *decoder) block(m *message, place llm.Place) {
	at := d.s.Offset()
	kind, kindAt := d.kind()
	switch kind {
	case "text":
		d.textBlock(place)
		m.textAt = first(m.textAt, at)
	case "image", "document", "search_result":
		m.userAt, m.textAt = first(m.userAt, at), first(m.textAt, at)
		d.mediaBlock(kind, place)
	case "tool_result":
		m.userAt = first(m.userAt, at)
		if m.textAt != 0 {
			d.changed.add(at)
		}
		m.results++
		d.resultBlock(place)
	case "tool_use":
		m.assistantAt = first(m.assistantAt, at)
		d.callBlock(place)
	case "thinking", "redacted_thinking":
		m.assistantAt = first(m.assistantAt, at)
		d.thoughtBlock()
	case "mid_conv_system":
		d.systemBlock(m, place)
	case "server_tool_use", "web_search_tool_result", "web_fetch_tool_result", "code_execution_tool_result",
		"bash_code_execution_tool_result", "text_editor_code_execution_tool_result", "tool_search_tool_result", "mcp_tool_use",
		"mcp_tool_result", "container_upload", "compaction":
		d.ignore() // what Anthropic's own server did is nothing that another model could read
	default:
		d.failKind(kind, kindAt, "text, image, document, search_result, tool_use, tool_result, thinking or redacted_thinking")
	}
}

// first is the earlier of an offset that may be unknown and one that is known.
func first(known, at int) int {
	if known != 0 {
		return known
	}
	return at
}

// systemBlock reads instructions within a turn.
func (d *decoder) systemBlock(m *message, place llm.Place) {
	start := len(d.parts)
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch {
		case key == "type":
			d.s.Skip()
		case key == "text", key == "content" && d.s.Kind() == '"':
			d.addText(d.s.String())
		case key == "content":
			for a := d.array(maxBlocks, "blocks"); a.more(); {
				d.textBlock(blockPlace(place, a.n-1))
			}
		default:
			d.ignore()
		}
	}
	m.systems = append(m.systems, d.parts[start:]...)
	d.parts = d.parts[:start]
}

// place adds the message to the request.
func (d *decoder) place(m *message, i int) {
	const roles = "expected user, assistant or system"
	switch {
	case m.role == 0:
		d.fail(m.at, "role", "missing; "+roles)
	case m.contentAt == 0:
		d.fail(m.at, "content", "missing; expected "+contentWords)
	case m.assistantAt != 0 && m.role != llm.RoleAssistant:
		d.fail(m.assistantAt, "", "only an assistant message has blocks of this type")
	case m.userAt != 0 && m.role != llm.RoleUser:
		d.fail(m.userAt, "", "only a user message has blocks of this type")
	}
	if d.s.Err() != nil {
		return
	}
	if len(m.systems) > 0 {
		d.add(llm.RoleSystem, i, m.systems)
	}
	if m.results > 0 {
		d.placeResults(i)
	}
	role := m.role
	if m.brief && role == llm.RoleSystem {
		role = briefSystem
	}
	switch {
	case m.effort == "":
	case m.role != llm.RoleSystem:
		d.ignored.add(m.effortAt)
	default:
		d.efforts = append(d.efforts, turnEffort{i, m.effort})
	}
	if len(d.parts) > 0 || m.results == 0 {
		d.add(role, i, slices.Clip(d.parts))
	}
}

func (d *decoder) add(role llm.Role, i int, parts []llm.Part) {
	d.req.Messages = append(d.req.Messages, llm.Message{Role: role, Index: i, Parts: parts})
}

// briefSystem is, while the messages are read, the role of one that counts until the next user message.
const briefSystem = llm.Role(255)

// turnEffort is what a system message among the turns says of the effort, which counts from then on.
type turnEffort struct {
	message int
	word    string
}

func (d *decoder) turnEffort() (word string) {
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		if key == "effort" {
			word = d.effort()
		} else {
			d.ignore()
		}
	}
	return word
}

// clear leaves out the system messages that counted until a user message that has come since.
func (d *decoder) clear() {
	user := false
	for i := len(d.req.Messages) - 1; i >= 0; i-- {
		switch m := &d.req.Messages[i]; m.Role {
		case llm.RoleUser, llm.RoleTool:
			user = true
		case briefSystem:
			m.Role = llm.RoleSystem
			if user {
				m.Parts = nil
			}
		default:
		}
	}
	d.req.Messages = slices.DeleteFunc(d.req.Messages, func(m llm.Message) bool {
		return m.Role == llm.RoleSystem && len(m.Parts) == 0
	})
	for _, e := range d.efforts {
		if slices.ContainsFunc(d.req.Messages, func(m llm.Message) bool { return m.Index == e.message && m.Role == llm.RoleSystem }) {
			d.lastEffort = e.word
		}
	}
}

// placeResults makes messages of the tool results, each with the breakpoint after it, as OpenAI's wire has
// them. The other parts stay: they follow in the same turn.
func (d *decoder) placeResults(i int) {
	rest, result := make([]llm.Part, 0, len(d.parts)), false // whether the part before is a result
	for _, part := range d.parts {
		switch part.(type) {
		case llm.ToolResult:
			d.add(llm.RoleTool, i, []llm.Part{part})
			result = true
		case llm.CachePoint:
			if !result {
				rest = append(rest, part)
				break
			}
			last := &d.req.Messages[len(d.req.Messages)-1]
			last.Parts = append(last.Parts, part)
		default:
			rest, result = append(rest, part), false
		}
	}
	d.parts = rest
}

// cachePoint reads cache_control {type, ttl}.
func (d *decoder) cachePoint(at llm.Place) llm.CachePoint {
	if d.markCount++; d.markCount > maxMarks {
		d.tooMany(d.s.Offset(), "cache breakpoints", maxMarks)
	}
	point := llm.CachePoint{At: at}
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "type":
			if d.s.String() != "ephemeral" {
				d.fail(o.value, "", "expected ephemeral")
			}
		case "ttl":
			switch d.s.String() {
			case "5m": // every model's default, and older models know no other
			case "1h":
				point.TTL = time.Hour
			default:
				d.fail(o.value, "", "expected 5m or 1h")
			}
		default:
			d.ignore()
		}
	}
	return point
}
