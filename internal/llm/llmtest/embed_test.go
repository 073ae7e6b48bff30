package llmtest_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"outcrop/internal/llm"
	"outcrop/internal/llm/llmtest"
)

func TestHash(t *testing.T) {
	llmtest.TestEmbedModel(t, llmtest.EmbedSubject{New: func(*testing.T) llmtest.EmbedInstance {
		return llmtest.EmbedInstance{
			Model: llmtest.Hash{},
			Bad: func(index int) *llm.EmbedRequest {
				req := embedTexts("a", "b", "c")
				req.Inputs[index].Parts = []llm.Part{llm.Text{}}
				return req
			},
			Open: func() int { return 0 },
		}
	}})
}

func embedTexts(texts ...string) *llm.EmbedRequest {
	req := &llm.EmbedRequest{}
	for i, text := range texts {
		req.Inputs = append(req.Inputs, llm.EmbedInput{Parts: []llm.Part{llm.Text{Text: text}}, At: "input[" + string(rune('0'+i)) + "]"})
	}
	return req
}

// flaky is Hash, but for what its inputs ask it to do.
type flaky struct{ open, calls atomic.Int64 }

func (f *flaky) Embed(ctx context.Context, req *llm.EmbedRequest) (*llm.Embeddings, error) {
	if len(req.Inputs) == 0 || ctx.Err() != nil {
		return llmtest.Hash{}.Embed(ctx, req)
	}
	f.open.Add(1)
	f.calls.Add(1)
	defer f.open.Add(-1)
	switch fault := llmtest.Fault(req.Inputs[0].Parts[0].(llm.Text).Text); fault {
	case llmtest.SlowStart:
		select {
		case <-time.After(time.Minute):
		case <-ctx.Done():
		}
	case llmtest.Refused, llmtest.Throttled, llmtest.CutInside, llmtest.NoOutput:
		return nil, &llm.Error{Kind: llm.KindUpstream, Message: "It broke."}
	}
	return llmtest.Hash{}.Embed(ctx, req)
}

func TestFlaky(t *testing.T) {
	llmtest.TestEmbedModel(t, llmtest.EmbedSubject{Most: 20, New: func(*testing.T) llmtest.EmbedInstance {
		model := &flaky{}
		return llmtest.EmbedInstance{
			Model: model,
			Fail:  func(f llmtest.Fault) *llm.EmbedRequest { return embedTexts(string(f), "b") },
			Open:  func() int { return int(model.open.Load()) },
			Calls: func() int { return int(model.calls.Load()) },
		}
	}})
}

func TestHashIsAsLongAsAsked(t *testing.T) {
	req := embedTexts("a", "b")
	req.Dimensions = 3
	req.Inputs[1].Parts = []llm.Part{llm.Blob{Base64: "AAAA"}}
	out, err := llmtest.Hash{}.Embed(t.Context(), req)
	if err != nil || len(out.Vectors[0]) != 3 || out.Usage != (llm.Usage{Input: 1, Images: 1}) {
		t.Errorf("got %+v, %v", out, err)
	}
}
