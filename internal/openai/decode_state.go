package openai

import (
	"encoding/base64"
	"strconv"

	"outcrop/internal/llm"
)

// customContent reads DIAL's extension of a message.
func (d *decoder) customContent(m *message) {
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "attachments":
			d.attachments(m)
		case "state":
			m.stateAt = o.value
			d.state(&m.state)
		default:
			d.ignore()
		}
	}
}

// state is the reasoning that an assistant's message carries along, as this server's replies wrote it
// and as DIAL's adapter does.
type state struct {
	own, dial []llm.Reasoning
}

func (s *state) found() bool { return len(s.own)+len(s.dial) > 0 }

// thoughts is what the message's author thought, in order. Calls says where each belongs.
func (s *state) thoughts() []llm.Reasoning {
	if len(s.own) > 0 {
		return s.own
	}
	return s.dial
}

// state reads custom_content.state. A client stores it and sends it back unread, so what is wrong in
// it, or is another application's, is listed and does not end the chat. The scanner is used directly
// because the limits of object are for what a client writes itself.
func (d *decoder) state(s *state) {
	if d.s.Kind() != '{' {
		d.ignore()
		return
	}
	d.s.Object()
	for key, ok := d.s.Member(); ok; key, ok = d.s.Member() {
		switch key {
		case "outcrop":
			d.ownState(s)
		case "claude_message_content":
			s.dial = d.blocks(claudeBlock)
		default:
			d.ignore()
		}
	}
}

func (d *decoder) ownState(s *state) {
	if d.s.Kind() != '{' {
		d.ignore()
		return
	}
	d.s.Object()
	for key, ok := d.s.Member(); ok; key, ok = d.s.Member() {
		if key == "reasoning" {
			s.own = d.blocks(ownBlock)
		} else {
			d.ignore()
		}
	}
}

// block is an element of a list of reasoning.
type block struct {
	kind, text, signature, data string

	redacted []byte
	calls    int  // how many of the message's tool calls come before it
	bad      bool // a member is not what it should be
}

// verdict is what a block turned out to be.
type verdict uint8

const (
	unusable  verdict = iota // broken
	isThought                // reasoning
	isCall                   // a tool call, which the message has too
	isText                   // text, which the message has too
	isForeign                // something that this version cannot put back
)

// blocks reads a list of blocks, which judge tells apart. Of a broken list nothing is used: a model
// checks the signatures of a turn together.
func (d *decoder) blocks(judge func(*block) verdict) []llm.Reasoning {
	list, calls, broken := d.s.Offset(), 0, false
	from := len(d.thoughts)
	if d.s.Kind() != '[' {
		d.ignore()
		return nil
	}
	for d.s.Array(); d.s.Element(); {
		b, at := block{calls: calls}, d.s.Offset()
		d.block(&b)
		switch judge(&b) {
		case isThought:
			if len(d.thoughts)-from == maxTurn {
				d.tooMany(list, "blocks of reasoning", maxTurn)
				return nil
			}
			if d.thoughtCount++; d.thoughtCount > maxThoughts {
				d.tooMany(list, "blocks of reasoning in this and earlier messages", maxThoughts)
				return nil
			}
			if n := len(d.thoughts); n > from && d.thoughts[n-1].Calls > b.calls {
				broken = true
			}
			d.thoughts = append(d.thoughts, llm.Reasoning{Text: b.text, Signature: b.signature, Redacted: b.redacted, Calls: b.calls})
		case isCall:
			calls++
		case isText:
		case isForeign:
			d.ignoreAt(at)
		case unusable:
			broken = true
		}
	}
	if broken {
		d.ignoreAt(list)
		return nil
	}
	return d.thoughts[from:len(d.thoughts):len(d.thoughts)]
}

func (d *decoder) block(b *block) {
	if d.s.Kind() != '{' {
		d.s.Skip()
		b.bad = true
		return
	}
	d.s.Object()
	for key, ok := d.s.Member(); ok; key, ok = d.s.Member() {
		switch key {
		case "type":
			d.word(b, &b.kind)
		case "text", "thinking":
			d.word(b, &b.text)
		case "signature":
			d.word(b, &b.signature)
		case "redacted", "data":
			d.word(b, &b.data)
		case "calls":
			if raw := d.s.Raw(); d.s.Err() == nil {
				n, err := strconv.ParseUint(string(raw), 10, 31)
				b.calls, b.bad = int(n), b.bad || err != nil
			}
		default:
			d.s.Skip()
		}
	}
}

// word reads a string, or notes that there is another thing.
func (d *decoder) word(b *block, text *string) {
	if d.s.Kind() == '"' {
		*text = d.s.String()
		return
	}
	b.bad = b.bad || !d.s.Null()
	if b.bad {
		d.s.Skip()
	}
}

// ownBlock judges {"text", "signature", "calls"} and {"redacted", "calls"}, redacted in base64.
func ownBlock(b *block) verdict {
	if b.data != "" {
		redacted, err := base64.StdEncoding.DecodeString(b.data)
		b.bad, b.redacted = b.bad || err != nil || b.text != "", redacted
	}
	if b.bad || b.text == "" && b.signature == "" && b.redacted == nil {
		return unusable
	}
	return isThought
}

// claudeBlock judges a content block of Anthropic's Messages API
// (https://docs.anthropic.com/en/api/messages). The data of redacted thinking is a text; Converse has
// that text as bytes (redactedContent).
func claudeBlock(b *block) verdict {
	switch {
	case b.kind == "" || b.bad && (b.kind == "thinking" || b.kind == "redacted_thinking"):
		return unusable
	case b.kind == "thinking":
		b.redacted = nil
		return isThought
	case b.kind == "redacted_thinking" && b.data != "":
		b.text, b.signature, b.redacted = "", "", []byte(b.data)
		return isThought
	case b.kind == "redacted_thinking":
		return unusable
	case b.kind == "tool_use":
		return isCall
	case b.kind == "text":
		return isText
	default:
		return isForeign
	}
}
