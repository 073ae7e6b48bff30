package sandbox

import (
	"crypto/sha256"
	"encoding/binary"
	"iter"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
)

// embed answers the embedding models. What they are asked has passed embedRules.
// https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html
// https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html
// https://docs.aws.amazon.com/nova/latest/userguide/embeddings-schema.html
// https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-marengo-3.html
func embed(e *exchange) {
	body, model := e.call.Body, e.call.Model
	tokens := countTokens(body)
	var out map[string]any
	switch {
	case strings.HasPrefix(model.Base, "amazon.titan-embed-image"):
		size := orSize(dig(body, "embeddingConfig", "outputEmbeddingLength"), model.VectorSize)
		tokens = textTokens(text(body["inputText"]))
		out = map[string]any{"embedding": vectorOf(meaning(body["inputText"], body["inputImage"]), size), "inputTextTokenCount": tokens, "message": nil}
	case strings.HasPrefix(model.Base, "amazon.titan-embed-text-v2"):
		vector := vectorOf(text(body["inputText"]), orSize(body["dimensions"], model.VectorSize))
		out = map[string]any{"embedding": vector, "embeddingsByType": titanTypes(body, vector), "inputTextTokenCount": tokens}
	case strings.HasPrefix(model.Base, "amazon.titan-embed-"):
		out = map[string]any{"embedding": vectorOf(text(body["inputText"]), orSize(nil, model.VectorSize)), "inputTextTokenCount": tokens}
	case strings.HasPrefix(model.Base, "cohere.embed-"):
		out = cohereReply(e.call)
	case strings.HasPrefix(model.Base, "amazon.nova-"):
		out = novaEmbedding(e.call)
	case strings.HasPrefix(model.Base, "twelvelabs.marengo-embed"):
		out, tokens = marengoReply(e.call), -1
	default:
		writeError(e.w, invalid("The sandbox does not know the body of %s.", e.call.ModelID))
		return
	}
	e.latency(tokens)
	e.reply(out, 0)
}

// latency writes the headers of a reply that has input alone; without tokens the
// model does not count (bedrock-api.md §3.2).
func (e *exchange) latency(tokens int) {
	h := e.w.Header()
	h.Set("X-Amzn-Bedrock-Invocation-Latency", strconv.Itoa(20+max(tokens, 0)/10))
	if tokens >= 0 {
		h.Set("X-Amzn-Bedrock-Input-Token-Count", strconv.Itoa(tokens))
	}
}

