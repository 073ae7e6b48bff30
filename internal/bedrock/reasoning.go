package bedrock

import (
	"fmt"
	"slices"
	"strings"

	"outcrop/internal/llm"
	"outcrop/internal/models"
)

// The words of reasoning_effort, in order, and the two of them that say "not at all" and "as little as
// possible".
const (
	effortNone    = "none"
	effortMinimal = "minimal"
	effortLow     = "low"
	effortMedium  = "medium"
	effortHigh    = "high"
	effortXHigh   = "xhigh"
	effortMax     = "max"
)

// efforts are the words in order.
func efforts() []string {
	return []string{effortNone, effortMinimal, effortLow, effortMedium, effortHigh, effortXHigh, effortMax}
}

// thinking is what was decided about a model's reasoning.
type thinking struct {
	on bool
	// unbounded is Nova at high effort, which must set length and sampling itself.
	unbounded bool
}

// wish is what a client wants of a model's reasoning. Each part comes with the field that says it.
type wish struct {
	effort   string
	effortAt string
	explicit *thinkingConfig // custom_fields.configuration.thinking
}

// replays says whether the model takes a piece of an earlier turn's reasoning back: Claude takes what
// is signed or redacted by Claude, if it thinks at all; no other takes any.
func (t *traits) replays(r llm.Reasoning) bool {
	return t.claude() && t.converse.Thinking != models.ThinkingNone && (r.Signature != "" && !strings.HasPrefix(r.Signature, sealPrefix) || r.Redacted != nil)
}

// asksEffort says whether there is a way to tell the model how hard to think.
func (t *traits) asksEffort() bool {
	switch t.converse.Thinking {
	case "", models.ThinkingNone, models.ThinkingAlways:
		return false
	default:
		return true
	}
}

// cannotStop says whether the model thinks whatever it is told.
func (t *traits) cannotStop() bool {
	switch t.converse.Thinking {
	case models.ThinkingAlways, models.ThinkingEffort:
		return true
	case models.ThinkingAdaptive:
		return t.converse.ThinkingOff == models.No
	default:
		return false
	}
}

// wished gathers what the client says of reasoning in its several fields, which must agree.
func (c *converse) wished() (wish, error) {
	w := wish{explicit: c.config.thinking}
	for _, said := range [...]struct{ effort, at string }{
		{c.req.Effort, "reasoning_effort"},
		{c.config.effort, configPath + ".effort"},
		{c.config.reasoningEffort, configPath + ".reasoning_effort"},
		{c.config.reasoningLevel, configPath + ".reasoning_config"},
		{c.config.reasoningConfig.effortWord(), configPath + ".reasoningConfig"},
	} {
		switch {
		case said.effort == "":
		case w.effort == "":
			w.effort, w.effortAt = said.effort, said.at
		case w.effort != said.effort:
			return w, llm.Invalid(said.at, fmt.Sprintf("%s and %s ask for different efforts: set one of them.", w.effortAt, said.at))
		}
	}
	if w.effort != "" && !slices.Contains(efforts(), w.effort) {
		return w, llm.Invalid(w.effortAt, "The effort can be none, minimal, low, medium, high, xhigh or max.")
	}
	return w, nil
}

// planThinking decides what is sent of reasoning, by the model's own way of asking for it.
func (c *converse) planThinking() error {
	w, err := c.wished()
	if err != nil {
		return err
	}
	kind := c.traits.converse.Thinking
	if c.traits.claude() {
		return c.planClaude(w)
	}
	switch {
	case w.effort == "":
		return nil
	case w.effort == effortNone && c.traits.cannotStop():
		return llm.Invalid(w.effortAt, "This model always reasons: leave "+w.effortAt+" out, or ask for low.")
	}
	switch kind {
	case models.ThinkingNova:
		c.planNova(w)
		return nil
	case models.ThinkingEffort:
		c.extra.add("reasoning_effort", quoted(c.within(w, effortLow, effortHigh)))
	case models.ThinkingLevel:
		if w.effort == effortNone {
			return nil // it does not think unless it is asked to
		}
		c.extra.add("reasoning_config", quoted(c.within(w, effortLow, effortHigh)))
	case models.ThinkingConfig:
		if w.effort != effortNone {
			w.effort = c.within(w, effortLow, effortMax)
		}
		c.extra.add("reasoning_config", quoted(w.effort))
	case models.ThinkingAlways:
		c.ignore(w.effortAt, "the model always thinks, as hard as it does")
		return nil
	case models.ThinkingNone:
		if w.effort != effortNone {
			c.ignore(w.effortAt, "the model does not reason")
		}
		return nil
	default:
		if w.effort != effortNone || c.traits.model.Reasoning == models.Yes {
			c.ignore(w.effortAt, "it is not known how this model is asked to reason")
		}
		return nil
	}
	c.thinking.on = w.effort != effortNone
	return nil
}

// within gives the nearest effort between two that a model knows.
func (c *converse) within(w wish, low, high string) string {
	words := efforts()
	i := slices.Index(words, w.effort)
	nearest := words[min(max(i, slices.Index(words, low)), slices.Index(words, high))]
	if nearest != w.effort {
		c.change(w.effortAt, "the model knows the efforts from "+low+" to "+high)
	}
	return nearest
}

// quoted is a word of ours as JSON.
func quoted(word string) []byte { return []byte(`"` + word + `"`) }
