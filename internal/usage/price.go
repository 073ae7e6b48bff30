package usage

import (
	"outcrop/internal/llm"
	"outcrop/internal/money"
)

// Unit is what prompts and completions are priced by.
type Unit uint8

// The units of DIAL's pricing.
const (
	Tokens Unit = iota
	Chars       // other than spaces: char_without_whitespace
	Free        // none: nothing costs anything
)

// Price is what a deployment costs. A nil Price is not known.
type Price struct {
	Unit Unit
	// Prompt and Completion are USD for one unit.
	Prompt, Completion money.Amount
	// CacheRead, CacheWrite and CacheWrite1h are USD for a token that was read from the prompt cache, or written to it
	// for five minutes or an hour. One that is not stated is the prompt's.
	CacheRead, CacheWrite, CacheWrite1h Rate
	// Image is USD for an image that was made, or embedded, Query for a query of a reranking. Of those that are not
	// stated an image is a token of the completion, as DIAL has it, and a query is part of the tokens.
	Image, Query Rate
	// Tiers are what the service tiers other than the standard one cost, as parts of it.
	Tiers []Tier
	// Models are the prices of upstreams whose model is another, by its id: a profile of another geography, say.
	Models map[string]*Price
	// Unknown says that nothing else is known than Models.
	Unknown bool
}

// For is the price when that model answered.
func (p *Price) For(model string) *Price {
	if p != nil && p.Models != nil {
		if own, ok := p.Models[model]; ok {
			return own
		}
	}
	return p
}

// Tier is what a service tier costs: Part hundredths of the standard price.
type Tier struct {
	Name string
	Part int64
}

// AmazonTiers are Amazon Bedrock's (https://aws.amazon.com/bedrock/pricing/).
func AmazonTiers() []Tier { return []Tier{{"flex", 50}, {"batch", 50}, {"priority", 175}} }

// standard says whether the price as it is stands for the tier.
func standard(tier string) bool {
	return tier == "" || tier == "default" || tier == "standard" || tier == "auto"
}

// Rate is a price of one, which may depend on the request. The zero Rate is not stated.
type Rate struct {
	Stated bool
	Amount money.Amount
	// Test decides between two rates; nil for the Amount.
	Test *Test
}

// Is is the rate that is always the same.
func Is(amount money.Amount) Rate { return Rate{Stated: true, Amount: amount} }

// Cost is what a use of a deployment cost, and what the prompt cache saved of it against the same without one.
// known is false when a price that it needs is not.
func (p *Price) Cost(u llm.Usage, terms Terms) (cost, saved money.Amount, known bool) {
	if p == nil || p.Unknown {
		return 0, 0, false
	}
	if p.Unit == Free {
		return 0, 0, true
	}
	if p.Unit == Chars {
		if terms.PromptChars == 0 && terms.CompletionChars == 0 && u != (llm.Usage{}) {
			return 0, 0, false // nobody has counted them
		}
		return p.Prompt.Times(int64(terms.PromptChars)).Plus(p.Completion.Times(int64(terms.CompletionChars))), 0, true
	}
	part := int64(100)
	if !standard(terms.Tier) && len(p.Tiers) > 0 {
		if part = p.tier(terms.Tier); part == 0 {
			return 0, 0, false
		}
	}
	cached := p.cached(u, terms)
	cost = p.Prompt.Times(int64(u.Input)).Plus(cached).Plus(p.Completion.Times(int64(u.Output)))
	saved = p.Prompt.Times(int64(u.CacheRead + u.CacheWrite)).Plus(-cached)
	extra := money.Amount(0) // which tiers do not change
	switch {
	case u.Images > 0 && p.Image.Stated:
		extra = p.Image.Amount.Times(int64(u.Images))
	case u.Images > 0:
		cost = cost.Plus(p.Completion.Times(int64(u.Images)))
	}
	if p.Query.Stated {
		extra = extra.Plus(p.Query.Amount.Times(int64(terms.Queries)))
	}
	return cost.Part(part, 100).Plus(extra), saved.Part(part, 100), true
}

// tier is how many hundredths of the price a tier costs, 0 when that is not known.
func (p *Price) tier(name string) int64 {
	for _, t := range p.Tiers {
		if t.Name == name {
			return t.Part
		}
	}
	return 0
}

// cached is what reading and writing the prompt cache cost.
func (p *Price) cached(u llm.Usage, terms Terms) money.Amount {
	if u.CacheRead == 0 && u.CacheWrite == 0 {
		return 0
	}
	c := circumstances{u, terms.Tier, ""}
	sum := p.CacheRead.of(p.Prompt, c).Times(int64(u.CacheRead))
	c.ttl = "5m"
	sum = sum.Plus(p.CacheWrite.of(p.Prompt, c).Times(int64(u.CacheWrite - u.CacheWrite1h)))
	hour := p.CacheWrite1h
	if !hour.Stated {
		hour = p.CacheWrite
	}
	c.ttl = "1h"
	return sum.Plus(hour.of(p.Prompt, c).Times(int64(u.CacheWrite1h)))
}
