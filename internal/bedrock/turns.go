package bedrock

import (
	"slices"
	"strconv"

	"outcrop/internal/llm"
	"outcrop/internal/models"
)

// Texts of ours, for turns that a family demands and the client did not write. They are as short as a
// text can be that no model refuses as blank.
const (
	fillUser      = "."
	fillAssistant = "OK."
)

// place is where a content block comes from, and where in Converse's messages it went.
type place struct {
	m         *llm.Message // nil for a text of our own
	part      int32        // the part's place in m.Parts
	inner     int32        // one more than the place in a ToolResult's parts, of a file that stands beside it; else 0
	turn      int32        // messages[turn], -1 while it is not written
	block     int32        // content[block] of it
	word      string       // a text of our own, or the id of a call or a result as Bedrock gets it
	assistant bool
}

// content is the part that the place stands for.
func (p *place) content() llm.Part {
	if p.m == nil {
		return llm.Text{Text: p.word}
	}
	part := p.m.Parts[p.part]
	if result, ok := part.(llm.ToolResult); ok && p.inner > 0 {
		return result.Parts[p.inner-1]
	}
	return part
}

// planner puts a conversation's parts into the order in which Converse and the family take them.
// Neighbours of one role share a turn: Converse knows only user and assistant, and wants all results
// of parallel calls in the turn after the calls, and nothing before them.
type planner struct {
	c       *converse
	places  []place
	start   int            // first place of the current turn
	calls   pairing        // of the last assistant turn
	results bool           // the current turn has a ToolResult
	forgets bool           // the message's reasoning is not taken back
	ids     map[string]int // how often each id of a call was wanted
}

// plan lays out a request's content blocks.
func (c *converse) plan(req *llm.ChatRequest) ([]place, error) {
	p := planner{c: c, places: make([]place, 0, len(req.Messages)+4)}
	forgets := c.forgets(req.Messages)
	for i := range req.Messages {
		m := &req.Messages[i]
		if m.Role == llm.RoleSystem {
			continue
		}
		p.forgets = i >= forgets
		for part := range m.Parts {
			if err := p.add(m, part); err != nil {
				return nil, err
			}
		}
	}
	if err := p.endTurn(); err != nil {
		return nil, err
	}
	if err := p.calls.answered(); err != nil {
		return nil, err
	}
	return p.places, p.checkEnd()
}

// checkEnd refuses a conversation that ends with the assistant where the model would not go on from
// there.
// https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html
func (p *planner) checkEnd() error {
	if len(p.places) == 0 || p.c.traits.converse.Prefill != models.No {
		return nil
	}
	last := &p.places[len(p.places)-1]
	if !last.assistant {
		return nil
	}
	return llm.Invalid("messages["+strconv.Itoa(last.m.Index)+"].role",
		"This model does not continue an assistant message: the last message must be the user's or a tool's.")
}

func (p *planner) add(m *llm.Message, part int) error {
	at := place{m: m, part: int32(part), turn: -1, assistant: m.Role == llm.RoleAssistant}
	switch x := m.Parts[part].(type) {
	case llm.Text:
		if blank(x) {
			return nil
		}
	case llm.Reasoning:
		switch {
		case !p.c.traits.replays(x):
			p.c.ignore(at.path(""), "the model does not take earlier reasoning back")
			return nil
		case p.forgets:
			p.c.ignore(at.path(""), "Claude takes earlier reasoning back only while it thinks")
			return nil
		}
	case llm.CachePoint:
		if len(p.places) == 0 {
			return nil // there is nothing before it
		}
		at.assistant = p.places[len(p.places)-1].assistant
	}
	if err := p.turnTo(&at); err != nil {
		return err
	}
	switch x := m.Parts[part].(type) {
	case llm.ToolCall:
		at.word = p.uniqueID(x.ID)
		p.calls.add(call{id: x.ID, word: at.word, m: m, part: at.part})
	case llm.ToolResult:
		p.results = true
		word, err := p.calls.answer(x.ID, m)
		if err != nil {
			return err
		}
		at.word = word
	}
	p.places = append(p.places, at)
	return nil
}

