package bedrock

import (
	"slices"
	"strconv"
	"strings"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
	"outcrop/internal/models"
)

// extraFields are the members of additionalModelRequestFields that we write, in order.
type extraFields []member

// add sets a member. Every one is set at one place in the code, or again by a later decision.
func (e *extraFields) add(key string, value []byte) {
	for i := range *e {
		if (*e)[i].key == key {
			(*e)[i].value = value
			return
		}
	}
	*e = append(*e, member{key, value})
}

// addRest writes what stands beside the conversation, the tools and inferenceConfig.
func (c *converse) addRest(req *llm.ChatRequest) error {
	if err := c.addGuardrail(); err != nil {
		return err
	}
	if err := c.addExtra(); err != nil {
		return err
	}
	if paths := c.config.responsePaths; len(paths) > 0 {
		c.body = append(c.body, `,"additionalModelResponseFieldPaths":[`...)
		for i, path := range paths {
			if !strings.HasPrefix(path, "/") || len(path) > 256 {
				return wrongMember(configPath+".additionalModelResponseFieldPaths["+strconv.Itoa(i)+"]",
					"must be a JSON Pointer of at most 256 characters, such as /stop_sequence.")
			}
			if i > 0 {
				c.body = append(c.body, ',')
			}
			c.body = jsonscan.AppendString(c.body, path)
		}
		c.body = append(c.body, ']')
	}
	c.addMetadata(req.Metadata)
	if c.config.latency != "" {
		c.body = append(append(append(c.body, `,"performanceConfig":{"latency":"`...), c.config.latency...), `"}`...)
	}
	tier, err := c.tier()
	if err != nil {
		return err
	}
	if tier != "" {
		c.body = append(append(append(c.body, `,"serviceTier":{"type":"`...), tier...), `"}`...)
	}
	c.addFormat()
	return nil
}

// tier is the service tier; auto leaves it to AWS.
// https://docs.aws.amazon.com/bedrock/latest/userguide/service-tiers-inference.html
func (c *converse) tier() (string, error) {
	tier := c.req.Tier
	switch tier {
	case "auto":
		tier = ""
	case "", "default", "flex", "priority":
	default:
		return "", llm.Invalid("service_tier", "The service tier can be auto, default, flex or priority.")
	}
	switch {
	case c.config.tier == "" || tier == c.config.tier:
		return tier, nil
	case tier == "":
		return c.config.tier, nil
	default:
		return "", llm.Invalid(configPath+".serviceTier", "service_tier and "+configPath+".serviceTier differ: set one of them.")
	}
}

// addGuardrail writes the guardrail.
func (c *converse) addGuardrail() error {
	g, err := c.guardrail()
	if g == nil || err != nil {
		return err
	}
	c.body = append(c.body, `,"guardrailConfig":{"guardrailIdentifier":`...)
	c.body = jsonscan.AppendString(c.body, g.ID)
	c.body = append(c.body, `,"guardrailVersion":`...)
	c.body = jsonscan.AppendString(c.body, g.Version)
	if g.Trace != "" {
		c.body = append(append(append(c.body, `,"trace":"`...), g.Trace...), '"')
	}
	switch mode := g.StreamProcessingMode; {
	case mode == "":
	case !c.whole:
		c.body = append(append(append(c.body, `,"streamProcessingMode":"`...), mode...), '"')
	case g == c.config.guardrail: // Converse does not know it
		c.ignore(configPath+".guardrailConfig.streamProcessingMode", "the answer is not asked for as a stream")
	}
	c.body = append(c.body, '}')
	return nil
}

// addExtra writes additionalModelRequestFields: the client's, and those of our own making.
func (c *converse) addExtra() error {
	c.addBetas()
	fields, err := c.extraMembers()
	if len(fields) == 0 || err != nil {
		return err
	}
	c.body = append(c.body, `,"additionalModelRequestFields":{`...)
	for i, m := range fields {
		if i > 0 {
			c.body = append(c.body, ',')
		}
		c.body = append(jsonscan.AppendString(c.body, m.key), ':')
		c.body = append(c.body, m.value...)
	}
	c.body = append(c.body, '}')
	return nil
}

// addBetas writes Anthropic's beta flags.
func (c *converse) addBetas() {
	betas := c.config.betas
	if len(betas) == 0 {
		return
	}
	list := []byte{'['}
	for i, beta := range betas {
		if i > 0 {
			list = append(list, ',')
		}
		list = jsonscan.AppendString(list, beta)
	}
	c.extra.add("anthropic_beta", append(list, ']'))
}

// extraMembers are the members of the model's own body beside those that every chat has: the client's, then
// ours.
func (c *converse) extraMembers() ([]member, error) {
	c.addTopK()
	given := members(c.config.extra)
	for _, m := range c.extra {
		if find(given, m.key) != nil {
			return nil, llm.Invalid(configPath+".additionalModelRequestFields."+m.key,
				"The request asks for the same in another field: say it once.")
		}
	}
	return slices.Concat(given, c.extra), nil
}

// addTopK writes top_k at the place where the model has it.
func (c *converse) addTopK() {
	k := c.config.topK
	switch {
	case k == nil:
		return
	case c.thinking.on && c.traits.claude():
		c.ignore(configPath+".top_k", "a Claude that thinks samples in its own way")
		return
	case c.traits.converse.Sampling == models.SamplingNone:
		c.ignore(configPath+".top_k", "the model takes no sampling parameters")
		return
	}
	value := strconv.AppendInt(nil, int64(*k), 10)
	home, key, nested := strings.Cut(c.traits.converse.TopKKey, ".")
	if nested {
		value = append(append([]byte(`{"`+key+`":`), value...), '}')
	}
	c.extra.add(home, value)
}

// The bounds of requestMetadata.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
const (
	maxMetadata     = 16
	maxMetadataText = 256
)

// addMetadata writes requestMetadata, in the order of the keys, in AWS's alphabet.
func (c *converse) addMetadata(metadata map[string]string) {
	if len(metadata) == 0 {
		return
	}
	written := 0
	var room [maxMetadata]string
	keys := room[:0]
	for key := range metadata {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		name := metadataText(key)
		if name == "" || written == maxMetadata {
			continue
		}
		open := `,"requestMetadata":{`
		if written > 0 {
			open = ","
		}
		written++
		c.body = jsonscan.AppendString(append(c.body, open...), name)
		c.body = jsonscan.AppendString(append(c.body, ':'), metadataText(metadata[key]))
	}
	if written > 0 {
		c.body = append(c.body, '}')
	}
}

// metadataText writes a text in the alphabet of requestMetadata.
func metadataText(text string) string {
	mapped := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(" :_@$#=/+,-.", r) {
			return r
		}
		return '_'
	}, text)
	return mapped[:min(len(mapped), maxMetadataText)]
}
