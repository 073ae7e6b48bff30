//go:build e2e

package e2e

import (
	"encoding/json"
	"path/filepath"
	"testing"
)

// messagesModels are those that the tests of Anthropic's API ask: a Claude that thinks within a budget, one that
// thinks as much as it takes, and three that requests are translated for.
var messagesModels = map[string]string{
	"claude":   "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
	"adaptive": "us.anthropic.claude-opus-4-8",
	"nova":     "us.amazon.nova-2-lite-v1:0",
	"llama":    "us.meta.llama3-3-70b-instruct-v1:0",
	"gpt-oss":  "openai.gpt-oss-120b-1:0",
}

// onRuntime are Claude's names on the runtime, and one model that requests are translated for.
var onRuntime = map[string]string{
	"claude":   messagesModels["claude"],
	"adaptive": messagesModels["adaptive"],
	"nova":     messagesModels["nova"],
}

// onMantle are Claude's names on bedrock-mantle, and one model that is not there.
var onMantle = map[string]string{
	"claude":   "anthropic.claude-haiku-4-5",
	"adaptive": "anthropic.claude-opus-4-8",
	"nova":     messagesModels["nova"],
}

// told is the environment of a stranger's client: where we are, the key, what the models are called there, and
// the headers of every request.
func told(t *testing.T, url, key string, models, headers map[string]string) []string {
	t.Helper()
	out := []string{"OUTCROP_URL=" + url, "OUTCROP_KEY=" + key}
	for name, value := range map[string]map[string]string{"OUTCROP_MODELS": models, "OUTCROP_HEADERS": headers} {
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		if value != nil {
			out = append(out, name+"="+string(text))
		}
	}
	return out
}

// Anthropic's SDKs for Python and Node: Claude over the runtime and over mantle, other models by translation.
func TestAnthropic(t *testing.T) {
	for name, env := range map[string]func(t *testing.T) []string{
		"serve": func(t *testing.T) []string {
			return told(t, serveChats(t, messagesModels).url, testKey, own(messagesModels), nil)
		},
		"adapter": func(t *testing.T) []string { return told(t, serveAdapter(t).url, "any", onRuntime, nil) },
		"adapter, mantle": func(t *testing.T) []string {
			return told(t, serveAdapter(t).url, "any", onMantle, map[string]string{"X-Upstream-Extra-Data": `{"claude_client":"mantle"}`})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Run("Python", func(t *testing.T) { pytest(t, "test_anthropic.py", env(t)...) })
			t.Run("Node", func(t *testing.T) {
				stranger(t, nodePassed, env(t), "node", "--test", filepath.Join("node", "anthropic.test.js"))
			})
		})
	}
}
