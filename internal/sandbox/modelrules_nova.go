package sandbox

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"outcrop/internal/models"
)

func isNova(m *models.Model) bool { return strings.HasPrefix(m.Base, "amazon.nova-") }

// novaRules are refusals of Nova's JSON schema, which knows its body by
// JSON pointers.
func novaRules() []rule {
	return []rule{novaCachePoints, cachePointCount, cacheTTL, novaToolResults, novaFields, novaReasoning}
}

// malformed wraps the findings of a model's JSON schema.
func malformed(findings ...string) string {
	return "Malformed input request: " + strings.Join(findings, "") + ", please reformat your input and try again."
}

func extraneous(pointer, key string) string {
	return "#" + pointer + ": extraneous key [" + key + "] is not permitted"
}

func novaCachePoints(v *conversation) *apiError {
	for i, t := range array(dig(v.body, "toolConfig", "tools")) {
		if dig(t, "cachePoint") != nil { // m10
			return modelSays("%s", malformed(extraneous(pointer("toolConfig", "tools", i), "cachePoint")))
		}
	}
	for at, b := range v.blocks {
		if b["cachePoint"] != nil && at.block > 0 && dig(at.turn.content[at.block-1], "toolResult") != nil { // m11
			return modelSays("%s", malformed(extraneous(pointer("messages", at.turn.index, "content", at.block-1), "cachePoint")))
		}
	}
	return nil
}

// novaToolResults: inside a result Nova reads images and documents of text.
func novaToolResults(v *conversation) *apiError {
	plain := []string{"csv", "html", "txt", "md"}
	for at, b := range v.blocks {
		for _, part := range array(dig(b, "toolResult", "content")) {
			document := object(dig(part, "document"))
			if dig(part, "video") != nil || document != nil && !slices.Contains(plain, text(document["format"])) { // m09
				return modelSays("%s", malformed(extraneous(pointer("messages", at.turn.index, "content", at.block), "toolResult")))
			}
		}
	}
	return nil
}

// novaReasoning: at high effort the model sets its own limits
// (docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html). The
// words are the sandbox's.
func novaReasoning(v *conversation) *apiError {
	if text(dig(v.body, "additionalModelRequestFields", "reasoningConfig", "maxReasoningEffort")) != "high" {
		return nil
	}
	for _, name := range []string{"maxTokens", "temperature", "topP"} {
		if dig(v.body, "inferenceConfig", name) != nil {
			return modelSays("%s must be unset when maxReasoningEffort is high.", name)
		}
	}
	return nil
}

// novaFields: what Nova's body has beside Converse's members
// (docs.aws.amazon.com/nova/latest/userguide/complete-request-schema.html).
func novaFields(v *conversation) *apiError {
	extra := object(v.body["additionalModelRequestFields"])
	for _, name := range slices.Sorted(maps.Keys(extra)) {
		thinks := v.traits().Thinking == models.ThinkingNova
		if name != "inferenceConfig" && (name != "reasoningConfig" || !thinks) {
			return modelSays("%s", malformed(extraneous("", name)))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(object(extra["inferenceConfig"]))) {
		if name != "topK" {
			return modelSays("%s", malformed(extraneous("/inferenceConfig", name)))
		}
	}
	if k := dig(extra, "inferenceConfig", "topK"); k != nil && (number(k) < 1 || number(k) > 128) {
		return modelSays("%s", malformed(fmt.Sprintf("#/inferenceConfig/topK: %v is not between 1 and 128", k)))
	}
	config := object(extra["reasoningConfig"])
	kind, effort := dig(config, "type"), dig(config, "maxReasoningEffort")
	switch {
	case config == nil:
	case kind != "enabled" && kind != "disabled":
		return modelSays("%s", malformed("#/reasoningConfig/type: "+fmt.Sprint(kind)+" is not a valid enum value"))
	case effort != nil && !slices.Contains([]string{"low", "medium", "high"}, text(effort)):
		return modelSays("%s", malformed("#/reasoningConfig/maxReasoningEffort: "+fmt.Sprint(effort)+" is not a valid enum value"))
	}
	return nil
}

func pointer(steps ...any) string {
	return "/" + strings.ReplaceAll(place(steps).String(), ".", "/")
}
