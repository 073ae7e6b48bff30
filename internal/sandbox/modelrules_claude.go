package sandbox

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"outcrop/internal/models"
)

// claudeRules are what Claude answers to its native body. Texts without a case
// id are those of Anthropic's own API, which Bedrock passes on.
func claudeRules() []rule {
	return []rule{
		s3Documents, cachePointAfterText, cachePointCount, cachePointOrder, cacheTTL, knownFields,
		thinkingKind, thinkingBudget, thinkingSampling, thinkingTools, thinkingReplay, thinkingSignatures,
		sampling, prefill, toolNames, uniqueCalls, outputSchema, schemaKeywords, claudeEffort, betas, citedDocuments, claudeImages, pdfDocuments,
	}
}

// claudeVersion reads 4.8 out of anthropic.claude-opus-4-8 and 3.7 out of
// anthropic.claude-3-7-sonnet-20250219-v1:0.
func claudeVersion(m *models.Model) float64 {
	name, ok := strings.CutPrefix(m.Base, "anthropic.claude-")
	if !ok {
		return 0
	}
	var digits []string
	for part := range strings.SplitSeq(name, "-") {
		if _, err := strconv.Atoi(part); err == nil && len(part) <= 2 {
			digits = append(digits, part)
		} else if len(digits) > 0 {
			break
		}
	}
	version, _ := strconv.ParseFloat(strings.Join(digits, "."), 64) // no digits: 0
	return version
}

func takesSystemTurns(m *models.Model) bool { return claudeVersion(m) >= 4.8 }

func s3Documents(v *conversation) *apiError {
	for at, b := range v.blocks {
		if dig(b, "document", "source", "s3Location") != nil { // m06
			return modelSays("%s: Field required", at.place().in("document", "source", "type"))
		}
	}
	return nil
}

// cachePointAfterText: a text document becomes plain text, which leaves the
// cache point without a block.
func cachePointAfterText(v *conversation) *apiError {
	for at, b := range v.blocks {
		if b["cachePoint"] == nil || at.block == 0 {
			continue
		}
		if before := object(dig(at.turn.content[at.block-1], "document")); before != nil && before["format"] != "pdf" { // m12
			return modelSays("%s: Field required", at.place().in("type"))
		}
	}
	return nil
}

func cachePointCount(v *conversation) *apiError {
	limit := 4
	if c := v.model.PromptCache; c != nil && c.MaxCheckpoints > 0 {
		limit = c.MaxCheckpoints
	}
	found := 0
	for range v.cachePoints {
		found++
	}
	if found > limit { // m13
		return modelSays("A maximum of %d blocks with cache_control may be provided. Found %d.", limit, found)
	}
	return nil
}

func cachePointOrder(v *conversation) *apiError {
	short := false
	for at, p := range v.cachePoints {
		if p["ttl"] != "1h" {
			short = true
			continue
		}
		if short {
			return modelSays("%s.cache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block. "+
				"Note that blocks are processed in the following order: `tools`, `system`, `messages`.", at)
		}
	}
	return nil
}

// knownFields: Claude refuses what it does not know in
// additionalModelRequestFields.
// https://docs.claude.com/en/api/messages
func knownFields(v *conversation) *apiError {
	for _, name := range slices.Sorted(maps.Keys(object(v.body["additionalModelRequestFields"]))) {
		switch name {
		case "thinking", "reasoning_config", "reasoningConfig", "top_k", "anthropic_beta", "anthropic_version", "output_config",
			"output_format", "tool_choice", "tools", "context_management", "metadata", "cache_control", "container",
			"mcp_servers", "system", "stop_sequences", "temperature", "top_p", "max_tokens", "speed", "service_tier":
		default:
			return modelSays("%s: Extra inputs are not permitted", name)
		}
	}
	return nil
}

// thinking is the request's wish to reason: under its own name or under
// reasoning_config, which Claude takes as well (observed).
func (v *conversation) thinking() map[string]any {
	extra := object(v.body["additionalModelRequestFields"])
	if t := object(extra["thinking"]); t != nil {
		return t
	}
	return object(extra["reasoning_config"])
}

// thinks says whether reasoning is on for this request.
func (v *conversation) thinks() bool {
	kind := v.thinking()["type"]
	return kind == "enabled" || kind == "adaptive"
}

