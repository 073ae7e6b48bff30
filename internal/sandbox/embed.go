package sandbox

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
)

// embed answers the embedding models that take text. The bodies:
// https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html
// https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html
func embed(e *exchange) {
	body, model := e.call.Body, e.call.Model
	tokens := countTokens(body)
	var out map[string]any
	switch {
	case strings.HasPrefix(model.Base, "amazon.titan-embed-text-v2"):
		vector := vectorOf(text(body["inputText"]), orSize(body["dimensions"], model.VectorSize))
		out = map[string]any{"embedding": vector, "embeddingsByType": titanTypes(body, vector), "inputTextTokenCount": tokens}
	case strings.HasPrefix(model.Base, "amazon.titan-embed-text"):
		out = map[string]any{"embedding": vectorOf(text(body["inputText"]), orSize(nil, model.VectorSize)), "inputTextTokenCount": tokens}
	case strings.HasPrefix(model.Base, "cohere.embed-") && body["images"] == nil && body["inputs"] == nil:
		out = cohereReply(e.call)
	case strings.HasPrefix(model.Base, "amazon.nova-2-multimodal-embeddings") && dig(body, "singleEmbeddingParams", "text") != nil:
		size := orSize(dig(body, "singleEmbeddingParams", "embeddingDimension"), model.VectorSize)
		vector := vectorOf(text(dig(body, "singleEmbeddingParams", "text", "value")), size)
		out = map[string]any{"embeddings": []any{map[string]any{"embeddingType": "TEXT", "embedding": vector}}}
	default:
		writeError(e.w, invalid("The sandbox embeds text only, with the models of Titan, Cohere and Nova."))
		return
	}
	h := e.w.Header()
	h.Set("X-Amzn-Bedrock-Invocation-Latency", strconv.Itoa(20+tokens/10))
	h.Set("X-Amzn-Bedrock-Input-Token-Count", strconv.Itoa(tokens))
	e.reply(out, 0)
}

// defaultVectorSize is for a model whose size the catalogue does not state.
const defaultVectorSize = 1024

func orSize(asked any, size int) int {
	switch n := int(number(asked)); {
	case n > 0:
		return min(n, 4096)
	case size > 0:
		return size
	}
	return defaultVectorSize
}

// titanTypes holds the forms of a vector that embeddingTypes asks for.
func titanTypes(body map[string]any, vector []float32) map[string]any {
	asked := array(body["embeddingTypes"])
	if asked == nil {
		asked = []any{"float"}
	}
	out := map[string]any{}
	for _, kind := range asked {
		switch kind {
		case "float":
			out["float"] = vector
		case "binary":
			bits := make([]int, len(vector))
			for i, x := range vector {
				if x > 0 {
					bits[i] = 1
				}
			}
			out["binary"] = bits
		}
	}
	return out
}

// cohereReply embeds a list of texts. English v3 gives them back in lower case
// (observed), and v4 always sorts the vectors by type.
func cohereReply(c *call) map[string]any {
	size := orSize(c.Body["output_dimension"], c.Model.VectorSize)
	var vectors, texts []any
	for _, t := range array(c.Body["texts"]) {
		vectors = append(vectors, vectorOf(text(t), size))
		if strings.HasPrefix(c.Model.Base, "cohere.embed-english-v3") {
			t = strings.ToLower(text(t))
		}
		texts = append(texts, t)
	}
	out := map[string]any{"id": newRequestID(), "response_type": "embeddings_floats", "texts": texts, "embeddings": vectors}
	if strings.HasPrefix(c.Model.Base, "cohere.embed-v4") || c.Body["embedding_types"] != nil {
		out["embeddings"], out["response_type"] = map[string]any{"float": vectors}, "embeddings_by_type"
	}
	return out
}

// vectorOf is a vector of length 1 that depends on the words of a text: texts
// that share words lie near each other, and the same text has the same vector.
func vectorOf(s string, size int) []float32 {
	sum := make([]float64, size)
	words := strings.Fields(strings.ToLower(s))
	if len(words) == 0 {
		words = []string{""}
	}
	for _, w := range words {
		seed := sha256.Sum256([]byte(strings.Trim(w, ".,;:!?\"'()")))
		random := rand.New(rand.NewPCG(binary.BigEndian.Uint64(seed[:]), binary.BigEndian.Uint64(seed[8:])))
		for i := range sum {
			sum[i] += random.NormFloat64()
		}
	}
	var square float64
	for _, x := range sum {
		square += x * x
	}
	out := make([]float32, size)
	for i, x := range sum {
		out[i] = float32(x / math.Sqrt(square))
	}
	return out
}
