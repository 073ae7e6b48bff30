package bedrock_test

import (
	"fmt"
	"testing"

	"outcrop/internal/bedrock"
	"outcrop/internal/llm"
	"outcrop/internal/llm/llmtest"
)

// claudeFrames is how many events of Anthropic's a reply of six tokens has before message_stop:
// message_start, the beginning of the block, six deltas, its end and message_delta.
const claudeFrames = 10

// TestContractOfMessages: Claude in Anthropic's own words keeps the contract, over the sandbox.
func TestContractOfMessages(t *testing.T) {
	for _, tt := range []struct{ id, surface string }{
		{"us.anthropic.claude-sonnet-4-5-20250929-v1:0", bedrock.SurfaceInvoke},
		{"anthropic.claude-haiku-4-5", bedrock.SurfaceMantle},
	} {
		t.Run(tt.surface, func(t *testing.T) {
			llmtest.TestChatModel(t, llmtest.Subject{Frames: claudeFrames, New: func(t *testing.T) llmtest.Instance {
				client, transport := overSandbox(t)
				chat, err := client.Model(tt.id, bedrock.ModelOptions{Surface: tt.surface})
				if err != nil {
					t.Fatal(err)
				}
				i := instanceOf(chat, transport)
				i.Model = nameless{i.Model}
				return i
			}})
		})
	}
}

// TestClaudeIsTheSameOnEverySurface: what is asked through Converse and through Anthropic's body is
// answered alike.
func TestClaudeIsTheSameOnEverySurface(t *testing.T) {
	const id = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
	for _, directive := range []string{`text="one — é \"two\""`, "tools=2", "reasoning tokens=5", "tokens=3 stop=max_tokens"} {
		for _, whole := range []bool{false, true} {
			client, _ := overSandbox(t)
			var texts []string
			for _, surface := range []string{bedrock.SurfaceConverse, bedrock.SurfaceInvoke} {
				chat, err := client.Model(id, bedrock.ModelOptions{Surface: surface})
				if err != nil {
					t.Fatal(err)
				}
				req := ask(directive)
				req.Whole, req.MaxTokens = whole, 3000
				req.Tools = []llm.Tool{{Name: "clock"}, {Name: "bell"}}
				reply, err := llm.CollectOne(nameless{chat}.Chat(t.Context(), req))
				if err != nil {
					t.Fatalf("%s on %s: %v", directive, surface, err)
				}
				texts = append(texts, fmt.Sprint(reply.Text, len(reply.Reasoning), reply.ToolCalls, reply.Finish.Reason, reply.Finish.Usage.Output))
			}
			if texts[0] != texts[1] {
				t.Errorf("%s, whole %t: %q through Converse, %q through InvokeModel", directive, whole, texts[0], texts[1])
			}
		}
	}
}
