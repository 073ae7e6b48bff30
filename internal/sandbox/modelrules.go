package sandbox

import (
	"slices"

	"outcrop/internal/models"
)

// capabilityRules are refusals that Converse makes on behalf of a model, by what
// the catalogue knows of it; what it does not know is allowed. They run only
// when the model is known.
func capabilityRules() []rule {
	return append([]rule{
		systemPrompt, systemTurns, tools, toolChoice, media, toolResults, signatures, cachePointsAllowed, structuredOutput,
	}, limitRules()...)
}

// modelRules are what the model itself says.
func modelRules(m *models.Model) []rule {
	switch {
	case m.Provider == "anthropic":
		return claudeRules()
	case isNova(m):
		return novaRules()
	case m.Converse != nil && m.Converse.Thinking == models.ThinkingEffort:
		return []rule{reasoningEffort}
	default:
		return nil
	}
}

// traits are the model's, or those of a model that can do everything.
func (v *conversation) traits() *models.Converse {
	if v.model.Converse != nil {
		return v.model.Converse
	}
	return &models.Converse{Tools: true, StreamingTools: true, System: true}
}

// unsupported is Converse's way to refuse a field that a model has no use for.
func unsupported(field string) *apiError {
	return invalid("This model doesn't support the %s field. Remove %s and try again.", field, field)
}

func systemPrompt(v *conversation) *apiError {
	if len(array(v.body["system"])) > 0 && !v.traits().System { // m02
		return invalid("This model doesn't support system messages. Try again without a system message or use a model that supports system messages.")
	}
	return nil
}

// systemTurns: Claude takes the role system inside a conversation since Opus
// 4.8 (v047); older models and other families do not.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Message.html
func systemTurns(v *conversation) *apiError {
	for _, t := range v.turns {
		if t.role == "system" && !takesSystemTurns(v.model) { // m31
			return modelSays("messages.%d: role 'system' is not supported on this model", t.index)
		}
	}
	return nil
}

func tools(v *conversation) *apiError {
	if v.body["toolConfig"] == nil {
		return nil
	}
	switch can := v.traits(); {
	case !can.Tools: // m32
		return invalid("This model doesn't support tool use.")
	case v.stream && !can.StreamingTools: // m01
		return invalid("This model doesn't support tool use in streaming mode.")
	}
	return nil
}

// toolChoice: "auto" is what a model does without a choice, so it is never
// refused.
func toolChoice(v *conversation) *apiError {
	allowed := v.traits().ToolChoice
	for _, choice := range []string{"any", "tool"} {
		if allowed != nil && dig(v.body, "toolConfig", "toolChoice", choice) != nil && !slices.Contains(allowed, choice) { // m03
			return unsupported("toolConfig.toolChoice." + choice)
		}
	}
	return nil
}

// media: what the model cannot see, and what it cannot fetch from S3.
func media(v *conversation) *apiError {
	for _, b := range v.blocks {
		for _, kind := range []string{"image", "video", "audio"} {
			if b[kind] == nil {
				continue
			}
			if v.model.Input != nil && !slices.Contains(v.model.Input, kind) { // m04
				return invalid("This model doesn't support the %s content block that you provided. Update the content block and try again.", kind)
			}
			if dig(b, kind, "source", "s3Location") != nil && !v.readsS3() { // m05
				return unsupported("s3Uri")
			}
		}
		// Claude lets documents pass here and fails inside the model (m06)
		if dig(b, "document", "source", "s3Location") != nil && !v.readsS3() && v.model.Provider != "anthropic" {
			return unsupported("s3Uri")
		}
	}
	return nil
}

// readsS3: Nova and TwelveLabs only
// (docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_S3Location.html).
func (v *conversation) readsS3() bool {
	return v.traits().S3Media == models.Yes || v.model.Provider == "twelvelabs"
}

