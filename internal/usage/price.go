package usage

import (
	"outcrop/internal/llm"
	"outcrop/internal/money"
)

// Price is what a deployment costs. A nil Price is not known.
type Price struct {
	// PromptToken and CompletionToken are USD for one.
	PromptToken, CompletionToken money.Amount
}

// Cost is what a use of a deployment cost, and what the prompt cache saved of it against the same without one.
// known is false when a price that it needs is not.
func (p *Price) Cost(u llm.Usage, _ Terms) (cost, saved money.Amount, known bool) {
	if p == nil {
		return 0, 0, false
	}
	return p.PromptToken.Times(int64(u.Prompt())).Plus(p.CompletionToken.Times(int64(u.Output))), 0, true
}
