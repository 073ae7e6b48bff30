package bedrock

import (
	"cmp"
	"slices"
	"strconv"

	"outcrop/internal/llm"
	"outcrop/internal/models"
)

// minBudget is the smallest thinking budget, in tokens.
// https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-extended-thinking.html
const minBudget = 1024

// The types of Claude's thinking.
const (
	thinkEnabled  = "enabled"
	thinkAdaptive = "adaptive"
	thinkDisabled = "disabled"
)

// thinkingOff is the thinking object that turns it off.
const thinkingOff = `{"type":"disabled"}`

// thinkingPath is the client's field with Claude's thinking.
const thinkingPath = configPath + ".thinking"

// thinkingConfig is Anthropic's thinking object.
type thinkingConfig struct {
	kind    string
	budget  int // 0: not said
	display string
}

// budgetOf is how many tokens an effort is worth to a model that counts them. The steps are those at
// which Anthropic's guide says that more helps.
func budgetOf(effort string) int {
	switch effort {
	case effortMinimal:
		return minBudget
	case effortLow:
		return 2048
	case effortMedium:
		return 8192
	case effortHigh:
		return 16384
	default: // xhigh, max
		return 32000
	}
}

// effortOf is the effort that a budget stands for, for a model that no longer takes one.
func effortOf(budget int) string {
	switch {
	case budget <= 2048:
		return effortLow
	case budget <= 8192:
		return effortMedium
	default:
		return effortHigh
	}
}

// planClaude decides about Claude's thinking.
func (c *converse) planClaude(w wish) error {
	off := w.explicit != nil && w.explicit.kind == thinkDisabled
	if off && w.effort != "" && w.effort != effortNone && c.traits.converse.Thinking == models.ThinkingBudget ||
		w.explicit != nil && !off && w.effort == effortNone {
		return llm.Invalid(thinkingPath, "thinking and "+w.effortAt+" contradict each other: set one of them.")
	}
	switch c.traits.converse.Thinking {
	case models.ThinkingBudget:
		return c.planBudget(w)
	case models.ThinkingEither, models.ThinkingAdaptive:
		return c.planAdaptive(w)
	default:
		if w.explicit != nil && !off {
			return llm.Invalid(thinkingPath, "This Claude does not think: leave thinking out, or use Claude 3.7 or later.")
		}
		if w.effort != "" && w.effort != effortNone {
			c.ignore(w.effortAt, "this Claude does not think")
		}
		return nil
	}
}

// planBudget is for the models whose thinking is bounded by a number of tokens (3.7 to 4.5).
func (c *converse) planBudget(w wish) error {
	var budget int
	at := w.effortAt
	switch {
	case w.explicit != nil && w.explicit.kind == thinkDisabled, w.explicit == nil && (w.effort == "" || w.effort == effortNone):
		return nil
	case w.explicit != nil && w.explicit.kind == thinkEnabled:
		at, budget = thinkingPath, w.explicit.budget
		if w.effort != "" && budget > 0 {
			c.ignore(w.effortAt, "thinking.budget_tokens says it exactly")
		}
	case w.explicit != nil: // adaptive
		at = thinkingPath
		c.change(at, "this Claude takes a budget of tokens instead of adaptive thinking")
	}
	if done, err := c.cannotThink(w, at); done || err != nil {
		return err
	}
	switch {
	case budget > 0:
		if err := c.checkBudget(budget); err != nil {
			return err
		}
	case c.maxTokens > 0 && c.maxTokens <= minBudget:
		c.ignore(at, "max_tokens leaves no room for thinking, which takes at least "+strconv.Itoa(minBudget)+" tokens")
		return nil
	default:
		budget = budgetOf(cmp.Or(w.effort, effortMedium))
		if c.maxTokens > 0 {
			budget = max(min(budget, c.maxTokens*3/4), minBudget)
		}
	}
	c.think(thinkEnabled, budget, w.explicit)
	return nil
}

func (c *converse) checkBudget(budget int) error {
	const at = thinkingPath + ".budget_tokens"
	switch {
	case budget < minBudget:
		return llm.Invalid(at, "The budget must be at least 1024 tokens.")
	case c.maxTokens > 0 && budget >= c.maxTokens:
		return llm.Invalid(at, "The budget must be below max_tokens, which is "+strconv.Itoa(c.maxTokens)+" and includes it.")
	default:
		return nil
	}
}

