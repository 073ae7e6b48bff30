package bedrock

import (
	"fmt"
	"strconv"

	"outcrop/internal/llm"
)

// call is a tool call that waits for its result.
type call struct {
	id, word string
	m        *llm.Message
	part     int32
	done     bool
}

// pairing matches the calls of a turn with their results. Converse wants for every call exactly one.
type pairing struct {
	calls []call
	open  int              // calls without a result
	byID  map[string][]int // places in calls, of more than a few
}

// fewCalls is up to how many calls, or tools, are searched one by one.
const fewCalls = 32

func (p *pairing) reset() { *p = pairing{calls: p.calls[:0]} }

func (p *pairing) add(c call) { p.calls, p.open = append(p.calls, c), p.open+1 }

// find returns the first call of that id that is not done; known is true when all of them are done.
func (p *pairing) find(id string) (open *call, known bool) {
	if len(p.calls) <= fewCalls {
		for i := range p.calls {
			if c := &p.calls[i]; c.id == id {
				if known = true; !c.done {
					return c, true
				}
			}
		}
		return nil, known
	}
	if p.byID == nil {
		p.byID = make(map[string][]int, len(p.calls))
		for i := range p.calls {
			p.byID[p.calls[i].id] = append(p.byID[p.calls[i].id], i)
		}
	}
	places, known := p.byID[id]
	if len(places) == 0 {
		return nil, known
	}
	p.byID[id] = places[1:]
	return &p.calls[places[0]], true
}

// answer finds the call of a result and returns the id that Bedrock knows it by.
func (p *pairing) answer(id string, m *llm.Message) (word string, err error) {
	c, known := p.find(id)
	if c != nil {
		c.done = true
		p.open--
		return c.word, nil
	}
	path := "messages[" + strconv.Itoa(m.Index) + "].tool_call_id"
	if known {
		return "", llm.Invalid(path, fmt.Sprintf("The tool call %s has a second result here: send one tool message for each call.", quoteID(id)))
	}
	return "", llm.Invalid(path, fmt.Sprintf(
		"The assistant message before has no tool call %s: a tool message must follow the call that it answers.", quoteID(id)))
}

// answered returns an error that names the first call without a result.
func (p *pairing) answered() error {
	if p.open == 0 {
		return nil
	}
	for _, c := range p.calls {
		if !c.done {
			at := place{m: c.m, part: c.part}
			return llm.Invalid(at.path("")+".id", fmt.Sprintf(
				"The tool call %s has no result: send a tool message with this tool_call_id after it, even if only to say that the tool did not run.",
				quoteID(c.id)))
		}
	}
	return nil
}

// quoteID writes an id into an error's text.
func quoteID(id string) string {
	if len(id) > 2*maxToolWord {
		return strconv.QuoteToASCII(id[:2*maxToolWord]) + "…"
	}
	return strconv.QuoteToASCII(id)
}
