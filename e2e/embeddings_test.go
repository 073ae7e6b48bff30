//go:build e2e

package e2e

import (
	"path/filepath"
	"testing"
)

// serveVectors starts outcrop serve with models that make vectors, rank, draw and chat.
func serveVectors(t *testing.T) (env []string) {
	t.Helper()
	s := serveConfig(t, map[string]deployment{
		"titan":         bedrockModel("embedding", "amazon.titan-embed-text-v2:0"),
		"titan-1":       bedrockModel("embedding", "amazon.titan-embed-text-v1"),
		"cohere":        bedrockModel("embedding", "cohere.embed-multilingual-v3"),
		"cohere-4":      bedrockModel("embedding", "us.cohere.embed-v4:0"),
		"nova":          bedrockModel("embedding", "amazon.nova-2-multimodal-embeddings-v1:0"),
		"rerank":        bedrockModel("rerank", "cohere.rerank-v3-5:0"),
		"rerank-amazon": bedrockModel("rerank", "amazon.rerank-v1:0"),
		"core":          bedrockModel("chat", "stability.stable-image-core-v1:1"),
		"inpaint":       bedrockModel("chat", "us.stability.stable-image-inpaint-v1:0"),
		"chat":          bedrockModel("chat", "us.amazon.nova-2-lite-v1:0"),
	})
	return []string{"OUTCROP_URL=" + s.url, "OUTCROP_KEY=" + testKey}
}

// OpenAI's SDKs for Python and Node, Azure's flavour and LangChain make vectors; Node draws, too.
func TestEmbeddings(t *testing.T) {
	env := serveVectors(t)
	t.Run("Python", func(t *testing.T) { pytest(t, "test_embeddings.py", env...) })
	t.Run("Node", func(t *testing.T) {
		stranger(t, nodePassed, env, "node", "--test", filepath.Join("node", "embeddings.test.js"))
	})
}