// planAdaptive is for the models that decide themselves how much to think (4.6 and later); 4.6 takes a
// budget as well.
func (c *converse) planAdaptive(w wish) error {
	kind := thinkAdaptive
	effort := w.effort
	switch {
	case w.explicit == nil && effort == "":
		return c.forceWithoutThought()
	case w.explicit != nil && w.explicit.kind == thinkDisabled, effort == effortNone:
		return c.stopThinking(w)
	case w.explicit != nil && w.explicit.kind == thinkEnabled && c.traits.converse.Thinking == models.ThinkingEither:
		kind = thinkEnabled
	case w.explicit != nil && w.explicit.kind == thinkEnabled:
		c.change(thinkingPath, "this Claude decides itself how much to think; the budget became an effort")
		if effort == "" && w.explicit.budget > 0 {
			effort = effortOf(w.explicit.budget)
		}
	}
	if effort != "" {
		high := effortMax
		if c.traits.converse.Thinking == models.ThinkingEither && effort == effortXHigh {
			high = effortHigh // 4.6 knows max but not xhigh
		}
		w.effort = effort
		c.extra.add("output_config", []byte(`{"effort":"`+c.within(w, effortLow, high)+`"}`))
	}
	at := w.effortAt
	if w.explicit != nil {
		at = thinkingPath
	}
	if kind == thinkAdaptive {
		if done, err := c.forcedBeside(w, at); done || err != nil {
			return err
		}
		c.think(kind, 0, w.explicit)
		return nil
	}
	if done, err := c.cannotThink(w, at); done || err != nil {
		return err
	}
	budget := w.explicit.budget
	if budget == 0 {
		return llm.Invalid(thinkingPath+".budget_tokens", "Thinking of the type enabled needs budget_tokens.")
	}
	if err := c.checkBudget(budget); err != nil {
		return err
	}
	c.think(kind, budget, w.explicit)
	return nil
}

// think writes the thinking object. From 4.7 on the text of thinking is left out of replies unless it
// is asked for.
func (c *converse) think(kind string, budget int, explicit *thinkingConfig) {
	c.thinking.on = true
	out := []byte(`{"type":"` + kind + `"`)
	if budget > 0 {
		out = strconv.AppendInt(append(out, `,"budget_tokens":`...), int64(budget), 10)
	}
	display := ""
	if c.traits.converse.Thinking == models.ThinkingAdaptive {
		display = "summarized"
	}
	if explicit != nil && explicit.display != "" {
		display = explicit.display
	}
	if display != "" {
		out = append(append(append(out, `,"display":"`...), display...), '"')
	}
	c.extra.add("thinking", append(out, '}'))
}

// stopThinking turns thinking off where a model might do it unasked.
func (c *converse) stopThinking(w wish) error {
	at := thinkingPath
	if w.effort == effortNone {
		at = w.effortAt
	}
	if c.traits.cannotStop() {
		return llm.Invalid(at, "This Claude cannot be kept from thinking: ask for low effort, or leave "+at+" out.")
	}
	c.extra.add("thinking", []byte(thinkingOff))
	if w.effort != "" && w.effort != effortNone {
		c.extra.add("output_config", []byte(`{"effort":"`+c.within(w, effortLow, effortHigh)+`"}`))
	}
	return nil
}

// cannotThink finds what thinking with a budget does not go together with: a forced tool, and a
// history whose last tool calls have lost the thinking before them. done is true if the model is asked
// without.
func (c *converse) cannotThink(w wish, at string) (done bool, err error) {
	if done, err := c.forcedBeside(w, at); done || err != nil {
		return done, err
	}
	if !lostThought(c.req, c.traits) {
		return false, nil
	}
	c.ignore(at, "the last tool calls come without the signed reasoning that led to them: send custom_content.state back")
	return true, nil
}

// mayForce says whether the model can be forced to call a tool at all: not a Claude that always thinks.
func (t *traits) mayForce() bool { return !t.claude() || !t.cannotStop() }

