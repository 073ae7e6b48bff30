//go:build e2e

package e2e

import (
	"path/filepath"
	"regexp"
	"testing"
)

var nodePassed = regexp.MustCompile(`(?m)^(#|ℹ) pass [1-9]`)

// OpenAI's SDK for Node and its Azure flavour.
func TestOpenAINode(t *testing.T) {
	env := []string{"OUTCROP_URL=" + serve(t).url, "OUTCROP_KEY=" + demoKey}
	stranger(t, nodePassed, env, "node", "--test", filepath.Join("node", "openai.test.js"))
}
