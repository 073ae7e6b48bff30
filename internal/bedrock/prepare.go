package bedrock

import (
	"slices"

	"outcrop/internal/llm"
)

// prepare decides, before anything is written, what a model is asked for where its ways differ from
// the client's words. The order matters: thinking needs to know how long the answer may be and
// whether a tool is forced; the format of the answer needs to know whether the model thinks; cache
// points stand among what all of these have added.
func (c *converse) prepare(n size) error {
	if err := c.configure(); err != nil {
		return err
	}
	c.planTokens(n)
	c.forgetSeed()
	if err := c.planTools(); err != nil {
		return err
	}
	if err := c.planThinking(); err != nil {
		return err
	}
	if err := c.planFormat(); err != nil {
		return err
	}
	if err := c.planStops(); err != nil {
		return err
	}
	c.moveSystem()
	c.planCache(n)
	c.whole = c.req.Whole || c.traits.wholeOnly() || len(c.offer.tools) > 0 && c.traits.wholeTools()
	return nil
}

// own makes the request one that may be rewritten: the client's stays as it is.
func (c *converse) own() *llm.ChatRequest {
	req := *c.req
	req.Messages = slices.Clone(req.Messages)
	c.req = &req
	return c.req
}

// instruct adds an instruction of ours to the system prompt.
func (c *converse) instruct(text string) {
	req := c.own()
	last := 0
	if n := len(req.Messages); n > 0 {
		last = req.Messages[n-1].Index
	}
	req.Messages = append(req.Messages, llm.Message{Role: llm.RoleSystem, Index: last, Parts: []llm.Part{llm.Text{Text: text}}})
}

// moveSystem puts the system prompt into the first user turn for a model that has none: Titan text,
// Mistral 7B, Mixtral.
func (c *converse) moveSystem() {
	isSystem := func(m llm.Message) bool { return m.Role == llm.RoleSystem }
	if c.traits.hasSystem() || !slices.ContainsFunc(c.req.Messages, isSystem) {
		return
	}
	req := c.own()
	slices.SortStableFunc(req.Messages, func(a, b llm.Message) int {
		switch {
		case isSystem(a) == isSystem(b):
			return 0
		case isSystem(a):
			return -1
		default:
			return 1
		}
	})
	for i := range req.Messages {
		if isSystem(req.Messages[i]) {
			req.Messages[i].Role = llm.RoleUser
		}
	}
}