func toolResults(v *conversation) *apiError {
	can := v.traits()
	for _, t := range v.turns {
		results := 0
		for _, b := range t.content {
			result := object(dig(b, "toolResult"))
			if result == nil {
				continue
			}
			results++
			if result["status"] != nil && can.ToolResultStatus == models.No { // m07
				return unsupported("status")
			}
			if err := toolResultMedia(can, result); err != nil {
				return err
			}
		}
		if can.ToolResultAlone && results > 0 && results < len(t.content) {
			// reported: github.com/BerriAI/litellm/issues/6053
			return invalid("messages.%d.content: Conversation blocks and tool result blocks cannot be provided in the same turn.", t.index)
		}
	}
	return nil
}

func toolResultMedia(can *models.Converse, result map[string]any) *apiError {
	for _, part := range array(result["content"]) {
		for _, kind := range []string{"image", "document", "video"} {
			if can.ToolResultMedia != nil && object(part)[kind] != nil && !slices.Contains(can.ToolResultMedia, kind) {
				return unsupported("toolResult.content." + kind)
			}
		}
	}
	return nil
}

// signatures belong to Claude.
func signatures(v *conversation) *apiError {
	for _, b := range v.blocks {
		if v.model.Provider != "anthropic" && dig(b, "reasoningContent", "reasoningText", "signature") != nil { // m08
			return unsupported("reasoningContent.reasoningText.signature")
		}
	}
	return nil
}

// cachePointsAllowed: a model without prompt caching answers with a 403.
func cachePointsAllowed(v *conversation) *apiError {
	if v.model.PromptCache == nil || v.model.PromptCache.Explicit {
		return nil
	}
	for range v.cachePoints { // r16
		return &apiError{Status: 403, Type: "AccessDeniedException", Message: noPromptCache}
	}
	return nil
}

// cachePoints ranges over all cache points in the order in which a model reads
// them: tools, system, messages. The place is the native one.
func (v *conversation) cachePoints(yield func(place, map[string]any) bool) {
	for _, list := range []struct {
		at     place
		blocks []any
	}{
		{place{"tools"}, array(dig(v.body, "toolConfig", "tools"))},
		{place{"system"}, array(v.body["system"])},
	} {
		for i, b := range list.blocks {
			if p := object(dig(b, "cachePoint")); p != nil && !yield(list.at.in(i), p) {
				return
			}
		}
	}
	for at, b := range v.blocks {
		if p := object(b["cachePoint"]); p != nil && !yield(at.place(), p) {
			return
		}
	}
}

func structuredOutput(v *conversation) *apiError {
	if dig(v.body, "outputConfig", "textFormat") != nil && v.model.StructuredOutputs == models.No {
		return unsupported("outputConfig.textFormat")
	}
	return nil
}

// modelSaysPrefix is what Converse writes before a model's own words.
const modelSaysPrefix = "The model returned the following errors: "

// modelSays wraps what a model answers to its native body.
func modelSays(format string, args ...any) *apiError {
	return invalid(modelSaysPrefix+format, args...)
}

// contextWindow compares the estimate with the model's window. Families say it
// differently.
func contextWindow(v *conversation) *apiError {
	limit := v.model.ContextWindow
	if v.hasBeta("context-1m-2025-08-07") {
		limit = max(limit, 1_000_000)
	}
	if limit == 0 {
		return nil
	}
	n := countTokens(v.body)
	switch {
	case n <= limit:
		return nil
	case v.model.Provider == "anthropic": // m25
		return modelSays("prompt is too long: %d tokens > %d maximum", n, limit)
	case isNova(v.model): // m26
		return modelSays("Input Tokens Exceeded: Number of input tokens exceeds maximum length. Please update the input to try again.")
	default: // m27
		return invalid(inputTooLong)
	}
}

func (v *conversation) hasBeta(name string) bool {
	return slices.Contains(array(dig(v.body, "additionalModelRequestFields", "anthropic_beta")), any(name))
}

// reasoningEffort: gpt-oss always reasons.
func reasoningEffort(v *conversation) *apiError {
	levels := []string{"low", "medium", "high"}
	if e := dig(v.body, "additionalModelRequestFields", "reasoning_effort"); e != nil && !slices.Contains(levels, text(e)) {
		return modelSays("reasoning_effort: Input should be 'low', 'medium' or 'high'")
	}
	return nil
}
