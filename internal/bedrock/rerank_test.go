package bedrock

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/llm"
)

func TestRankings(t *testing.T) {
	const answer = `{"results":[{"index":1,"relevance_score":0.25},{"index":0,"relevance_score":0.9876543210987654}]}`
	tests := []struct {
		model   string
		req     llm.RerankRequest
		body    string
		units   int
		ignored []string
	}{
		{"cohere.rerank-v3-5:0", llm.RerankRequest{Query: "q \"x\"", Documents: []string{"a", "b"}, MaxTokensPerDoc: 100},
			`{"query":"q \"x\"","documents":["a","b"],"top_n":2,"api_version":2,"max_tokens_per_doc":100}`, 1, nil},
		{"amazon.rerank-v1:0", llm.RerankRequest{Query: "q", Documents: []string{"a", "b"}, TopN: 7, MaxTokensPerDoc: 100},
			`{"query":"q","documents":["a","b"],"top_n":2}`, 1, []string{"max_tokens_per_doc"}},
		{"arn:aws:bedrock:us-east-1::foundation-model/cohere.rerank-v3-5:0", llm.RerankRequest{Query: "q", Documents: slices.Repeat([]string{"a"}, 101), TopN: 2},
			`{"query":"q","documents":["a"` + strings.Repeat(`,"a"`, 100) + `],"top_n":2,"api_version":2}`, 2, nil},
	}
	for _, tt := range tests {
		m, p := planeOf(t, tt.model, ModelOptions{}, always(answer))
		got, err := m.Rerank(t.Context(), &tt.req)
		if err != nil {
			t.Errorf("%s: %v", tt.model, err)
			continue
		}
		want := &llm.Reranking{
			ID: "req-1", Model: tt.model, Results: []llm.Ranked{{Index: 0, Score: 0.9876543210987654}, {Index: 1, Score: 0.25}},
			Units: tt.units, Usage: llm.Usage{Input: 7}, Ignored: tt.ignored,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.model, diff)
		}
		if diff := cmp.Diff([]string{tt.body}, p.asked); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.model, diff)
		}
	}
}

func TestRankingsThatFail(t *testing.T) {
	fine := llm.RerankRequest{Query: "q", Documents: []string{"a", "b"}}
	tests := []struct {
		name, model, answer string
		status              int
		req                 llm.RerankRequest
		kind                llm.Kind
		param, text         string
	}{
		{"no query", "", "", 0, llm.RerankRequest{Documents: []string{"a"}}, llm.KindInvalid, "query", "empty"},
		{"no documents", "", "", 0, llm.RerankRequest{Query: "q"}, llm.KindInvalid, "documents", "no documents"},
		{"an empty one", "", "", 0, llm.RerankRequest{Query: "q", Documents: []string{"a", ""}}, llm.KindInvalid, "documents[1]", "empty"},
		{"too many", "", "", 0, llm.RerankRequest{Query: "q", Documents: slices.Repeat([]string{"a"}, 1001)}, llm.KindInvalid, "documents", "up to 1000"},
		{"too large", "", "", 0, llm.RerankRequest{Query: "q", Documents: []string{strings.Repeat("a", 25_000_000)}}, llm.KindInvalid, "documents", "up to 25 MB"},
		{"a model of vectors", titan1, "", 0, fine, llm.KindInvalid, "model", "/embeddings"},
		{"a chat model", novaLite, "", 0, fine, llm.KindInvalid, "model", "/chat/completions"},
		{"blames a document", "", `{"message":"Malformed input request: #/documents/1: expected minLength: 1, actual: 0"}`, 400, fine, llm.KindInvalid, "documents[1]", "Malformed"},
		{"blames top_n", "", `{"message":"Malformed input request: #/top_n: 0 is not greater"}`, 400, fine, llm.KindInvalid, "top_n", "Malformed"},
		{"nothing", "", `{}`, 200, fine, llm.KindUpstream, "", textIncomplete},
		{"cut", "", `{"results":[{"index":`, 200, fine, llm.KindUpstream, "", textIncomplete},
		{"of no document", "", `{"results":[{"index":2,"relevance_score":1}]}`, 200, fine, llm.KindUpstream, "", textUnreadable},
		{"twice the same", "", `{"results":[{"index":1,"relevance_score":1},{"index":1,"relevance_score":1}]}`, 200, fine, llm.KindUpstream, "", textUnreadable},
		{"without a score", "", `{"results":[{"index":1}]}`, 200, fine, llm.KindUpstream, "", textUnreadable},
		{"without an index", "", `{"results":[{"relevance_score":1}]}`, 200, fine, llm.KindUpstream, "", textUnreadable},
	}
	for _, tt := range tests {
		id := "cohere.rerank-v3-5:0"
		if tt.model != "" {
			id = tt.model
		}
		m, p := planeOf(t, id, ModelOptions{}, func(string) (int, string, string) {
			if tt.status == 400 {
				return 400, "ValidationException", tt.answer
			}
			return tt.status, "", tt.answer
		})
		_, err := m.Rerank(t.Context(), &tt.req)
		if e, ok := errors.AsType[*llm.Error](err); !ok || e.Kind != tt.kind || e.Param != tt.param || !strings.Contains(e.Message, tt.text) {
			t.Errorf("%s: got %v, want %s %q at %q", tt.name, err, tt.kind, tt.text, tt.param)
		}
		if tt.status == 0 && len(p.asked) > 0 {
			t.Errorf("%s: Bedrock was asked", tt.name)
		}
	}
}
