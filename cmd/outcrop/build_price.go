package main

import (
	"encoding/json"
	"strconv"

	"outcrop/internal/catalog"
	"outcrop/internal/config"
	"outcrop/internal/models"
	"outcrop/internal/money"
	"outcrop/internal/usage"
)

// setPrices gives deployments their prices, and their fallbacks.
func setPrices(deployments []*catalog.Deployment, cfg *config.Config, catalogue *models.Catalogue) {
	configured := make(map[string]config.Model, len(cfg.Models))
	for _, m := range cfg.Models {
		configured[m.Name] = m
	}
	for _, d := range deployments {
		if m, ok := configured[d.Name]; ok && d.Kind == catalog.Model {
			d.Price, d.Fallback = priceOf(m, catalogue), catalog.Fallback(m.Fallback)
		}
	}
}

// priceOf is what a deployment costs: what its configuration says of it, or else the catalogue of the model that AWS is
// asked for; nil when neither does. Upstreams with other models have the prices of those.
func priceOf(m config.Model, catalogue *models.Catalogue) *usage.Price {
	if p := m.Pricing; p.Unit != "" || p.Prompt != "" || p.Completion != "" {
		return statedPrice(p)
	}
	if m.Bedrock == "" || catalogue == nil {
		return nil
	}
	upstream, _ := m.Upstream()
	first := m.ModelID(upstream)
	price := modelPrice(first, catalogue)
	for _, u := range m.Upstreams {
		id := m.ModelID(u)
		if id == first {
			continue
		}
		if price == nil {
			price = &usage.Price{Unknown: true}
		}
		if price.Models == nil {
			price.Models = map[string]*usage.Price{}
		}
		price.Models[id] = modelPrice(id, catalogue)
	}
	return price
}

// modelPrice is AWS's for a model, nil when the catalogue does not have it.
func modelPrice(id string, catalogue *models.Catalogue) *usage.Price {
	found, ok := catalogue.Lookup(id)
	if !ok || found.Prices == nil {
		return nil
	}
	return listPrice(found)
}

// statedPrice is the price of the configuration, as it is for all service tiers but what its decision trees say.
func statedPrice(p config.Pricing) *usage.Price {
	out := &usage.Price{
		Prompt: dollars(p.Prompt), Completion: dollars(p.Completion),
		CacheRead: rateOf(p.CacheRead, p.CacheReadTree), CacheWrite: rateOf(p.CacheWrite, p.CacheWriteTree),
		CacheWrite1h: rateOf(p.CacheWrite1h, nil), Image: rateOf(p.Image, nil), Query: rateOf(p.Query, nil),
	}
	switch p.Unit {
	case "char_without_whitespace":
		out.Unit = usage.Chars
	case "none":
		out.Unit = usage.Free
	}
	return out
}

// dollars reads what config.Load has found to be an amount.
func dollars(text string) money.Amount {
	amount, err := money.Parse(text)
	if err != nil {
		return 0 // "" is not stated
	}
	return amount
}

func rateOf(text string, tree json.RawMessage) usage.Rate {
	if tree == nil {
		if text == "" {
			return usage.Rate{}
		}
		tree = json.RawMessage(strconv.Quote(text))
	}
	rate, err := usage.ParseRate(tree)
	if err != nil { // config.Load has refused it
		return usage.Rate{}
	}
	return rate
}

// listPrice is AWS's, of the catalogue: for a million tokens, or a thousand queries.
func listPrice(m *models.Model) *usage.Price {
	p := m.Prices
	out := &usage.Price{
		Prompt: perMillion(p.Input).Amount, Completion: perMillion(p.Output).Amount, CacheRead: perMillion(p.CacheRead),
		CacheWrite: perMillion(p.CacheWrite), CacheWrite1h: perMillion(p.CacheWrite1h), Tiers: usage.AmazonTiers(),
	}
	// Claude's price for an hour is twice the prompt's, where the list does not have it
	// (https://aws.amazon.com/bedrock/pricing/, https://docs.claude.com/en/docs/build-with-claude/prompt-caching).
	if m.Provider == "anthropic" && !out.CacheWrite1h.Stated && out.CacheWrite.Stated {
		out.CacheWrite1h = usage.Is(out.Prompt.Times(2))
	}
	if p.PerImage > 0 {
		out.Image = usage.Is(decimal(p.PerImage))
	}
	if p.Per1kQueries > 0 {
		out.Query = usage.Is(decimal(p.Per1kQueries).Part(1, 1000))
	}
	return out
}

// perMillion is the price of one of a million; 0 is not stated.
func perMillion(usd float64) usage.Rate {
	if usd == 0 {
		return usage.Rate{}
	}
	return usage.Is(decimal(usd).Part(1, 1_000_000))
}

// decimal is the number of the catalogue, whose sources have some with the noise of binary fractions.
func decimal(usd float64) money.Amount { return dollars(strconv.FormatFloat(usd, 'f', 9, 64)) }