// meaning is what a vector is made of: the words of texts, and each file as one
// word that no other file has.
func meaning(words any, files ...any) string {
	out := text(words)
	for _, f := range files {
		if f != nil {
			sum := sha256.Sum256(encode(f))
			out += " file" + strconv.FormatUint(binary.BigEndian.Uint64(sum[:]), 36)
		}
	}
	return out
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

// cohereReply embeds a list. English v3 gives the texts back in lower case
// (observed), and v4 always sorts the vectors by type.
func cohereReply(c *call) map[string]any {
	size := orSize(c.Body["output_dimension"], c.Model.VectorSize)
	out := map[string]any{"id": newRequestID(), "response_type": "embeddings_floats"}
	var vectors [][]float32
	var texts []any
	for _, t := range array(c.Body["texts"]) {
		vectors = append(vectors, vectorOf(text(t), size))
		if strings.HasPrefix(c.Model.Base, "cohere.embed-english-v3") {
			t = strings.ToLower(text(t))
		}
		texts = append(texts, t)
	}
	if texts != nil {
		out["texts"] = texts
	}
	for _, image := range array(c.Body["images"]) {
		vectors = append(vectors, vectorOf(meaning(nil, image), size))
	}
	for _, input := range array(c.Body["inputs"]) {
		said := ""
		for _, part := range array(dig(input, "content")) {
			said += " " + meaning(dig(part, "text"), dig(part, "image_url"))
		}
		vectors = append(vectors, vectorOf(said, size))
	}
	out["embeddings"] = vectors
	if strings.HasPrefix(c.Model.Base, "cohere.embed-v4") || c.Body["embedding_types"] != nil {
		out["embeddings"], out["response_type"] = cohereTypes(c.Body, vectors), "embeddings_by_type"
	}
	return out
}

// cohereTypes holds the forms of the vectors that embedding_types asks for. Bits
// are packed, the first as the highest.
func cohereTypes(body map[string]any, vectors [][]float32) map[string]any {
	asked := array(body["embedding_types"])
	if asked == nil {
		asked = []any{"float"}
	}
	out := map[string]any{}
	for _, kind := range asked {
		switch {
		case kind == "float":
			out["float"] = vectors
			continue
		case out[text(kind)] != nil:
			continue
		}
		lists := make([][]int, len(vectors))
		for i, vector := range vectors {
			lists[i] = quantized(text(kind), vector)
		}
		out[text(kind)] = lists
	}
	return out
}

func quantized(kind string, vector []float32) []int {
	if strings.HasSuffix(kind, "binary") {
		out := make([]int, len(vector)/8)
		for i := range out {
			for _, x := range vector[8*i : 8*i+8] {
				out[i] *= 2
				if x > 0 {
					out[i]++
				}
			}
			if kind == "binary" {
				out[i] -= 128
			}
		}
		return out
	}
	out := make([]int, len(vector))
	for i, x := range vector {
		out[i] = int(max(-128, min(127, x*512)))
		if kind == "uint8" {
			out[i] += 128
		}
	}
	return out
}

func novaEmbedding(c *call) map[string]any {
	params := object(c.Body["singleEmbeddingParams"])
	kind := ""
	for _, name := range []string{"text", "image", "audio", "video"} {
		if params[name] != nil {
			kind = name
		}
	}
	said := meaning(dig(params, kind, "value"), dig(params, kind, "source"))
	label := map[string]string{"text": "TEXT", "image": "IMAGE", "audio": "AUDIO", "video": "AUDIO_VIDEO_COMBINED"}[kind]
	return map[string]any{"embeddings": []any{map[string]any{
		"embeddingType": label, "embedding": vectorOf(said, orSize(params["embeddingDimension"], c.Model.VectorSize)),
	}}}
}

func marengoReply(c *call) map[string]any {
	in := c.Body
	if nested := object(in[text(in["inputType"])]); nested != nil {
		in = nested
	}
	return map[string]any{"data": []any{map[string]any{"embedding": vectorOf(meaning(in["inputText"], in["mediaSource"]), orSize(nil, c.Model.VectorSize))}}}
}

// vectorOf is a vector of length 1 that depends on the words of a text: texts
// that share words lie near each other, and the same text has the same vector.
func vectorOf(s string, size int) []float32 {
	sum := make([]float64, size)
	for w, times := range weighed(s) {
		seed := sha256.Sum256([]byte(w))
		random := rand.New(rand.NewPCG(binary.BigEndian.Uint64(seed[:]), binary.BigEndian.Uint64(seed[8:])))
		for i := range sum {
			sum[i] += times * random.NormFloat64()
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

// mostWords bounds the different words of a text that count, since each costs as much as the vector is long.
const mostWords = 1000

// weighed yields the different words of a text in their order, each with how often it is there. Those behind
// the first mostWords make one together.
func weighed(s string) iter.Seq2[string, float64] {
	return func(yield func(string, float64) bool) {
		times := map[string]float64{}
		var order []string
		rest := sha256.New()
		more := false
		for w := range wordsOf(s) {
			if _, ok := times[w]; !ok {
				if len(order) == mostWords {
					rest.Write(append([]byte(w), ' '))
					more = true
					continue
				}
				order = append(order, w)
			}
			times[w]++
		}
		if more || len(order) == 0 {
			last := ""
			if more {
				last = string(rest.Sum(nil))
			}
			order, times[last] = append(order, last), 1
		}
		for _, w := range order {
			if !yield(w, times[w]) {
				return
			}
		}
	}
}

// wordsOf are the words of a text, without case and punctuation.
func wordsOf(s string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for w := range strings.FieldsSeq(strings.ToLower(s)) {
			if !yield(strings.Trim(w, ".,;:!?\"'()")) {
				return
			}
		}
	}
}
