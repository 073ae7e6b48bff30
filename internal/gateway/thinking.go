package gateway

import (
	"iter"
	"slices"

	"outcrop/internal/llm"
)

// recall gives every turn of the assistant that calls tools and has no signed thinking the thinking that
// belongs to those calls, where it stood. A client that sends signed thinking back is taken at its word. The
// bare text of it, which some send (Vercel's AI SDK does), gives way to the original: no model would believe
// it.
func (v *vault) recall(o owner, req *llm.ChatRequest) {
	v.fetch(o, req.Messages)
	for i := range req.Messages {
		m := &req.Messages[i]
		if m.Role == llm.RoleAssistant && asksUnexplained(m.Parts) {
			m.Parts = v.explained(o, m.Parts)
		}
	}
}

// asksUnexplained says whether a message has tool calls and no signed thinking.
func asksUnexplained(parts []llm.Part) bool {
	calls := false
	for _, p := range parts {
		switch p := p.(type) {
		case llm.Reasoning:
			if isProof(p) {
				return false
			}
		case llm.ToolCall:
			calls = true
		}
	}
	return calls
}

// isProof says whether a vendor can tell that the block is its own.
func isProof(r llm.Reasoning) bool { return r.Signature != "" || len(r.Redacted) > 0 }

// explained is the parts with what is known of their calls, or the parts themselves if they tell of other
// thoughts than those.
func (v *vault) explained(o owner, parts []llm.Part) []llm.Part {
	out := make([]llm.Part, 0, len(parts)+2)
	lead, told, known := 0, "", ""
	for _, p := range parts {
		switch p := p.(type) {
		case llm.Reasoning:
			told += p.Text
		case llm.ToolCall:
			before, _ := v.get(o, p.ID)
			for _, block := range before.Lead {
				out = slices.Insert(out, lead, llm.Part(block))
				known += block.Text
				lead++
			}
			for _, block := range before.Near {
				out = append(out, block)
				known += block.Text
			}
			out = append(out, p)
		default:
			out = append(out, p)
		}
	}
	if told != "" && told != known {
		return parts
	}
	return out
}

// remember passes a reply on and keeps the signed thinking before its tool calls.
func (v *vault) remember(o owner, req *llm.ChatRequest, seq iter.Seq2[llm.Event, error]) iter.Seq2[llm.Event, error] {
	if len(req.Tools) == 0 {
		return seq // it cannot call any
	}
	return func(yield func(llm.Event, error) bool) {
		r := recorder{choices: make([]recording, 1)}
		for event, err := range seq {
			if err == nil && r.add(event) {
				v.keep(o, r.choices[r.current].calls)
			}
			if !yield(event, err) {
				return
			}
		}
	}
}

func (v *vault) keep(o owner, calls []recordedCall) {
	for _, c := range calls {
		if len(c.before.Lead)+len(c.before.Near) > 0 {
			v.put(o, c.id, c.before)
		} else {
			v.far.without(o.key(c.id))
		}
	}
}

// recorder holds what a reply has said of its thinking so far, by choice.
type recorder struct {
	choices []recording
	current int
}

type recording struct {
	calls []recordedCall
	open  []byte   // the text of a block that has no signature yet
	now   thinking // before the next call
	spoke bool     // there was visible text
}

type recordedCall struct {
	id     string
	before thinking
}

// add takes an event and says whether it ends the current choice with tool calls.
func (r *recorder) add(event llm.Event) bool {
	c := &r.choices[r.current]
	switch e := event.(type) {
	case llm.Choice:
		for len(r.choices) <= e.Index {
			r.choices = append(r.choices, recording{})
		}
		r.current = e.Index
	case llm.ReasoningDelta:
		c.think(e)
	case *llm.TextDelta:
		c.open, c.spoke = c.open[:0], true
	case llm.ToolCallStart:
		c.calls = append(c.calls, recordedCall{e.ID, c.now})
		c.open, c.now = c.open[:0], thinking{}
	case llm.Finish:
		return e.Reason == llm.FinishToolCalls
	}
	return false
}

// think adds to the thinking. A block that is not signed proves nothing, and no model asks for it.
func (c *recording) think(e llm.ReasoningDelta) {
	var block llm.Reasoning
	switch {
	case len(e.Redacted) > 0:
		block = llm.Reasoning{Redacted: e.Redacted}
	case e.Signature != "":
		block = llm.Reasoning{Text: string(c.open), Signature: e.Signature}
	default:
		c.open = append(c.open, e.Text...)
		return
	}
	c.open = c.open[:0]
	if c.spoke || len(c.calls) > 0 {
		c.now.Near = append(c.now.Near, block)
	} else {
		c.now.Lead = append(c.now.Lead, block)
	}
}
