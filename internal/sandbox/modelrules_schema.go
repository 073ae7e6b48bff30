package sandbox

import (
	"encoding/json"
	"slices"
	"strings"

	"outcrop/internal/models"
)

// What Claude refuses of a schema that it has to keep to, and of its own fields.
// https://docs.claude.com/en/docs/build-with-claude/structured-outputs#json-schema-limitations

// maxStrictTools is how many tools of one request may be strict.
const maxStrictTools = 20

// strictTools: a model without structured outputs has no strict tools; those of
// Claude keep to the same schemas.
func strictTools(v *conversation) *apiError {
	strict := 0
	for i, t := range array(dig(v.body, "toolConfig", "tools")) {
		if dig(t, "toolSpec", "strict") != true {
			continue
		}
		if v.model.StructuredOutputs == models.No {
			return unsupported("toolConfig.tools.toolSpec.strict")
		}
		strict++
		schema := dig(t, "toolSpec", "inputSchema", "json")
		if v.model.Provider != "anthropic" {
			continue
		}
		if !closed(schema) {
			return modelSays("%s: For 'object' type, 'additionalProperties' must be explicitly set to false", place{"tools", i, "custom", "input_schema"})
		}
		if found := refusedKeyword(schema); found != "" {
			return modelSays("%s: %s", place{"tools", i, "custom", "input_schema"}, found)
		}
	}
	if strict > maxStrictTools && v.model.Provider == "anthropic" {
		return modelSays("Too many strict tools (%d). The maximum number of strict tools supported is %d.", strict, maxStrictTools)
	}
	return nil
}

// schemaKeywords: the output schema holds nothing that a grammar cannot keep.
func schemaKeywords(v *conversation) *apiError {
	schema := text(dig(v.body, "outputConfig", "textFormat", "structure", "jsonSchema", "schema"))
	if found := refusedKeyword(decodeObject([]byte(schema))); found != "" { // freeFields has seen that it is an object
		return modelSays("output_config.format.schema: %s", found)
	}
	return nil
}

// refusedKeyword says what of a schema is not supported, "" for nothing. Numbers
// are json.Number or float64, by how the schema came.
func refusedKeyword(schema any) string {
	switch s := schema.(type) {
	case []any:
		for _, item := range s {
			if found := refusedKeyword(item); found != "" {
				return found
			}
		}
	case map[string]any:
		if found := refusedMember(s); found != "" {
			return found
		}
		for name, item := range s {
			if name == "enum" || name == "const" || name == "default" || name == "examples" {
				continue
			}
			if name == "properties" || name == "$defs" || name == "definitions" { // their members are names
				for _, p := range object(item) {
					if found := refusedKeyword(p); found != "" {
						return found
					}
				}
				continue
			}
			if found := refusedKeyword(item); found != "" {
				return found
			}
		}
	}
	return ""
}

func refusedMember(s map[string]any) string {
	for _, name := range []string{"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"} {
		if s[name] != nil {
			return "For '" + orElse(text(s["type"]), "number") + "' type, property '" + name + "' is not supported"
		}
	}
	if s["maxItems"] != nil {
		return "For 'array' type, property 'maxItems' is not supported"
	}
	if n := s["minItems"]; n != nil && n != float64(0) && n != float64(1) && n != json.Number("0") && n != json.Number("1") {
		return "For 'array' type, 'minItems' values other than 0 or 1 are not supported"
	}
	if ref := text(s["$ref"]); ref == "#" || ref != "" && !strings.HasPrefix(ref, "#/") {
		return "'$ref' " + ref + " is recursive or external, which is not supported"
	}
	return ""
}

// claudeEffort: Opus 4.5 and everything from 4.6 on, with xhigh from 4.7 on
// (bedrock-api.md §10.1).
func claudeEffort(v *conversation) *apiError {
	levels := []string{"low", "medium", "high", "xhigh", "max"}
	version := claudeVersion(v.model)
	takes := version == 0 || version >= 4.6 || strings.HasPrefix(v.model.Base, "anthropic.claude-opus-4-5")
	if version == 4.5 || version == 4.6 {
		levels = []string{"low", "medium", "high", "max"}
	}
	for _, path := range [][]string{{"additionalModelRequestFields", "output_config", "effort"}, {"outputConfig", "effort"}} {
		effort := dig(v.body, path...)
		switch {
		case effort == nil:
		case !takes:
			return modelSays("This model does not support the effort parameter.")
		case !slices.Contains(levels, text(effort)):
			return modelSays("output_config.effort: Input should be '%s'", strings.Join(levels, "', '"))
		}
	}
	return nil
}

// betas: an unknown one is refused, and so are those of features that Bedrock
// has in another way (bedrock-api.md §10.7).
func betas(v *conversation) *apiError {
	given := dig(v.body, "additionalModelRequestFields", "anthropic_beta")
	if given == nil {
		return nil
	}
	list, ok := given.([]any)
	if !ok {
		return modelSays("anthropic_beta: Input should be a valid list")
	}
	for _, b := range list {
		known := slices.ContainsFunc([]string{
			"interleaved-thinking-", "context-1m-", "fine-grained-tool-streaming-", "effort-", "token-efficient-tools-", "output-128k-",
			"computer-use-", "context-management-", "tool-search-tool-", "tool-examples-", "compact-", "thinking-binding-controls-", "dev-full-thinking-",
		}, func(prefix string) bool { return strings.HasPrefix(text(b), prefix) })
		if !known {
			return modelSays("invalid beta flag")
		}
	}
	return nil
}

// citedDocuments: all documents are cited or none, and never beside a schema.
func citedDocuments(v *conversation) *apiError {
	cited, plain := 0, 0
	for _, b := range v.blocks {
		for _, d := range documentsOf(b) {
			if dig(d, "citations", "enabled") == true {
				cited++
			} else {
				plain++
			}
		}
	}
	switch {
	case cited > 0 && plain > 0:
		return modelSays("Citations must be enabled on all or none of the documents within a request.")
	case cited > 0 && dig(v.body, "outputConfig", "textFormat") != nil:
		return modelSays("output_config.format: structured outputs cannot be used together with citations.")
	}
	return nil
}

// uniqueCalls: Claude knows a call by its id.
func uniqueCalls(v *conversation) *apiError {
	seen := map[string]bool{}
	for at, b := range v.blocks {
		id := text(dig(b, "toolUse", "toolUseId"))
		if id != "" && seen[id] { // Anthropic's text
			return modelSays("%s: `tool_use` ids must be unique", at.place())
		}
		seen[id] = true
	}
	return nil
}

// cacheTTL: an hour is for some models only.
func cacheTTL(v *conversation) *apiError {
	if v.model.PromptCache == nil || v.model.PromptCache.TTL1h {
		return nil
	}
	for at, p := range v.cachePoints {
		if p["ttl"] == "1h" {
			return modelSays("%s.cache_control.ttl: Extended TTL of '1h' is not supported on this model.", at)
		}
	}
	return nil
}