func thinkingKind(v *conversation) *apiError {
	if v.thinking() == nil {
		return nil
	}
	kind, way := text(v.thinking()["type"]), v.traits().Thinking
	switch {
	case way == models.ThinkingNone && kind != "disabled":
		return modelSays("thinking: Extra inputs are not permitted")
	case way == models.ThinkingAdaptive && kind == "enabled": // m16
		return modelSays(`"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive" and "output_config.effort" to control thinking behavior.`)
	case kind == "disabled" && v.traits().ThinkingOff == models.No:
		return modelSays(`"thinking.type.disabled" is not supported for this model.`)
	case kind == "enabled", kind == "disabled", kind == "adaptive" && way != models.ThinkingBudget:
		return nil
	case way == models.ThinkingBudget: // m17
		return modelSays("thinking: Input tag '%s' found using 'type' does not match any of the expected tags: 'disabled', 'enabled'", kind)
	default:
		return modelSays("thinking: Input tag '%s' found using 'type' does not match any of the expected tags: 'adaptive', 'disabled', 'enabled'", kind)
	}
}

func thinkingBudget(v *conversation) *apiError {
	if v.thinking()["type"] != "enabled" {
		return nil
	}
	budget, limit := v.thinking()["budget_tokens"], number(dig(v.body, "inferenceConfig", "maxTokens"))
	switch {
	case budget == nil:
		return modelSays("thinking.enabled.budget_tokens: Field required")
	case number(budget) < 1024: // m18
		return modelSays("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
	case limit > 0 && number(budget) >= limit:
		return modelSays("`max_tokens` must be greater than `thinking.budget_tokens`.")
	}
	return nil
}

func thinkingSampling(v *conversation) *apiError {
	if !v.thinks() || v.traits().Sampling == models.SamplingNone {
		return nil
	}
	topP, temperature := dig(v.body, "inferenceConfig", "topP"), dig(v.body, "inferenceConfig", "temperature")
	switch {
	case topP != nil && claudeVersion(v.model) < 4: // m20
		return modelSays("top_p must be unset when thinking is enabled.")
	case topP != nil && number(topP) < 0.95:
		return modelSays("`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled.")
	case temperature != nil && number(temperature) != 1: // m21
		return modelSays("`temperature` may only be set to 1 when thinking is enabled.")
	case dig(v.body, "additionalModelRequestFields", "top_k") != nil:
		return modelSays("`top_k` must be unset when thinking is enabled.")
	}
	return nil
}

func thinkingTools(v *conversation) *apiError {
	choice := object(dig(v.body, "toolConfig", "toolChoice"))
	if v.thinks() && (choice["any"] != nil || choice["tool"] != nil) { // m19
		return modelSays("Thinking may not be enabled when tool_choice forces tool use.")
	}
	return nil
}

// thinkingReplay: the assistant turn whose tools are being answered starts with
// its reasoning. A loop of calls is one turn, and a model that does not think
// between them has thought at its beginning. Without thinking it holds none.
func thinkingReplay(v *conversation) *apiError {
	on := goingOn(v.turns)
	starts := func(t turn) bool { return dig(t.content[0], "reasoningContent") != nil }
	if len(on) == 0 {
		return nil
	}
	last := on[len(on)-1]
	switch kind, way := v.thinking()["type"], v.traits().Thinking; {
	case kind == "enabled" && !slices.ContainsFunc(on, starts): // m22
		return modelSays("messages.%d.content.0.type: Expected `thinking` or `redacted_thinking`, but found `%s`. "+
			"When `thinking` is enabled, a final `assistant` message must start with a thinking block.", last.index, nativeType(last.content[0]))
	case (way == models.ThinkingBudget || way == models.ThinkingEither) && !v.thinks() && starts(last):
		return modelSays("messages.%d.content.0: When thinking is disabled, an `assistant` message in the final position cannot contain `thinking`. "+
			"To use thinking blocks, enable `thinking` in your request.", last.index)
	}
	return nil
}

// goingOn lists the messages of the assistant's turn whose tools are being answered.
func goingOn(turns []turn) (on []turn) {
	for i := len(turns) - 1; i > 0 && turns[i-1].role == "assistant" && len(toolCalls(turns[i-1])) > 0; i -= 2 {
		on = append(on, turns[i-1])
	}
	slices.Reverse(on)
	return on
}

// thinkingSignatures: with thinking on, every replayed thought carries the
// signature it came with, over the text it came with. What is redacted is looked
// into only where a tool call hangs on it.
func thinkingSignatures(v *conversation) *apiError {
	if !v.thinks() {
		return nil // the blocks are left out of the prompt
	}
	for at, b := range v.blocks {
		thought := object(b["reasoningContent"])
		if thought == nil || at.turn.role != "assistant" {
			continue
		}
		said := object(thought["reasoningText"])
		signature, signed := said["signature"].(string)
		sealed, redacted := thought["redactedContent"].(string)
		switch {
		case said != nil && !signed:
			return modelSays("%s: Field required", at.place().in("thinking", "signature"))
		case said != nil && !signedThought(text(said["text"]), signature):
			return modelSays("%s: Invalid `signature` in `thinking` block", at.place())
		case redacted && len(toolCalls(at.turn)) > 0 && !sealedThought(sealed):
			return modelSays("%s: Invalid `data` in `redacted_thinking` block", at.place())
		}
	}
	return nil
}

// nativeType is Anthropic's name of a content block.
func nativeType(block any) string {
	for ours, theirs := range map[string]string{"toolUse": "tool_use", "toolResult": "tool_result", "image": "image", "document": "document"} {
		if dig(block, ours) != nil {
			return theirs
		}
	}
	return "text"
}

func sampling(v *conversation) *apiError {
	topP, temperature := dig(v.body, "inferenceConfig", "topP"), dig(v.body, "inferenceConfig", "temperature")
	switch v.traits().Sampling {
	case models.SamplingOne:
		if topP != nil && temperature != nil { // m14
			return modelSays("`temperature` and `top_p` cannot both be specified for this model. Please use only one.")
		}
	case models.SamplingNone: // m15
		switch {
		case temperature != nil && number(temperature) != 1:
			return modelSays("`temperature` is deprecated for this model.")
		case topP != nil && number(topP) != 1:
			return modelSays("`top_p` is deprecated for this model.")
		case dig(v.body, "additionalModelRequestFields", "top_k") != nil:
			return modelSays("`top_k` is deprecated for this model.")
		}
	}
	return nil
}

func prefill(v *conversation) *apiError {
	all := merged(v.turns)
	if len(all) == 0 || all[len(all)-1].role != "assistant" || len(all[len(all)-1].content) == 0 {
		return nil
	}
	if v.traits().Prefill == models.No { // m23
		return modelSays("This model does not support assistant message prefill. The conversation must end with a user message.")
	}
	content := all[len(all)-1].content
	if words := text(dig(content[len(content)-1], "text")); words != strings.TrimRight(words, " \t\r\n") {
		return modelSays("messages: final assistant content cannot end with trailing whitespace")
	}
	return nil
}

func toolNames(v *conversation) *apiError {
	names := map[string]bool{}
	for _, t := range array(dig(v.body, "toolConfig", "tools")) {
		name := text(dig(t, "toolSpec", "name"))
		if name != "" && names[name] {
			return modelSays("tools: Tool names must be unique.")
		}
		names[name] = true
	}
	if chosen := text(dig(v.body, "toolConfig", "toolChoice", "tool", "name")); chosen != "" && !names[chosen] {
		return modelSays("Tool '%s' not found in provided tools", chosen)
	}
	return nil
}

// outputSchema: every object of the schema has to be closed.
func outputSchema(v *conversation) *apiError {
	schema := text(dig(v.body, "outputConfig", "textFormat", "structure", "jsonSchema", "schema"))
	if schema == "" {
		return nil
	}
	var root any
	if json.Unmarshal([]byte(schema), &root) != nil || !closed(root) { // m24
		return modelSays("output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false")
	}
	return nil
}

// closed looks through all of a schema for objects that admit further members.
func closed(schema any) bool {
	switch s := schema.(type) {
	case []any:
		for _, item := range s {
			if !closed(item) {
				return false
			}
		}
	case map[string]any:
		if s["type"] == "object" && s["additionalProperties"] != false {
			return false
		}
		for name, item := range s {
			if name != "enum" && name != "const" && name != "default" && !closed(item) {
				return false
			}
		}
	}
	return true
}
