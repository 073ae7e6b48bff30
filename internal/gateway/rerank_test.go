package gateway_test

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"outcrop/internal/catalog"
	"outcrop/internal/fixturetest"
	"outcrop/internal/gateway"
	"outcrop/internal/llm"
)

// lengths is a model that thinks that the longest document is the best.
type lengths struct{}

func (lengths) Rerank(_ context.Context, req *llm.RerankRequest) (*llm.Reranking, error) {
	out := &llm.Reranking{Units: 1 + len(req.Documents)/100}
	for i, document := range req.Documents {
		out.Results = append(out.Results, llm.Ranked{Index: i, Score: float64(len(document)) / 10})
	}
	slices.SortStableFunc(out.Results, func(a, b llm.Ranked) int { return cmp.Compare(b.Score, a.Score) })
	if req.MaxTokensPerDoc > 0 {
		out.Ignored = []string{"max_tokens_per_doc"}
	}
	return out, nil
}

// rerankFunc is a function that is a model.
type rerankFunc func(ctx context.Context, req *llm.RerankRequest) (*llm.Reranking, error)

func (f rerankFunc) Rerank(ctx context.Context, req *llm.RerankRequest) (*llm.Reranking, error) {
	return f(ctx, req)
}

func postAs(t *testing.T, h http.Handler, path, body string) string {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://gateway"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer k") // as Cohere's clients do
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Request-Id", "req-1")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if !json.Valid(w.Body.Bytes()) {
		t.Errorf("not JSON: %s", w.Body)
	}
	return fixturetest.FormatReply(w)
}

func TestRerank(t *testing.T) {
	h := gatewayOf(t, &catalog.Deployment{Name: "m", Rerank: lengths{}}, nil)
	tests := []struct{ name, path, body, want string }{
		{"v2", "/v2/rerank", `{"model":"m","query":"q","documents":["a","ccc","bb"],"top_n":2,"max_tokens_per_doc":5,"priority":1}`, `200
Content-Type: application/json
X-Outcrop-Ignored: priority, max_tokens_per_doc
X-Request-Id: req-1

{
  "id": "req-1",
  "results": [
    {
      "index": 1,
      "relevance_score": 0.3
    },
    {
      "index": 2,
      "relevance_score": 0.2
    }
  ],
  "meta": {
    "api_version": {
      "version": "2"
    },
    "billed_units": {
      "search_units": 1
    }
  }
}

`},
		{"v1", "/v1/rerank", `{"model":"m","query":"q","documents":[{"text":"a"}],"return_documents":true}`, `200
Content-Type: application/json
X-Request-Id: req-1

{
  "id": "req-1",
  "results": [
    {
      "index": 0,
      "relevance_score": 0.1,
      "document": {
        "text": "a"
      }
    }
  ],
  "meta": {
    "api_version": {
      "version": "1"
    },
    "billed_units": {
      "search_units": 1
    }
  }
}

`},
		{"an unknown deployment", "/v2/rerank", `{"model":"x","query":"q","documents":["a"]}`, `404
Content-Type: application/json
X-Request-Id: req-1

{
  "message": "There is no deployment named \"x\". GET /openai/models lists those you may use."
}

`},
		{"no deployment", "/v2/rerank", `{"query":"q","documents":["a"]}`, `400
Content-Type: application/json
X-Request-Id: req-1

{
  "message": "model must name a deployment. GET /openai/models lists those you may use."
}

`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := postAs(t, h, tt.path, tt.body); got != tt.want {
				t.Errorf("got %s", got)
			}
		})
	}
}

func TestRerankErrorsAreCoheres(t *testing.T) {
	ranked := func(results ...llm.Ranked) rerankFunc {
		return func(context.Context, *llm.RerankRequest) (*llm.Reranking, error) {
			return &llm.Reranking{Results: results}, nil
		}
	}
	failing := func(err error) rerankFunc {
		return func(context.Context, *llm.RerankRequest) (*llm.Reranking, error) { return nil, err }
	}
	const notThese = "502\nContent-Type: application/json\nX-Request-Id: req-1\n\n{\n  \"message\": \"The model's ranking is not one of the documents that it was given.\"\n}"
	tests := map[string]struct {
		model rerankFunc
		want  string
	}{
		"a rate limit": {
			failing(&llm.Error{Kind: llm.KindRateLimited, Message: "Slow down.", RetryAfter: 2 * time.Second}),
			"429\nContent-Type: application/json\nRetry-After: 2\nX-Request-Id: req-1\n\n{\n  \"message\": \"Slow down.\"\n}",
		},
		"a field": {
			failing(llm.Invalid("documents[1]", "Too long.")),
			"400\nContent-Type: application/json\nX-Request-Id: req-1\n\n{\n  \"message\": \"documents[1]: Too long.\"\n}",
		},
		"a document that is not there": {ranked(llm.Ranked{Index: 2}), notThese},
		"a document before the first":  {ranked(llm.Ranked{Index: -1}), notThese},
		"a document twice":             {ranked(llm.Ranked{Index: 1}, llm.Ranked{Index: 1}), notThese},
		"a score that is no number":    {ranked(llm.Ranked{Score: math.NaN()}), notThese},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := gatewayOf(t, &catalog.Deployment{Name: "m", Rerank: tt.model}, nil)
			if got := postAs(t, h, "/v2/rerank", `{"model":"m","query":"q","documents":["a","b"]}`); strings.TrimSpace(got) != tt.want {
				t.Errorf("got %s", got)
			}
		})
	}
}

func TestRerankHasATotalTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := rerankFunc(func(ctx context.Context, _ *llm.RerankRequest) (*llm.Reranking, error) {
			<-ctx.Done()
			return nil, &llm.Error{Kind: llm.KindCanceled, Message: "The client closed the request.", Err: ctx.Err()}
		})
		d := &catalog.Deployment{Name: "m", Rerank: slow, Timeouts: catalog.Timeouts{Total: time.Minute}}
		got := postAs(t, gatewayOf(t, d, nil), "/v2/rerank", `{"model":"m","query":"q","documents":["a"]}`)
		if !strings.HasPrefix(got, "504\n") || !strings.Contains(got, "the deployment's total timeout") {
			t.Errorf("got %s", got)
		}
	})
}

func TestRerankWithoutAKey(t *testing.T) {
	visible, err := catalog.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	h := newHandler(t, gateway.Options{Auth: keyed(t), Deployments: gateway.Fixed(visible), Log: slog.New(slog.DiscardHandler)})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://gateway/v2/rerank", strings.NewReader("{}")))
	var reply map[string]string
	if err := json.Unmarshal(w.Body.Bytes(), &reply); err != nil || w.Code != http.StatusUnauthorized || len(reply) != 1 || reply["message"] == "" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
