package llmtest

import (
	"context"
	"hash/fnv"
	"math"
	"unicode/utf8"

	"outcrop/internal/llm"
)

// Hash is a model whose vectors are hashes of what they are of: 8 numbers, or as many as are asked for.
// A text is as many tokens as characters, and a file is an image.
type Hash struct{}

// hashSize is how long a vector is when nobody says.
const hashSize = 8

// Embed implements llm.EmbedModel. An empty text is refused, as Bedrock's models do.
func (Hash) Embed(ctx context.Context, req *llm.EmbedRequest) (*llm.Embeddings, error) {
	out := &llm.Embeddings{Model: "hash", Vectors: make([][]float32, len(req.Inputs))}
	for i, input := range req.Inputs {
		if err := ctx.Err(); err != nil {
			return nil, &llm.Error{Kind: llm.KindCanceled, Message: "The client closed the request.", Err: err}
		}
		sum := fnv.New64a()
		for _, part := range input.Parts {
			switch p := part.(type) {
			case llm.Text:
				if p.Text == "" {
					return nil, llm.Invalid(input.At, input.At+": is empty.")
				}
				out.Usage.Input += utf8.RuneCountInString(p.Text)
				sum.Write([]byte(p.Text))
			case llm.Blob:
				out.Usage.Images++
				sum.Write([]byte(p.Base64))
				sum.Write(p.Bytes)
			default:
				return nil, llm.Invalid(input.At, input.At+": neither a text nor a file.")
			}
		}
		out.Vectors[i] = spread(sum.Sum64(), req.Dimensions)
	}
	return out, nil
}

// spread is a seed as a vector of numbers from -1 to 1.
func spread(seed uint64, size int) []float32 {
	if size == 0 {
		size = hashSize
	}
	vector := make([]float32, size)
	for i := range vector {
		seed = seed*6364136223846793005 + 1442695040888963407 // Knuth's MMIX
		vector[i] = float32(int32(seed>>32)) / -math.MinInt32
	}
	return vector
}
