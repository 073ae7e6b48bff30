package bedrock_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"outcrop/internal/bedrock"
	"outcrop/internal/llm"
	"outcrop/internal/llm/llmtest"
	"outcrop/internal/memnet"
	"outcrop/internal/models"
)

// TestEmbedContract: every line of embedding models, over the sandbox.
func TestEmbedContract(t *testing.T) {
	for _, tt := range []struct {
		id   string
		most int // more than one call takes, or than are made at once
	}{
		{"amazon.titan-embed-text-v1", 5},
		{"amazon.titan-embed-text-v2:0", 20},
		{"amazon.titan-embed-image-v1", 5},
		{"cohere.embed-multilingual-v3", 100},
		{"us.cohere.embed-v4:0", 5},
		{"amazon.nova-2-multimodal-embeddings-v1:0", 5},
		{"twelvelabs.marengo-embed-2-7-v1:0", 5},
		{"twelvelabs.marengo-embed-3-0-v1:0", 5},
	} {
		t.Run(tt.id, func(t *testing.T) {
			llmtest.TestEmbedModel(t, llmtest.EmbedSubject{Most: tt.most, New: func(t *testing.T) llmtest.EmbedInstance {
				return embedInstance(t, tt.id)
			}})
		})
	}
}

func embedInstance(t *testing.T, id string) llmtest.EmbedInstance {
	client, transport := overSandbox(t)
	model, err := client.Model(id, bedrock.ModelOptions{})
	if err != nil {
		t.Fatal(err)
	}
	request := func(texts ...string) *llm.EmbedRequest {
		req := &llm.EmbedRequest{}
		for i, text := range texts {
			req.Inputs = append(req.Inputs, llm.EmbedInput{Parts: []llm.Part{llm.Text{Text: text}}, At: fmt.Sprintf("input[%d]", i)})
		}
		return req
	}
	return llmtest.EmbedInstance{
		Model: model,
		Fail: func(f llmtest.Fault) *llm.EmbedRequest {
			wish := faults[f]
			if strings.Contains(wish, "%d") {
				wish = fmt.Sprintf(wish, 1)
			}
			return request("one", "two [[sandbox "+wish+"]]", "three")
		},
		Bad: func(index int) *llm.EmbedRequest {
			texts := []string{"one", "two", "three"}
			texts[index] = ""
			return request(texts...)
		},
		Open:  func() int { return int(transport.open.Load()) },
		Calls: func() int { return int(transport.calls.Load()) },
	}
}

// stuck is a Bedrock whose third call is throttled, and which answers no other until its caller leaves.
type stuck struct{ calls, left atomic.Int64 }

func (s *stuck) RoundTrip(r *http.Request) (*http.Response, error) {
	if s.calls.Add(1) != 3 {
		<-r.Context().Done()
		s.left.Add(1)
		return nil, r.Context().Err()
	}
	return &http.Response{
		StatusCode: http.StatusTooManyRequests, Header: http.Header{"X-Amzn-Errortype": {"ThrottlingException"}},
		Body: io.NopCloser(strings.NewReader(`{"message":"Too many requests, please wait before trying again."}`)),
	}, nil
}

// TestOneThrottledCallOfManyEndsAll: the others are cancelled and have ended, and there is one error.
func TestOneThrottledCallOfManyEndsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		upstream := &stuck{}
		catalogue, err := models.Load()
		if err != nil {
			t.Fatal(err)
		}
		client, err := bedrock.New(bedrock.Options{
			Region: "us-east-1", Endpoint: "http://bedrock", Transport: upstream, Catalogue: catalogue,
			Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
		})
		if err != nil {
			t.Fatal(err)
		}
		model, err := client.Model("amazon.titan-embed-text-v2:0", bedrock.ModelOptions{})
		if err != nil {
			t.Fatal(err)
		}
		req := &llm.EmbedRequest{}
		for i := range 20 {
			req.Inputs = append(req.Inputs, llm.EmbedInput{Parts: []llm.Part{llm.Text{Text: "x"}}, At: fmt.Sprintf("input[%d]", i)})
		}
		out, err := model.Embed(t.Context(), req)
		e, ok := errors.AsType[*llm.Error](err)
		if out != nil || !ok || e.Kind != llm.KindRateLimited || e.RetryAfter == 0 || e.Param != "" {
			t.Errorf("got %v, %v", out, err)
		}
		if calls, left := upstream.calls.Load(), upstream.left.Load(); calls > 16 || left != calls-1 {
			t.Errorf("%d calls, of which %d were cancelled", calls, left)
		}
	})
}

