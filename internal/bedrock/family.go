package bedrock

import (
	"slices"
	"strings"

	"outcrop/internal/models"
)

// family is what models of one maker's line have in common behind Converse. The zero value is plain
// Converse.
type family struct {
	Name string
	// Prefix is that of the model ids, without a geo prefix and after an ARN's resource type.
	Prefix string
	// Has is how a model of the family behaves that the catalogue does not list, and what the
	// catalogue leaves open of one that it does.
	Has models.Converse
	// Stops is how many stop sequences a model takes; 0 is not known.
	Stops int
	// KeepsStop says that the stop sequence stays in the text.
	KeepsStop bool
	// Vendor holds the family's native ways where Converse has none.
	Vendor vendor
}

// vendor is whose native fields a family takes beside Converse's own.
type vendor uint8

const (
	vendorPlain vendor = iota
	vendorClaude
	vendorNova
	vendorCohere
)

// families are in order: the first whose prefix fits is a model's. A row's Has is that of the newest
// models of the line, because a model that is not listed is a new one.
func families() []family {
	everyChoice := []string{choiceAuto, choiceAny, choiceTool}
	tools := models.Converse{Tools: true, StreamingTools: true, System: true}
	choosing := func(choices ...string) models.Converse {
		c := tools
		c.ToolChoice = choices
		return c
	}
	userFirst := func(c models.Converse) models.Converse {
		c.LeadingAssistant = models.No
		return c
	}
	claude := choosing(everyChoice...)
	claude.LeadingAssistant, claude.Prefill, claude.S3Media = models.Yes, models.No, models.No
	claude.TopKKey, claude.Sampling = "top_k", models.SamplingNone
	claude.Thinking, claude.ThinkingOff = models.ThinkingAdaptive, models.Yes
	nova := userFirst(choosing(everyChoice...))
	nova.TopKKey, nova.Thinking, nova.S3Media = "inferenceConfig.topK", models.ThinkingNova, models.Yes
	resultsAlone := func(c models.Converse) models.Converse {
		c.ToolResultAlone = true
		return c
	}
	llama := resultsAlone(userFirst(choosing(choiceAuto)))
	llama.StreamingTools = false
	palmyra := resultsAlone(userFirst(choosing(choiceAuto)))
	palmyra.ToolResultStatus = models.No
	gptOSS := choosing(everyChoice...)
	gptOSS.Thinking = models.ThinkingEffort
	return []family{
		{Name: "Claude", Prefix: "anthropic.claude", Has: claude, Stops: 2500, Vendor: vendorClaude},
		{Name: "Nova", Prefix: "amazon.nova", Has: nova, Stops: 4, KeepsStop: true, Vendor: vendorNova},
		{Name: "Llama", Prefix: "meta.llama", Has: llama},
		{Name: "Mistral", Prefix: "mistral.", Has: resultsAlone(userFirst(choosing(choiceAuto, choiceAny))), Stops: 10},
		{Name: "gpt-oss", Prefix: "openai.gpt-oss", Has: gptOSS},
		{Name: "DeepSeek", Prefix: "deepseek.", Has: choosing(choiceAny, choiceTool)},
		{Name: "Qwen", Prefix: "qwen.", Has: choosing(everyChoice...)},
		{Name: "Cohere", Prefix: "cohere.command", Has: userFirst(choosing(choiceAuto)), Vendor: vendorCohere},
		{Name: "Jamba", Prefix: "ai21.jamba", Has: userFirst(choosing(choiceAuto))},
		{Name: "Palmyra", Prefix: "writer.palmyra", Has: palmyra},
		{Name: "Titan", Prefix: "amazon.titan-text", Has: models.Converse{Thinking: models.ThinkingNone}},
		{Name: "GPT", Prefix: "openai.gpt", Has: choosing(everyChoice...)},
		{Name: "GLM", Prefix: "zai.glm", Has: choosing(everyChoice...)},
		{Name: "Kimi", Prefix: "moonshot", Has: choosing(everyChoice...)},
		{Name: "MiniMax", Prefix: "minimax.", Has: choosing(everyChoice...)},
		{Name: "Gemma", Prefix: "google.gemma", Has: tools},
		{Name: "Nemotron", Prefix: "nvidia.nemotron", Has: tools},
		{Name: "Grok", Prefix: "xai.grok", Has: tools},
	}
}

// traits are what is known of one model: its family, and what the catalogue says.
type traits struct {
	family family
	// model is the catalogue's entry, or one with the base id alone.
	model models.Model
	// converse is how it behaves behind Converse: the catalogue's word, else the family's.
	converse models.Converse
	// known is false for a model of which neither the catalogue nor a family tells anything: plain
	// Converse, that is asked for whatever the client asks for.
	known bool
	// vectors and ranking are how a model is asked that answers no chats; nil for all others.
	vectors *embedFamily
	ranking *rerankFamily
	// messages is where a Claude is called with Anthropic's own body, SurfaceMantle or SurfaceInvoke; ""
	// for every other body.
	messages string
	// guardrail is the operator's, which no client can replace.
	guardrail *Guardrail
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
	t.vectors, t.ranking = embedFamilyOf(base), rerankFamilyOf(base)
	t.model = withLimits(catalogue, t.model)
	for _, f := range families() {
		if strings.HasPrefix(base, f.Prefix) {
			t.family, t.known = f, true
			break
		}
	}
	t.converse = t.family.Has
	if t.model.Converse != nil {
		t.converse, t.known = *t.model.Converse, true
		fill(&t.converse, &t.family.Has)
	}
	return t
}

// withLimits completes a Claude of which the catalogue knows an id of bedrock-mantle and no more, with what
// it knows of the same model under its ids of the runtime.
func withLimits(catalogue *models.Catalogue, m models.Model) models.Model {
	if catalogue == nil || m.MaxOutputTokens > 0 || !strings.HasPrefix(m.Base, "anthropic.claude") || !slices.Equal(m.Surfaces, []string{SurfaceMantle}) {
		return m
	}
	for _, twin := range catalogue.All() {
		if twin.MaxOutputTokens == 0 || stem(twin.Base) != stem(m.Base) {
			continue
		}
		m.ContextWindow, m.MaxOutputTokens, m.ConverseMaxTokens = twin.ContextWindow, twin.MaxOutputTokens, twin.ConverseMaxTokens
		m.Input, m.ImageTypes, m.DocumentTypes, m.VideoTypes = twin.Input, twin.ImageTypes, twin.DocumentTypes, twin.VideoTypes
		break
	}
	return m
}

// fill takes from a family what the catalogue leaves open.
func fill(c, has *models.Converse) {
	if c.ToolChoice == nil && c.Tools {
		c.ToolChoice = has.ToolChoice
	}
	for _, f := range []struct{ own, of *models.Fact }{
		{&c.LeadingAssistant, &has.LeadingAssistant}, {&c.Prefill, &has.Prefill}, {&c.S3Media, &has.S3Media},
	} {
		if *f.own == models.Unknown {
			*f.own = *f.of
		}
	}
}

// wholeOnly is true for a model that does not stream.
func (t *traits) wholeOnly() bool { return t.model.Streaming == models.No }

// wholeTools is true for a model that does not stream when it has tools.
func (t *traits) wholeTools() bool { return t.known && t.converse.Tools && !t.converse.StreamingTools }

// hasTools, hasSystem: a model that nobody knows is asked.
func (t *traits) hasTools() bool  { return !t.known || t.converse.Tools }
func (t *traits) hasSystem() bool { return !t.known || t.converse.System }

func (t *traits) claude() bool { return t.family.Vendor == vendorClaude }
