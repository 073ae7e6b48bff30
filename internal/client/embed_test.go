package client_test

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"testing"

	"outcrop/internal/client"
	"outcrop/internal/llm"
	"outcrop/internal/openai"
)

func TestEmbedOverOurOwnWire(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.EscapedPath() != "/openai/deployments/a%2Fb%20c/embeddings" || r.Header.Get("Api-Key") != "k-1" {
			t.Errorf("got %s with key %q", r.URL.EscapedPath(), r.Header.Get("Api-Key"))
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		req, shape, err := openai.DecodeEmbeddings(body)
		if err != nil || !shape.Base64 || req.Dimensions != 2 || len(req.Inputs) != 2 {
			t.Errorf("%v: %s", err, body)
		}
		out := &llm.Embeddings{Vectors: [][]float32{{1, 2}, {3, 0.5}}, Usage: llm.Usage{Input: 9}}
		if err := openai.WriteEmbeddings(w, out, openai.EmbedEnvelope{Model: "m", Base64: shape.Base64}); err != nil {
			t.Error(err)
		}
	})
	list, err := c.Embed(t.Context(), &openai.EmbeddingRequest{Model: "a/b c", Input: []string{"x", "y"}, Dimensions: 2, EncodingFormat: "base64"})
	if err != nil || list.Model != "m" || list.Usage.TotalTokens != 9 || len(list.Data) != 2 {
		t.Fatalf("got %+v, %v", list, err)
	}
	if vector, err := list.Data[1].Vector(); err != nil || !slices.Equal(vector, []float32{3, 0.5}) {
		t.Errorf("got %v, %v", vector, err)
	}
}

func TestEmbedFails(t *testing.T) {
	for text, fn := range map[string]http.HandlerFunc{
		"refused": func(w http.ResponseWriter, _ *http.Request) {
			openai.WriteError(w, llm.Invalid("input", "No."))
		},
		"cut": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"data":[`) },
	} {
		_, err := serve(t, fn).Embed(t.Context(), &openai.EmbeddingRequest{Model: "m", Input: []string{"x"}})
		if e, ok := errors.AsType[*client.Error](err); err == nil || ok != (text == "refused") || ok && e.Param != "input" {
			t.Errorf("%s: got %v", text, err)
		}
	}
}

func TestAVectorThatIsNone(t *testing.T) {
	for _, text := range []string{`"AAA"`, `"AAAA"`, `"?"`, `[1,"a"]`, `{}`, `7`} {
		item := openai.EmbeddingItem{Embedding: []byte(text)}
		if vector, err := item.Vector(); err == nil {
			t.Errorf("%s: got %v", text, vector)
		}
	}
}