// TestRankingOverTheSandbox: the sandbox, which reads AWS's pages for itself, takes what is written.
func TestRankingOverTheSandbox(t *testing.T) {
	for _, id := range []string{"cohere.rerank-v3-5:0", "amazon.rerank-v1:0"} {
		synctest.Test(t, func(t *testing.T) {
			client, transport := overSandbox(t)
			model, err := client.Model(id, bedrock.ModelOptions{})
			if err != nil {
				t.Fatal(err)
			}
			ask := func(query string) (*llm.Reranking, error) {
				return model.Rerank(t.Context(), &llm.RerankRequest{Query: query, TopN: 2, Documents: []string{
					"Berlin is in Germany.", "Paris is the capital of France.", "France has a capital.",
				}})
			}
			got, err := ask("capital of France")
			if err != nil || len(got.Results) != 2 || got.Results[0].Index != 1 || got.Results[1].Index != 2 || got.Units != 1 || got.Usage.Input == 0 {
				t.Errorf("%s: %+v, %v", id, got, err)
			}
			for wish, kind := range map[string]llm.Kind{
				"error=ThrottlingException": llm.KindRateLimited, "cut=1": llm.KindUpstream, "empty": llm.KindUpstream,
			} {
				if got, err := ask("capital [[sandbox " + wish + "]]"); got != nil || err == nil || llm.AsError(err).Kind != kind {
					t.Errorf("%s, %s: %v, %v", id, wish, got, err)
				}
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := model.Rerank(ctx, &llm.RerankRequest{Query: "x", Documents: []string{"x"}}); llm.AsError(err).Kind != llm.KindCanceled {
				t.Errorf("%s: %v after the client has gone", id, err)
			}
			synctest.Wait()
			if n := transport.open.Load(); n != 0 {
				t.Errorf("%s: %d answers are held", id, n)
			}
		})
	}
}

// fixedVectors answers InvokeModel with as many vectors as a body has texts.
func fixedVectors(size int) http.HandlerFunc {
	numbers := make([]float32, size)
	for i := range numbers {
		numbers[i] = float32(i%100)/3333 - 0.0123
	}
	vector, err := json.Marshal(numbers)
	if err != nil {
		panic(err) // the benchmark's own data
	}
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // of a memory
		w.Header().Set(bedrockTokens, "5")
		if !strings.HasPrefix(string(body), `{"texts":`) {
			_, _ = fmt.Fprintf(w, `{"embedding":%s,"inputTextTokenCount":5}`, vector)
			return
		}
		n := strings.Count(string(body), `lazy`)
		_, _ = fmt.Fprintf(w, `{"embeddings":[%s],"id":"x"}`, strings.TrimSuffix(strings.Repeat(string(vector)+",", n), ","))
	}
}

const bedrockTokens = "X-Amzn-Bedrock-Input-Token-Count"

// BenchmarkEmbed is a hundred texts of 200 characters to vectors of 1024 numbers, over HTTP in memory.
func BenchmarkEmbed(b *testing.B) {
	catalogue, err := models.Load()
	if err != nil {
		b.Fatal(err)
	}
	transport := memnet.Serve(b, fixedVectors(1024))
	transport.MaxIdleConnsPerHost = 64
	client, err := bedrock.New(bedrock.Options{
		Region: "us-east-1", Endpoint: "http://bedrock", Transport: transport, Catalogue: catalogue,
		Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
	})
	if err != nil {
		b.Fatal(err)
	}
	req := &llm.EmbedRequest{}
	for i := range 100 {
		text := fmt.Sprint(i, strings.Repeat(" The quick brown fox jumps over the dog.", 5), " lazy")
		req.Inputs = append(req.Inputs, llm.EmbedInput{Parts: []llm.Part{llm.Text{Text: text}}, At: "input"})
	}
	for name, id := range map[string]string{"titan": "amazon.titan-embed-text-v2:0", "cohere": "cohere.embed-english-v3"} {
		model, err := client.Model(id, bedrock.ModelOptions{})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				out, err := model.Embed(b.Context(), req)
				if err != nil || len(out.Vectors) != 100 || len(out.Vectors[99]) != 1024 {
					b.Fatal(err)
				}
			}
		})
	}
}
