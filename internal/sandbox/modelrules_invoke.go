package sandbox

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// invokeRules are what models say to their native bodies. Embedding models and
// Nova validate with a JSON schema, Claude with its own rules; other bodies pass.
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
	switch base := c.Model.Base; {
	case strings.HasPrefix(base, "cohere.embed-"):
		return cohereEmbed(c)
	case strings.HasPrefix(base, "amazon.titan-embed-text-v1"):
		return titanEmbed(c.Body, nativeSchema{required: []string{"inputText"}})
	case strings.HasPrefix(base, "amazon.titan-embed-text-v2"):
		return titanEmbed(c.Body, nativeSchema{required: []string{"inputText"}, optional: []string{"dimensions", "normalize", "embeddingTypes"},
			numbers: map[string][]int{"dimensions": c.Model.VectorSizes}})
	case strings.HasPrefix(base, "amazon.titan-embed-image"):
		return nativeSchema{optional: []string{"inputText", "inputImage", "embeddingConfig"}}.check(c.Body)
	case strings.HasPrefix(base, "amazon.nova-2-multimodal-embeddings"):
		return nativeSchema{required: []string{"taskType"}, optional: []string{"schemaVersion", "singleEmbeddingParams", "segmentedEmbeddingParams"},
			texts: map[string][]string{"taskType": {"SINGLE_EMBEDDING", "SEGMENTED_EMBEDDING"}}}.check(c.Body)
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

// cohereEmbed knows v3 and v4.
// https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html
func cohereEmbed(c *call) *apiError {
	schema := nativeSchema{
		required: []string{"texts", "input_type"},
		optional: []string{"truncate", "embedding_types", "images"},
		texts: map[string][]string{
			"input_type": {"search_document", "search_query", "classification", "clustering", "image"},
			"truncate":   {"NONE", "START", "END", "LEFT", "RIGHT"},
		},
	}
	v4 := strings.HasPrefix(c.Model.Base, "cohere.embed-v4")
	if v4 {
		schema.optional = append(schema.optional, "inputs", "output_dimension", "max_tokens")
		schema.numbers = map[string][]int{"output_dimension": c.Model.VectorSizes}
	}
	if c.Body["images"] != nil || v4 && c.Body["inputs"] != nil {
		schema.required = []string{"input_type"}
		schema.optional = append(schema.optional, "texts")
	}
	found := schema.findings(c.Body)
	texts := array(c.Body["texts"])
	if limit := c.Model.MaxTexts; limit > 0 && len(texts) > limit {
		found = append(found, fmt.Sprintf("#/texts: expected maximum item count: %d, found: %d", limit, len(texts)))
	}
	for i, t := range texts {
		n, limit := utf8.RuneCountInString(text(t)), c.Model.MaxCharsPerText
		if limit > 0 && n > limit && len(found) <= maxViolations { // i02
			found = append(found, fmt.Sprintf("#/texts/%d: expected maxLength: %d, actual: %d", i, limit, n))
		}
	}
	if len(found) > 0 {
		return invalid("%s", malformed(found...))
	}
	return nil
}

// Titan's limits on one text.
// https://docs.aws.amazon.com/bedrock/latest/userguide/titan-embedding-models.html
const (
	titanMaxChars  = 50_000
	titanMaxTokens = 8_192
)

func titanEmbed(body map[string]any, schema nativeSchema) *apiError {
	if err := schema.check(body); err != nil {
		return err
	}
	if n := utf8.RuneCountInString(text(body["inputText"])); n > titanMaxChars { // i03
		return invalid("%s", malformed(fmt.Sprintf("expected maxLength: %d, actual: %d", titanMaxChars, n)))
	}
	if n := countTokens(body); n > titanMaxTokens { // i04
		return invalid("400 Bad Request: Too many input tokens. Max input tokens: %d, request input token count: %d", titanMaxTokens, n)
	}
	return nil
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
	return nil
}
