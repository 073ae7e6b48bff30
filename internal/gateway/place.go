package gateway

import (
	"strings"
	"sync"

	"outcrop/internal/anthropic"
	"outcrop/internal/openai"
)

// otherMembers are members of requests that the tables of the dialects do not have: of images, of reranking, of the
// operations that count, of a model's configuration, and the adapter's headers.
const otherMembers = `
	additionalModelRequestFields betas cache documents guardrailConfig guardrailIdentifier guardrailVersion height image images inputs
	inputSchema layout mask max_prompt_tokens max_tokens_per_doc mcp_servers negative_prompt num_tokens promptVariables quality query
	requestMetadata required return_documents properties serviceTier signature size streamProcessingMode style systemTools trace value
	version width from to group_by format background X-Upstream-Endpoint X-Upstream-Extra-Data X-Upstream-Key
`

// members are the names that a place of a request has in the log.
var members = sync.OnceValue(func() map[string]bool {
	known := map[string]bool{}
	for name := range strings.FieldsSeq(otherMembers) {
		known[name] = true
	}
	learn := func(path string) {
		for name := range strings.SplitSeq(path, ".") {
			known[strings.TrimRight(name, "[]")] = true
		}
	}
	for _, fields := range [][]openai.Field{openai.Fields(), openai.EmbeddingFields(), openai.ResponsesFields(), openai.CompletionFields()} {
		for _, f := range fields {
			learn(f.Path)
		}
	}
	for _, f := range anthropic.Fields() {
		learn(f.Path)
	}
	return known
})

// placeOf is a place in a request as the log has it: where a name stands that no API has, … stands for it, since it is
// the caller's own, as the properties of a schema are.
func placeOf(param string) string {
	parts := strings.Split(param, ".")
	for i, part := range parts {
		name, index, _ := strings.Cut(part, "[")
		if known := members()[name]; !known || strings.Trim(index, "0123456789[]") != "" {
			parts[i] = "…"
		}
	}
	return strings.Join(parts, ".")
}
