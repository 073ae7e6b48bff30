package bedrock_test

import (
	"fmt"
	"strconv"
	"testing"

	"outcrop/internal/bedrock"
	"outcrop/internal/llm"
	"outcrop/internal/llm/llmtest"
)

// The ids of one Claude: for the runtime, and for mantle, which knows no geo prefix.
const (
	claudeRuntime = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
	claudeMantle  = "anthropic.claude-haiku-4-5"
)

func nativeOf(t testing.TB, client *bedrock.Client, id string, o bedrock.ModelOptions) llm.MessagesModel {
	t.Helper()
	m, err := client.Model(id, o)
	if err != nil {
		t.Fatal(err)
	}
	messages := m.Native()
	if messages == nil {
		t.Fatalf("%s does not answer the Messages API", id)
	}
	return messages
}

// askNatively is a request with a directive for the sandbox.
func askNatively(directive string) *llm.MessagesRequest {
	return &llm.MessagesRequest{Body: []byte(`{"model":"any","max_tokens":1000,"stream":true,"system":"Be brief.","messages":[{"role":"user","content":` +
		strconv.Quote("What is the weather? [[sandbox "+directive+"]]") + `}]}`)}
}

// TestMessagesContract runs on both surfaces. A reply of six tokens has nine frames before message_stop.
func TestMessagesContract(t *testing.T) {
	for _, id := range []string{claudeRuntime, claudeMantle} {
		t.Run(id, func(t *testing.T) {
			llmtest.TestMessagesModel(t, llmtest.MessagesSubject{Frames: 9, New: func(t *testing.T) llmtest.MessagesInstance {
				client, transport := overSandbox(t)
				return llmtest.MessagesInstance{
					Model: nativeOf(t, client, id, bedrock.ModelOptions{}),
					Ask:   func() *llm.MessagesRequest { return askNatively("tokens=6") },
					Fail: func(f llmtest.Fault, n int) *llm.MessagesRequest {
						directive := faults[f]
						if f == llmtest.CutBetween || f == llmtest.CutInside || f == llmtest.EndedEarly || f == llmtest.BadChecksum {
							directive = fmt.Sprintf(directive, n)
						}
						return askNatively("tokens=6 " + directive)
					},
					Open: func() int { return int(transport.open.Load()) },
				}
			}})
		})
	}
}
