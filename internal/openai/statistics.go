package openai

import (
	"strconv"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// ModelUsage is what one model cost of an answer.
type ModelUsage struct {
	Model string // the deployment's name
	Usage llm.Usage
	Cost  string // decimal USD, for a client that asks for it; "" is not told
}

// AppendUsagePerModel appends DIAL's statistics.usage_per_model, an array. DIAL's documentation has the tokens in
// an entry itself and its newer clients read them in its usage: here they are in both. Entries of a stream have
// their index, by which clients merge chunks.
func AppendUsagePerModel(dst []byte, lines []ModelUsage, stream bool) []byte {
	dst = append(dst, '[')
	for i, line := range lines {
		dst = append(comma(dst), '{')
		if stream {
			dst = append(strconv.AppendInt(append(dst, `"index":`...), int64(i), 10), ',')
		}
		dst = jsonscan.AppendString(append(dst, `"model":`...), line.Model)
		dst = append(dst, `,"prompt_tokens":`...)
		dst = strconv.AppendInt(dst, int64(line.Usage.Prompt()), 10)
		dst = append(dst, `,"completion_tokens":`...)
		dst = strconv.AppendInt(dst, int64(line.Usage.Output+line.Usage.Images), 10)
		dst = append(dst, `,"total_tokens":`...)
		dst = strconv.AppendInt(dst, int64(line.Usage.Total()+line.Usage.Images), 10)
		dst = appendUsage(append(dst, `,"usage":`...), line.Usage)
		if line.Cost != "" {
			dst = appendCost(append(dst, `,"cost":`...), line.Cost)
		}
		dst = append(dst, '}')
	}
	return append(dst, ']')
}
