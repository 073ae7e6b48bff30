package bedrock

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"outcrop/internal/llm"
)

// TestWorkGrowsWithTheRequest: ten thousands of cache points, references and tools are prepared in a
// time that a quadratic step would exceed tenfold.
func TestWorkGrowsWithTheRequest(t *testing.T) {
	const n = 40_000
	points := make([]llm.Message, 0, n+2)
	for i := range n {
		points = append(points, llm.Message{Role: llm.RoleUser, Index: i, Parts: []llm.Part{llm.Text{Text: "x"}, llm.CachePoint{}}})
	}
	tools := make([]llm.Tool, n)
	for i := range tools {
		tools[i] = llm.Tool{Name: fmt.Sprint("f", i), Strict: true, Cache: &llm.CachePoint{}}
	}
	var properties, defs strings.Builder
	for i := range n {
		fmt.Fprintf(&properties, `,"p%d":{"$ref":"#/$defs/d%d"}`, i, i)
		fmt.Fprintf(&defs, `,"d%d":{"type":"string"}`, i)
	}
	refs := []byte(`{"type":"object","properties":{` + properties.String()[1:] + `},"$defs":{` + defs.String()[1:] + `}}`)
	for name, req := range map[string]llm.ChatRequest{
		"cache points": {Messages: points},
		"tools":        {Messages: ask("Hi"), Tools: tools},
		"references":   {Messages: ask("Hi"), Tools: []llm.Tool{{Name: "f", Schema: refs, Strict: true}}},
	} {
		for _, model := range []string{sonnet45, novaLite} {
			start := time.Now()
			if _, err := build(&req, modelTraits(t, model)); err != nil {
				t.Errorf("%s on %s: %v", name, model, err)
			}
			if took := time.Since(start); took > time.Minute {
				t.Errorf("%s on %s took %v", name, model, took)
			} else {
				t.Logf("%s on %s took %v", name, model, took)
			}
		}
	}
}
