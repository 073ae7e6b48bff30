package bedrock

import (
	"strings"

	"outcrop/internal/models"
)

// family is what models of one maker's line have in common behind Converse. The zero value is plain
// Converse.
type family struct {
	Name string
	// Prefix is that of the model ids, without a geo prefix and after an ARN's resource type.
	Prefix string
	// Has is how a model of the family behaves that the catalogue does not list.
	Has models.Converse
}

// families are in order: the first whose prefix fits is a model's.
func families() []family {
	return []family{
		{Name: "Claude", Prefix: "anthropic.claude"},
		{Name: "Nova", Prefix: "amazon.nova"},
		{Name: "Llama", Prefix: "meta.llama"},
		{Name: "Mistral", Prefix: "mistral."},
		{Name: "gpt-oss", Prefix: "openai.gpt-oss"},
		{Name: "DeepSeek", Prefix: "deepseek."},
		{Name: "Qwen", Prefix: "qwen."},
	}
}

// traits are what is known of one model: its family, and what the catalogue says.
type traits struct {
	family family
	// model is the catalogue's entry, or one with the base id alone.
	model models.Model
	// converse is how it behaves behind Converse: the catalogue's word, else the family's.
	converse models.Converse
}

// traitsOf looks a model up by its id, an ARN that says which model it is, or the operator's word for
// what is behind an ARN that does not.
func traitsOf(catalogue *models.Catalogue, id, baseModel string) traits {
	if baseModel != "" {
		id = baseModel
	}
	var t traits
	base, _ := models.Base(id)
	if known, ok := catalogue.Family(id); ok {
		t.model, base = *known, known.Base
	} else {
		t.model = models.Model{ID: base, Base: base}
	}
	for _, f := range families() {
		if strings.HasPrefix(base, f.Prefix) {
			t.family = f
			break
		}
	}
	t.converse = t.family.Has
	if t.model.Converse != nil {
		t.converse = *t.model.Converse
	}
	return t
}

// wholeOnly is true for a model that does not stream.
func (t *traits) wholeOnly() bool { return t.model.Streaming == models.No }

// wholeTools is true for a model that does not stream when it has tools.
func (t *traits) wholeTools() bool { return t.converse.Tools && !t.converse.StreamingTools }
