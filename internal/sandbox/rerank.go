package sandbox

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// maxRankedDocuments is how many documents one call takes.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_Rerank.html
const maxRankedDocuments = 1000

// rerankRules holds the bodies of ranking models against their JSON schemas.
// Cohere's needs api_version; Amazon's has none (reported).
// https://docs.aws.amazon.com/bedrock/latest/userguide/rerank-supported.html
func rerankRules(c *call) *apiError {
	schema := nativeSchema{required: []string{"query", "documents"}, optional: []string{"top_n"}}
	if c.Model.Provider == "cohere" {
		schema.required = append(schema.required, "api_version")
		schema.optional = append(schema.optional, "max_tokens_per_doc", "return_documents")
		schema.numbers = map[string][]int{"api_version": {2}}
	}
	found := schema.findings(c.Body)
	if c.Body["query"] != nil {
		found = append(found, wantText("#/query", c.Body["query"])...)
	}
	documents, ok := c.Body["documents"].([]any)
	switch {
	case c.Body["documents"] == nil:
	case !ok:
		found = append(found, "#/documents: expected type: JSONArray, found: "+jsonType(c.Body["documents"]))
	case len(documents) == 0:
		found = append(found, "#/documents: expected minimum item count: 1, found: 0")
	case len(documents) > maxRankedDocuments:
		found = append(found, fmt.Sprintf("#/documents: expected maximum item count: %d, found: %d", maxRankedDocuments, len(documents)))
	}
	for i, d := range documents[:min(len(documents), maxRankedDocuments)] {
		found = append(found, wantText(fmt.Sprintf("#/documents/%d", i), d)...)
	}
	for _, name := range []string{"top_n", "max_tokens_per_doc"} {
		if n := c.Body[name]; n != nil && (number(n) < 1 || number(n) != math.Trunc(number(n))) {
			found = append(found, fmt.Sprintf("#/%s: %v is not greater or equal to 1", name, n))
		}
	}
	return refuseFindings(found)
}

// rerank scores a document by how many of the query's words it has, and among
// equals the shorter one higher.
func rerank(e *exchange) {
	documents := array(e.call.Body["documents"])
	type ranked struct {
		index int
		score float64
	}
	times := map[string]int{} // in the query
	asked := 0
	for w := range wordsOf(text(e.call.Body["query"])) {
		asked++
		if times[w] > 0 || len(times) < mostWords {
			times[w]++
		}
	}
	list := make([]ranked, len(documents))
	for i, d := range documents {
		hits, length := 0, 0
		found := map[string]bool{}
		for w := range wordsOf(text(d)) {
			length++
			if n := times[w]; n > 0 && !found[w] {
				found[w] = true
				hits += n
			}
		}
		share := float64(hits) / float64(max(asked, 1))
		list[i] = ranked{i, 0.9*share + 0.05/float64(1+length)}
	}
	slices.SortStableFunc(list, func(a, b ranked) int {
		switch {
		case a.score > b.score:
			return -1
		case a.score < b.score:
			return 1
		}
		return 0
	})
	if n := int(number(e.call.Body["top_n"])); n > 0 {
		list = list[:min(n, len(list))]
	}
	results := make([]any, len(list))
	for i, r := range list {
		results[i] = map[string]any{"index": r.index, "relevance_score": r.score}
	}
	out := map[string]any{"results": results}
	if strings.HasPrefix(e.call.Model.Base, "cohere.") {
		out["id"] = newRequestID()
		out["meta"] = map[string]any{"api_version": map[string]any{"version": "2"}}
	}
	e.latency(countTokens(e.call.Body))
	e.reply(out, 0)
}
