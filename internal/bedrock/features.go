package bedrock

import (
	"slices"

	"outcrop/internal/llm"
	"outcrop/internal/models"
)

// Treatment says what becomes of a feature when the model is asked for it. It asks what build asks.
func (m *Model) Treatment(f llm.Feature) llm.Treatment { return m.current.Load().traits.treatment(f) }

// FamilyInfo names a family.
type FamilyInfo struct {
	Name    string
	Example string // id of a model that the catalogue lists
}

// Families lists the families that have rules of their own, each with a model of today, and last the
// models that have none.
func Families() []FamilyInfo {
	return []FamilyInfo{
		{"Claude (adaptive)", "anthropic.claude-opus-4-7"},
		{"Claude 4.6", "anthropic.claude-sonnet-4-6"},
		{"Claude 3.7 to 4.5", "anthropic.claude-sonnet-4-5-20250929-v1:0"},
		{"Claude 3.5", "anthropic.claude-3-5-sonnet-20241022-v2:0"},
		{"Nova 2", "amazon.nova-2-lite-v1:0"},
		{"Nova 1", "amazon.nova-lite-v1:0"},
		{"Llama", "meta.llama3-3-70b-instruct-v1:0"},
		{"Mistral", "mistral.mistral-large-2407-v1:0"},
		{"gpt-oss", "openai.gpt-oss-120b-1:0"},
		{"DeepSeek V3", "deepseek.v3-v1:0"},
		{"DeepSeek R1", "deepseek.r1-v1:0"},
		{"Qwen", "qwen.qwen3-32b-v1:0"},
		{"Cohere", "cohere.command-r-v1:0"},
		{"Jamba", "ai21.jamba-1-5-large-v1:0"},
		{"Palmyra", "writer.palmyra-x5-v1:0"},
		{"Titan", "amazon.titan-text-express-v1"},
		{"GLM", "zai.glm-4.7"},
		{"Kimi", "moonshotai.kimi-k2.5"},
		{"MiniMax", "minimax.minimax-m2"},
		{"Gemma", "google.gemma-3-27b-it"},
		{"Nemotron", "nvidia.nemotron-nano-9b-v2"},
		{"Grok", "xai.grok-4.6"},
		{"any other", "newcomer.model-1"},
	}
}

// either is the first treatment if yes, else the second.
func either(yes bool, then, otherwise llm.Treatment) llm.Treatment {
	if yes {
		return then
	}
	return otherwise
}

func (t *traits) treatment(f llm.Feature) llm.Treatment {
	switch {
	case f <= llm.FeatureS3:
		return t.turnTreatment(f)
	case f <= llm.FeatureTextBesideResult:
		return t.toolTreatment(f)
	case f <= llm.FeatureManyStops:
		return t.samplingTreatment(f)
	case f <= llm.FeatureJSON:
		return t.answerTreatment(f)
	default:
		return t.ownTreatment(f)
	}
}

func (t *traits) turnTreatment(f llm.Feature) llm.Treatment {
	takes := func(kind fileType) llm.Treatment { return either(t.takesFile(kind), llm.Forwarded, llm.Refused) }
	switch f {
	case llm.FeatureSystem, llm.FeatureLateSystem:
		return either(t.hasSystem(), llm.Translated, llm.Emulated)
	case llm.FeatureLeadingAssistant:
		return either(t.converse.LeadingAssistant == models.No, llm.Emulated, llm.Forwarded)
	case llm.FeaturePrefill:
		return either(t.converse.Prefill == models.No, llm.Refused, llm.Forwarded)
	case llm.FeatureImage:
		return takes(fileType{class: classImage, format: "png"})
	case llm.FeatureDocument:
		return takes(fileType{class: classDocument, format: "pdf"})
	case llm.FeatureVideo:
		return takes(fileType{class: classVideo, format: "mp4"})
	case llm.FeatureAudio:
		return takes(fileType{class: classAudio, format: "mp3"})
	default: // FeatureS3
		return either(t.converse.S3Media == models.Yes, llm.Forwarded, llm.Refused)
	}
}

