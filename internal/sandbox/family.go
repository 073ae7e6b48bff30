package sandbox

import (
	"strings"

	"outcrop/internal/models"
)

// family is a line of models that behave alike where the sandbox can show it.
type family string

// The families with manners of their own; any other is plain.
const (
	familyPlain    family = ""
	familyClaude   family = "claude"
	familyNova     family = "nova"  // the first generation
	familyNova2    family = "nova2" // the second
	familyDeepseek family = "deepseek.r1"
	familyGptOSS   family = "gpt-oss"
	familyMistral  family = "mistral"
	familyKimi     family = "kimi"
	familyPegasus  family = "pegasus"
	familyQwen     family = "qwen"
	familyLlama    family = "llama"
	familyCohere   family = "cohere"
	familyJamba    family = "jamba"
)

// familyOf tells a family by the beginning of the model's base id.
func familyOf(c *call) family {
	if c.Model == nil && !c.isConverse() {
		return nativeFamily(c)
	}
	return familyOfBase(baseOf(c))
}

func familyOfModel(m *models.Model) family { return familyOfBase(m.Base) }

func familyOfBase(base string) family {
	for _, known := range []struct {
		prefix string
		family family
	}{
		{"anthropic.", familyClaude},
		{"amazon.nova-2", familyNova2},
		{"amazon.nova-", familyNova},
		{"deepseek.r1", familyDeepseek},
		{"openai.gpt-oss", familyGptOSS},
		{"mistral.", familyMistral},
		{"moonshot", familyKimi},
		{"twelvelabs.pegasus", familyPegasus},
		{"qwen.", familyQwen},
		{"meta.llama", familyLlama},
		{"cohere.command", familyCohere},
		{"ai21.jamba", familyJamba},
	} {
		if strings.HasPrefix(base, known.prefix) {
			return known.family
		}
	}
	return familyPlain
}

func baseOf(c *call) string {
	if c.Model != nil {
		return c.Model.Base
	}
	base, _ := models.Base(c.ModelID)
	return base
}
