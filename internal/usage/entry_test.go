package usage_test

import (
	"testing"

	"outcrop/internal/usage"
)

// TestOperationsHaveNames that differ: they are labels of metrics.
func TestOperationsHaveNames(t *testing.T) {
	seen := map[string]usage.Operation{}
	for o := range usage.Operations {
		if other, known := seen[o.String()]; known {
			t.Errorf("%d and %d are both %s", other, o, o)
		}
		seen[o.String()] = o
	}
	for _, o := range []usage.Operation{usage.Chat, usage.Embeddings, usage.Rerank, usage.ImageGeneration} {
		if !o.Generates() {
			t.Errorf("%s costs nothing", o)
		}
	}
	for _, o := range []usage.Operation{usage.Other, usage.CountTokens, usage.TruncatePrompt, usage.Route} {
		if o.Generates() {
			t.Errorf("%s costs tokens", o)
		}
	}
}
