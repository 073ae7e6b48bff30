package bedrock

import (
	"slices"
	"strings"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// properties are those of custom_fields.configuration on the model's surface.
func (v *view) properties() []property {
	list := v.traits.properties()
	if v.dialect == speaksConverse || v.dialect == speaksMessages {
		return list
	}
	// OpenAI's APIs and InvokeModel have a counterpart of these alone.
	list = slices.DeleteFunc(list, func(p property) bool {
		switch p.name {
		case "guardrailConfig", "serviceTier":
			return false
		case "additionalModelRequestFields": // Stability's own fields are members of the configuration
			return v.dialect == speaksStability
		case "effort":
			return v.dialect == speaksPegasus
		}
		return true
	})
	for i := range list {
		list[i].members = slices.DeleteFunc(list[i].members, func(p property) bool { return p.name == "streamProcessingMode" })
	}
	if v.dialect == speaksStability {
		list = append(list, v.traits.imageService().properties()...)
	}
	return list
}

// planElsewhere reads the configuration of a request to a surface other than Converse and settles what
// all of them share. taken lists the members that the body has anyway.
func planElsewhere(v *view, req *llm.ChatRequest, taken string) (*converse, error) {
	c := &converse{traits: &v.traits, req: req}
	if len(req.Config) > 0 {
		if err := decodeConfig(&c.config, v.properties(), req.Config, configPath); err != nil {
			return nil, err
		}
	}
	if err := c.checkExtra(taken); err != nil {
		return nil, err
	}
	c.planTokens(estimate(req))
	c.forgetSeed()
	return c, nil
}

// conversationFields are the members in which the models' own bodies hold the conversation. Converse
// writes them itself; what came past it no guardrail would see.
const conversationFields = "messages system prompt inputText message chat_history"

// awsFields begin the members of a body that are not the model's but AWS's: one of them limits what a
// guardrail looks at to texts between tags.
// https://docs.aws.amazon.com/bedrock/latest/userguide/guardrails-tagging.html
const awsFields = "amazon-bedrock-"

// checkExtra refuses members of additionalModelRequestFields that the body has anyway, and a way round
// the operator's guardrail.
func (c *converse) checkExtra(taken string) error {
	for _, m := range members(c.config.extra) {
		path := configPath + ".additionalModelRequestFields." + m.key
		switch {
		case slices.Contains(strings.Fields(taken), m.key), slices.Contains(strings.Fields(conversationFields), m.key):
			return llm.Invalid(path, "The request has a field of its own for this: use that.")
		case c.traits.guardrail != nil && strings.HasPrefix(strings.ToLower(m.key), awsFields):
			return llm.Invalid(path, "This deployment's guardrail is set by the server: what it looks at cannot be changed.")
		}
	}
	return nil
}

// appendExtra writes additionalModelRequestFields as members of the body, and its end.
func (c *converse) appendExtra(body []byte) []byte {
	for _, m := range members(c.config.extra) {
		body = append(jsonscan.AppendString(append(body, ','), m.key), ':')
		body = append(body, m.value...)
	}
	return append(body, '}')
}
