package bedrock_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"testing"

	"outcrop/internal/bedrock"
	"outcrop/internal/llm"
	"outcrop/internal/llm/llmtest"
)

// responding are models that answer the Responses API themselves, with the surface that the operator chose.
func responding() map[string]string {
	return map[string]string{"openai.gpt-5.4-2026-03-05": "", "openai.gpt-5.4": "", "openai.gpt-5.5": bedrock.SurfaceOpenAI}
}

// asMessages lets the contract of native replies be checked, which is the same for both APIs but for the words.
type asMessages struct{ llm.ResponsesModel }

func (m asMessages) Messages(ctx context.Context, req *llm.MessagesRequest) iter.Seq2[llm.MessagesPiece, error] {
	return func(yield func(llm.MessagesPiece, error) bool) {
		for p, err := range m.Responses(ctx, req) {
			if p.Type != "" && err == nil {
				p.Type, p.JSON, err = inOtherWords(p)
			}
			if !yield(p, err) {
				return
			}
		}
	}
}

// inOtherWords is a piece with the names that Anthropic has for the same.
func inOtherWords(p llm.MessagesPiece) (kind string, text []byte, err error) {
	var e struct {
		Type   string
		Object string
		Delta  json.RawMessage
		Output []struct{ Content []struct{ Text string } }
	}
	if err := json.Unmarshal(p.JSON, &e); err != nil {
		return "", nil, err
	}
	said := map[string]any{}
	switch {
	case bytes.ContainsAny(p.JSON, "\r\n"), e.Type != p.Type && e.Object != p.Type:
		return "", nil, fmt.Errorf("a piece of type %q holds %s", p.Type, p.JSON)
	case p.Type == "response":
		kind = "message"
		for _, item := range e.Output {
			said["content"] = item.Content
		}
	case p.Type == "response.created":
		kind = "message_start"
	case p.Type == "response.completed":
		kind = "message_stop"
	case p.Type == "response.output_text.delta":
		kind, said["delta"] = "delta", map[string]any{"text": e.Delta}
	default:
		kind = p.Type
	}
	said["type"] = kind
	text, err = json.Marshal(said)
	return kind, text, err
}

func (asMessages) CountMessages(context.Context, *llm.MessagesRequest) (llm.Count, error) {
	return llm.Count{Tokens: 1, Exact: true}, nil
}

func respondingOf(t *testing.T, client *bedrock.Client, id, surface string) llm.ResponsesModel {
	t.Helper()
	m, err := client.Model(id, bedrock.ModelOptions{Surface: surface})
	if err != nil {
		t.Fatal(err)
	}
	model := m.NativeResponses()
	if model == nil {
		t.Fatalf("%s does not answer the Responses API", id)
	}
	return model
}

func askForResponse(directive string) *llm.MessagesRequest {
	return &llm.MessagesRequest{Body: []byte(`{"model":"any","stream":true,"store":true,"input":` + strconv.Quote("What is the weather? [[sandbox "+directive+"]]") + `}`)}
}

// TestResponsesContract runs on each surface.
func TestResponsesContract(t *testing.T) {
	for id, surface := range responding() {
		t.Run(id, func(t *testing.T) {
			llmtest.TestMessagesModel(t, llmtest.MessagesSubject{Frames: 14, New: func(t *testing.T) llmtest.MessagesInstance {
				client, transport := overSandbox(t)
				return llmtest.MessagesInstance{
					Model: asMessages{respondingOf(t, client, id, surface)},
					Ask:   func() *llm.MessagesRequest { return askForResponse("tokens=6") },
					Fail: func(f llmtest.Fault, n int) *llm.MessagesRequest {
						directive := faults[f]
						if f == llmtest.CutBetween || f == llmtest.CutInside || f == llmtest.EndedEarly || f == llmtest.BadChecksum {
							directive = fmt.Sprintf(directive, n)
						}
						return askForResponse("tokens=6 " + directive)
					},
					Open: func() int { return int(transport.open.Load()) },
				}
			}})
		})
	}
}

// TestWhoAnswersResponses: only where chats are asked anyway, or where the operator left the choice.
func TestWhoAnswersResponses(t *testing.T) {
	client, _ := overSandbox(t)
	for _, tt := range []struct {
		id, surface string
		want        bool
	}{
		{"openai.gpt-5.4", "", true}, {"openai.gpt-5.4", bedrock.SurfaceConverse, false}, {"openai.gpt-5.4", bedrock.SurfaceMantle, true},
		{"openai.gpt-oss-120b-1:0", "", false}, {"us.amazon.nova-lite-v1:0", "", false}, {claudeRuntime, "", false},
	} {
		m, err := client.Model(tt.id, bedrock.ModelOptions{Surface: tt.surface})
		if err != nil {
			t.Fatal(err)
		}
		if got := m.NativeResponses() != nil; got != tt.want {
			t.Errorf("%s on %q: %v", tt.id, tt.surface, got)
		}
	}
}

// TestResponsesRefuseTwoOfAMember: a guardrail reads one of them, the model the other.
func TestResponsesRefuseTwoOfAMember(t *testing.T) {
	client, transport := overSandbox(t)
	for _, body := range []string{`{"input":"a","input":"b"}`, `{"input":"a"`, `[]`} {
		for _, err := range respondingOf(t, client, "openai.gpt-5.4", "").Responses(t.Context(), &llm.MessagesRequest{Body: []byte(body)}) {
			if e := llm.AsError(err); e == nil || e.Kind != llm.KindInvalid || strings.Contains(e.Message, `"b"`) {
				t.Errorf("%s: %v", body, err)
			}
		}
	}
	if transport.open.Load() != 0 {
		t.Error("something was sent")
	}
}