// forcedBeside keeps thinking and a forced tool apart, which Claude refuses together. A client that
// only asked for an effort gets its tool; one that asked for thinking itself must choose.
func (c *converse) forcedBeside(w wish, at string) (done bool, err error) {
	switch {
	case !c.offer.forced():
		return false, nil
	case !c.traits.mayForce():
		c.offer.relax(c, "this Claude always thinks, and then cannot be forced to call a tool")
		return false, nil
	case w.explicit != nil:
		return false, llm.Invalid(at, "Claude cannot think when tool_choice forces a tool call: leave out thinking or tool_choice.")
	case c.traits.converse.Thinking == models.ThinkingBudget:
		c.ignore(at, "Claude cannot think when tool_choice forces a tool call")
	default:
		c.change(at, "Claude cannot think when tool_choice forces a tool call; the effort holds for the answer")
		return true, c.forceWithoutThought()
	}
	return true, nil
}

// forceWithoutThought makes sure that a model which decides itself whether to think does not, when a
// tool is forced.
func (c *converse) forceWithoutThought() error {
	switch {
	case !c.offer.forced() || c.traits.converse.Thinking != models.ThinkingAdaptive:
	case !c.traits.mayForce():
		c.offer.relax(c, "this Claude always thinks, and then cannot be forced to call a tool")
	default:
		c.extra.add("thinking", []byte(thinkingOff))
	}
	return nil
}

// goingOn is the place of the first message of the assistant's turn that the reply goes on with, or the
// number of messages if the reply begins a turn. A loop of tool calls is one turn, with what the user
// says beside the results. What leaves no block ends no turn.
func (t *traits) goingOn(messages []llm.Message) int {
	first := len(messages)
	asked, answered := false, false
	for i := len(messages) - 1; i >= 0; i-- {
		if t.silent(&messages[i]) {
			continue
		}
		switch messages[i].Role {
		case llm.RoleUser:
			asked = true
		case llm.RoleTool:
			answered = true
		case llm.RoleAssistant:
			if asked && !answered {
				return first
			}
			first, asked, answered = i, false, false
		case llm.RoleSystem:
		}
	}
	return first
}

// silent says whether nothing of a message reaches the model.
func (t *traits) silent(m *llm.Message) bool {
	return !slices.ContainsFunc(m.Parts, func(p llm.Part) bool {
		r, thought := p.(llm.Reasoning)
		return !blank(p) && !isPoint(p) && (!thought || t.replays(r))
	})
}

// lostThought says whether the assistant's turn that is going on lacks the reasoning that Claude signed
// at its beginning. With thinking on, Claude refuses that: a model that does not think between calls has
// thought before the first. The beginning of a reply needs its own.
// https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-extended-thinking.html
func lostThought(req *llm.ChatRequest, t *traits) bool {
	turn := req.Messages[t.goingOn(req.Messages):]
	for i := len(turn) - 1; i >= 0 && turn[i].Role != llm.RoleTool; i-- {
		if turn[i].Role == llm.RoleAssistant && !t.silent(&turn[i]) {
			turn = turn[i:]
			break
		}
	}
	lost := false
	for i := range turn {
		if turn[i].Role != llm.RoleAssistant {
			continue
		}
		if slices.ContainsFunc(turn[i].Parts, func(p llm.Part) bool { r, ok := p.(llm.Reasoning); return ok && t.replays(r) }) {
			return false
		}
		lost = lost || !t.silent(&turn[i])
	}
	return lost
}

// forgets is the place of the first message whose reasoning is not taken back. A Claude that is asked
// without thinking refuses that of the turn that is going on: "When thinking is disabled, an `assistant` message in the final position cannot contain
// `thinking`". What fields of the client's own ask for is not looked into.
// https://github.com/tailcallhq/forgecode/issues/1853
func (c *converse) forgets(messages []llm.Message) int {
	if !c.traits.claude() || c.thinking.on || c.traits.cannotStop() {
		return len(messages)
	}
	if own := members(c.config.extra); find(own, "thinking") != nil || find(own, "reasoning_config") != nil {
		return len(messages)
	}
	if c.traits.converse.Thinking == models.ThinkingAdaptive && string(find(c.extra, "thinking")) != thinkingOff {
		return len(messages) // it may think unasked
	}
	return c.traits.goingOn(messages)
}