func (t *traits) toolTreatment(f llm.Feature) llm.Treatment {
	if !t.hasTools() {
		return either(f == llm.FeatureToolChoiceNone, llm.Translated, llm.Refused)
	}
	switch f {
	case llm.FeatureTools, llm.FeatureToolChoiceNone:
		return llm.Translated
	case llm.FeatureStreamedTools:
		return either(t.wholeTools() || t.wholeOnly(), llm.Emulated, llm.Forwarded)
	case llm.FeatureToolChoiceRequired:
		return either(t.chooses(choiceAny) && t.mayForce(), llm.Translated, llm.Ignored)
	case llm.FeatureToolChoiceNamed:
		switch {
		case !t.mayForce() || !t.chooses(choiceTool) && !t.chooses(choiceAny):
			return llm.Ignored
		default:
			return either(t.chooses(choiceTool), llm.Translated, llm.Emulated)
		}
	case llm.FeatureOneTool:
		return either(t.claude(), llm.Translated, llm.Ignored)
	case llm.FeatureStrictTools:
		return either(t.strictTools(), llm.Forwarded, llm.Ignored)
	case llm.FeatureToolResultImage:
		return t.resultTreatment(fileType{class: classImage, format: "png"}, samplePNG)
	case llm.FeatureToolResultDocument:
		return t.resultTreatment(fileType{class: classDocument, format: "pdf"}, samplePDF)
	case llm.FeatureToolResultFailed:
		return either(t.converse.ToolResultStatus != models.No, llm.Translated, llm.Emulated)
	default: // FeatureTextBesideResult
		return either(t.besideResult(llm.Text{Text: "x"}), llm.Forwarded, llm.Emulated)
	}
}

// The shortest beginnings by which files are known.
const (
	samplePNG = "\x89PNG\r\n\x1a\n"
	samplePDF = "%PDF-1.4\n"
)

func (t *traits) resultTreatment(kind fileType, sample string) llm.Treatment {
	if !t.takesFile(kind) {
		return llm.Refused
	}
	return either(t.resultHolds(llm.Blob{Bytes: []byte(sample)}), llm.Forwarded, llm.Emulated)
}

func (t *traits) samplingTreatment(f llm.Feature) llm.Treatment {
	none := t.converse.Sampling == models.SamplingNone
	switch f {
	case llm.FeatureTemperature, llm.FeatureTopP:
		return either(none, llm.Ignored, llm.Forwarded)
	case llm.FeatureHotTemperature:
		return either(none, llm.Ignored, llm.Translated)
	case llm.FeatureTemperatureAndTopP:
		return either(none || t.converse.Sampling == models.SamplingOne, llm.Ignored, llm.Forwarded)
	case llm.FeatureSeed:
		return llm.Ignored
	case llm.FeatureTopK:
		if t.converse.TopKKey == "" {
			return llm.Refused
		}
		return either(none, llm.Ignored, llm.Translated)
	case llm.FeatureManyStops:
		return either(t.maxStops() > safeStops*4, llm.Forwarded, llm.Emulated)
	default: // FeatureMaxTokens, FeatureStop
		return llm.Forwarded
	}
}

func (t *traits) answerTreatment(f llm.Feature) llm.Treatment {
	switch f {
	case llm.FeatureEffort:
		return either(t.asksEffort(), llm.Translated, llm.Ignored)
	case llm.FeatureEffortNone:
		if t.cannotStop() {
			return llm.Refused
		}
		return either(!t.asksEffort() && t.model.Reasoning == models.Yes, llm.Ignored, llm.Translated)
	case llm.FeatureThinking:
		switch {
		case !t.claude() || t.converse.Thinking == models.ThinkingNone:
			return llm.Refused
		default:
			return either(t.converse.Thinking == models.ThinkingAdaptive, llm.Translated, llm.Forwarded)
		}
	case llm.FeatureReasoningReplay:
		return either(t.replays(llm.Reasoning{Text: "x", Signature: "x"}), llm.Forwarded, llm.Ignored)
	case llm.FeatureSchema:
		_, native := t.nativeSchema([]byte(emptySchema))
		return either(native, llm.Translated, llm.Emulated)
	default: // FeatureJSON
		return llm.Emulated
	}
}

func (t *traits) ownTreatment(f llm.Feature) llm.Treatment {
	has := func(name string) bool {
		return slices.ContainsFunc(t.properties(), func(p property) bool { return p.name == name })
	}
	switch f {
	case llm.FeatureCachePoint:
		return either(t.cachesAt(placeMessages), llm.Translated, llm.Ignored)
	case llm.FeatureAutoCache:
		return either(t.caches(), llm.Emulated, llm.Ignored)
	case llm.FeatureCacheHour:
		return either(t.caches() && t.model.PromptCache.TTL1h, llm.Translated, llm.Ignored)
	case llm.FeatureCitations:
		return either(has("enable_citations"), llm.Translated, llm.Refused)
	case llm.FeatureBetas:
		return either(has("betas"), llm.Forwarded, llm.Refused)
	default: // guardrails, latency, tiers, metadata, fields of the request and of the reply
		return llm.Forwarded
	}
}
