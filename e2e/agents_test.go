//go:build e2e

package e2e

import (
	"path/filepath"
	"testing"
)

// agentModels think in every way that there is: signed with a budget, signed as much as it takes, unsigned,
// always, and not at all; Llama's tools do not stream, and the last two live on bedrock-mantle, one behind
// Responses, and number their calls anew in every answer.
var agentModels = map[string]string{
	"claude":          "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
	"claude-adaptive": "us.anthropic.claude-sonnet-4-6",
	"nova":            "us.amazon.nova-2-lite-v1:0",
	"gpt-oss":         "openai.gpt-oss-120b-1:0",
	"llama":           "us.meta.llama3-3-70b-instruct-v1:0",
	"gpt":             "openai.gpt-5.4-2026-03-05",
	"kimi":            "moonshotai.kimi-k2-thinking",
}

// Agents that others made call a tool ten times, each time after some thought, beside files.
func TestAgents(t *testing.T) {
	env := []string{"OUTCROP_URL=" + serveChats(t, agentModels).url, "OUTCROP_KEY=" + testKey}
	t.Run("OpenAI's Agents SDK and LangChain", func(t *testing.T) { pytest(t, "test_agents.py", env...) })
	t.Run("Vercel's AI SDK", func(t *testing.T) {
		stranger(t, nodePassed, env, "node", "--test", filepath.Join("node", "agents.test.js"))
	})
}
