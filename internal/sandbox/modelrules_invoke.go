package sandbox

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"outcrop/internal/models"
)

// invokeRules are what models say to their native bodies. Embedding and ranking
// models and Nova validate with a JSON schema, Claude with its own rules; other bodies pass.
func invokeRules(c *call) *apiError {
	if c.Body == nil {
		return invalid("Malformed input request, please reformat your input and try again.")
	}
	switch nativeFamily(c) {
	case familyClaude:
		return claudeNative(c)
	case familyNova:
		return novaNative(c)
	case familyPegasus:
		return pegasusNative(c)
	}
	if c.Model == nil {
		return nil
	}
	if s := stabilityOf(c); s != nil {
		return stabilityNative(c, s)
	}
	switch c.Model.Kind {
	case models.Embedding:
		return embedRules(c)
	case models.Rerank:
		return rerankRules(c)
	}
	return nil
}

// nativeSchema is what a model demands of the members of its body.
type nativeSchema struct {
	required, optional []string
	texts              map[string][]string // allowed values
	numbers            map[string][]int    // likewise
}

// check words findings as the service's JSON schema validator does (i01).
func (s nativeSchema) check(body map[string]any) *apiError {
	if found := s.findings(body); len(found) > 0 {
		return invalid("%s", malformed(found...))
	}
	return nil
}

func (s nativeSchema) findings(body map[string]any) []string {
	var found []string
	for _, name := range s.required {
		if body[name] == nil {
			found = append(found, "#: required key ["+name+"] not found")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(body)) {
		if !slices.Contains(s.required, name) && !slices.Contains(s.optional, name) {
			found = append(found, extraneous("", name))
		}
		value := body[name]
		if allowed := s.texts[name]; value != nil && allowed != nil && !slices.Contains(allowed, text(value)) {
			found = append(found, fmt.Sprintf("#/%s: %v is not a valid enum value", name, value))
		}
		if allowed := s.numbers[name]; value != nil && allowed != nil && !slices.Contains(allowed, int(number(value))) {
			found = append(found, fmt.Sprintf("#/%s: %v is not a valid enum value", name, value))
		}
		if len(found) > maxViolations {
			break
		}
	}
	return found
}

// countRules are those of CountTokens: the request inside is checked as if it
// were to be answered, but for its size.
func countRules(c *call) *apiError {
	input := object(c.Body["input"])
	if inner := object(input["converse"]); inner != nil {
		return newConversation(c, inner).check(false)
	}
	body := nativeBody(text(dig(input, "invokeModel", "body")))
	if body == nil {
		return invalid("Malformed input request, please reformat your input and try again.")
	}
	known := []string{"bash_20250124", "custom", "text_editor_20250124", "text_editor_20250429", "text_editor_20250728"}
	for i, t := range array(body["tools"]) {
		if kind := text(dig(t, "type")); kind != "" && !slices.Contains(known, kind) { // t03
			return invalid("tools.%d: Input tag '%s' found using 'type' does not match any of the expected tags: '%s'",
				i, kind, strings.Join(known, "', '"))
		}
	}
	if c.Model == nil || body["anthropic_version"] == nil {
		return nil
	}
	return countMembers(&call{Op: opInvoke, ModelID: c.ModelID, Model: c.Model, Body: body})
}