// turnTo ends the current turn if the next part is the other side's.
func (p *planner) turnTo(next *place) error {
	if len(p.places) == 0 {
		if next.assistant && p.c.traits.converse.LeadingAssistant == models.No {
			p.c.change("messages["+strconv.Itoa(next.m.Index)+"]", "the model wants the user to speak first: a user message \""+fillUser+"\" stands before it")
			p.places = append(p.places, place{word: fillUser, turn: -1})
			p.start = 1
		}
		return nil
	}
	if p.places[len(p.places)-1].assistant == next.assistant {
		return nil
	}
	if err := p.endTurn(); err != nil {
		return err
	}
	p.start, p.results = len(p.places), false
	if next.assistant {
		p.calls.reset()
	}
	return nil
}

// endTurn orders the blocks of a turn that has calls or results.
func (p *planner) endTurn() error {
	if p.start == len(p.places) {
		return nil
	}
	if p.places[p.start].assistant {
		p.splitCalls()
		return nil
	}
	if err := p.calls.answered(); err != nil {
		return err
	}
	if p.results {
		p.orderResults()
	}
	return nil
}

// splitCalls keeps text out of a turn with calls, where the family refuses "Conversation blocks and
// tool use blocks" in the same turn.
// https://github.com/quarkiverse/quarkus-langchain4j/issues/1983
func (p *planner) splitCalls() {
	turn := p.places[p.start:]
	if !p.c.traits.converse.ToolResultAlone || len(p.calls.calls) == 0 || len(p.calls.calls) == len(turn) {
		return
	}
	p.sort(func(part llm.Part) bool { _, ok := part.(llm.ToolCall); return !ok })
	texts := len(turn) - len(p.calls.calls)
	p.c.change(turn[0].path(""), "the model takes no text beside tool calls: a user message \""+fillUser+"\" stands between them")
	p.places = slices.Insert(p.places, p.start+texts, place{word: fillUser, turn: -1})
}

// orderResults puts the results of a user turn first, the files that they cannot hold after them, and
// what the family does not take beside results into a turn of its own.
func (p *planner) orderResults() {
	isResult := func(part llm.Part) bool { _, ok := part.(llm.ToolResult); return ok }
	p.sort(isResult)
	end := p.start
	for end < len(p.places) && isResult(p.places[end].content()) {
		end++
	}
	var moved []place
	for _, result := range p.places[p.start:end] {
		for i, part := range result.m.Parts[result.part].(llm.ToolResult).Parts {
			if file, ok := part.(llm.Blob); ok && !p.c.traits.resultHolds(file) {
				beside := result
				beside.inner = int32(i + 1)
				moved = append(moved, beside)
				p.c.change(beside.path(""), "the model takes no such file inside a tool's result: it follows the result as the user's")
			}
		}
	}
	p.places = slices.Insert(p.places, end, moved...)
	for i := end; i < len(p.places); i++ {
		if !p.c.traits.besideResult(p.places[i].content()) {
			p.c.change(p.places[end].path(""), "the model does not take it beside a tool's result: an assistant message \""+fillAssistant+"\" stands between them")
			p.places = slices.Insert(p.places, end, place{word: fillAssistant, turn: -1, assistant: true})
			return
		}
	}
}

// sort brings the current turn's places with such a part to its front. A cache point stays behind the
// part that it follows.
func (p *planner) sort(first func(llm.Part) bool) {
	var front, back []place
	before := false
	for _, at := range p.places[p.start:] {
		part := at.content()
		if _, cache := part.(llm.CachePoint); !cache {
			before = first(part)
		}
		if before {
			front = append(front, at)
		} else {
			back = append(back, at)
		}
	}
	copy(p.places[p.start:], append(front, back...))
}

// uniqueID writes a call's id for Bedrock: in its alphabet, and no two alike in a conversation, which
// Claude demands and some clients, whose ids start anew in every turn, do not keep. An id depends
// on what came before it alone, so that a conversation keeps its prefix.
func (p *planner) uniqueID(id string) string {
	word := p.c.traits.callID(id)
	if p.ids == nil {
		p.ids = map[string]int{}
	}
	n := p.ids[word]
	p.ids[word] = n + 1
	if n == 0 {
		return word
	}
	return p.uniqueID(id + "." + strconv.Itoa(n+1))
}
