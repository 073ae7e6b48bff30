package gateway

import (
	"outcrop/internal/llm"
	"outcrop/internal/openai"
)

// bytesPerToken is of what models say, as openai.PromptTokens takes it of what they are asked.
const bytesPerToken = 3

// guess is what an answer of this process used that ended before the model told it, by what had come: its client left,
// or the upstream broke off. AWS bills the prompt and the answer up to there, and a limit that could be stepped over by
// leaving before the last word would be none. An answer that has not begun is not billed.
func (x *exchange) guess(err error, body []byte) error {
	t := &x.tally
	if err != nil && t.said > 0 && t.usage == (llm.Usage{}) {
		t.charge(llm.Usage{Input: openai.PromptTokens(body), Output: (t.said + bytesPerToken - 1) / bytesPerToken})
	}
	return err
}

// sizeOf is how much a model says with an event, in bytes of text.
func sizeOf(event llm.Event) int {
	switch e := event.(type) {
	case *llm.TextDelta:
		return len(e.Text)
	case llm.ReasoningDelta:
		return len(e.Text)
	case llm.ToolCallStart:
		return len(e.Name)
	case llm.ToolCallDelta:
		return len(e.Args)
	default:
		return 0
	}
}

// frameOf is about how long an event of a native stream is without what it says, in bytes.
const frameOf = 90

// sizeOfPiece is about how much a piece of a native stream says.
func sizeOfPiece(p *llm.MessagesPiece) int {
	if p.Last || !isVisible(standIn(p)) {
		return 0
	}
	return max(len(p.JSON)-frameOf, 1)
}
