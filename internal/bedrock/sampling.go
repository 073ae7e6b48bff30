package bedrock

import (
	"cmp"
	"strconv"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
	"outcrop/internal/models"
)

// bytesPerToken is a low estimate, so that a prompt is counted long rather than short.
const bytesPerToken = 3

// minReply is the shortest reply that a default leaves room for, in tokens.
const minReply = 1024

// maxReplyTokens is the largest maxTokens that Converse takes for the model, or 0.
func (t *traits) maxReplyTokens() int {
	if t.model.ConverseMaxTokens > 0 {
		return t.model.ConverseMaxTokens
	}
	return t.model.MaxOutputTokens
}

// defaultTokens is what a request gets that sets no limit: the model's own, because AWS reserves the
// model's maximum from the quota for a request without one, and never more than the context window
// has room for beside the prompt. 0 for a model of which no limit is known.
// https://docs.aws.amazon.com/bedrock/latest/userguide/quotas-token-burndown.html
func (t *traits) defaultTokens(n size) int {
	limit := t.model.MaxOutputTokens
	if limit == 0 {
		limit = t.model.ConverseMaxTokens
	}
	if window := t.model.ContextWindow; window > 0 && limit > 0 {
		limit = min(limit, window/2, max(window-n.text/bytesPerToken, minReply))
	}
	return limit
}

// limitField is the client's field that bounds the reply.
func limitField(req *llm.ChatRequest) string { return cmp.Or(req.MaxTokensAt, "max_tokens") }

// planTokens settles the bound of the reply.
func (c *converse) planTokens(n size) {
	c.maxTokens = c.req.MaxTokens
	if c.maxTokens == 0 {
		c.maxTokens = c.traits.defaultTokens(n)
		return
	}
	limit := c.traits.maxReplyTokens()
	if limit > 0 && c.maxTokens > limit && !c.config.longOutput() {
		c.maxTokens = limit
		c.change(limitField(c.req), "the model writes at most "+strconv.Itoa(limit)+" tokens")
	}
}

// sampling is what is sent of temperature and top_p.
func (c *converse) sampling(req *llm.ChatRequest) (temperature, topP *float64) {
	temperature, topP = req.Sampling.Temperature, req.Sampling.TopP
	isDefault := func(v *float64) bool { return v == nil || *v == 1 }
	drop := func(v **float64, param, why string) {
		if !isDefault(*v) {
			c.ignore(param, why)
		}
		*v = nil
	}
	switch {
	case c.thinking.on && c.traits.claude():
		const why = "a Claude that thinks samples in its own way"
		drop(&temperature, "temperature", why)
		drop(&topP, "top_p", why)
	case c.thinking.unbounded:
		const why = "Nova sets it itself at high reasoning effort"
		isDefault = func(v *float64) bool { return v == nil } // Nova's own are others
		drop(&temperature, "temperature", why)
		drop(&topP, "top_p", why)
	case c.traits.converse.Sampling == models.SamplingNone:
		const why = "the model takes no sampling parameters"
		drop(&temperature, "temperature", why)
		drop(&topP, "top_p", why)
	case c.traits.converse.Sampling == models.SamplingOne && temperature != nil && topP != nil:
		// A value that is the default says nothing, so the other one is what the client meant.
		if isDefault(temperature) {
			temperature = nil
		} else {
			drop(&topP, "top_p", "the model takes temperature or top_p, not both")
		}
	}
	if temperature != nil && *temperature > 1 {
		one := 1.0
		temperature = &one
		c.change("temperature", "Bedrock's scale ends at 1, which is as varied as its models get")
	}
	return temperature, topP
}

// forgetSeed reports the seed, which no model that chats takes.
func (c *converse) forgetSeed() {
	if c.req.Sampling.Seed != nil {
		c.ignore("seed", "no Bedrock model that chats takes it")
	}
}

// addInference writes inferenceConfig.
func (c *converse) addInference(req *llm.ChatRequest) error {
	const open = `,"inferenceConfig":{`
	c.body = append(c.body, open...)
	start := len(c.body)
	field := func(name string) {
		if len(c.body) > start {
			c.body = append(c.body, ',')
		}
		c.body = append(append(append(c.body, '"'), name...), `":`...)
	}
	temperature, topP := c.sampling(req)
	switch {
	case c.thinking.unbounded && req.MaxTokens > 0:
		c.ignore(limitField(req), "Nova sets it itself at high reasoning effort")
	case c.maxTokens > 0 && !c.thinking.unbounded:
		field("maxTokens")
		c.body = strconv.AppendInt(c.body, int64(c.maxTokens), 10)
	}
	if temperature != nil {
		field("temperature")
		c.body = strconv.AppendFloat(c.body, *temperature, 'g', -1, 64)
	}
	if topP != nil {
		field("topP")
		c.body = strconv.AppendFloat(c.body, *topP, 'g', -1, 64)
	}
	if native := c.nativeStops(); len(native) > 0 {
		field("stopSequences")
		for i, stop := range native {
			c.body = append(c.body, "[,"[min(i, 1)])
			c.body = jsonscan.AppendString(c.body, stop)
		}
		c.body = append(c.body, ']')
	}
	if len(c.body) == start {
		c.body = c.body[:start-len(open)]
		return nil
	}
	c.body = append(c.body, '}')
	return nil
}
