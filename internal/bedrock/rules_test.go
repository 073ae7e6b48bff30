package bedrock

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/llm"
	"outcrop/internal/models"
)

// One model per way of doing things.
const (
	claude35   = "anthropic.claude-3-5-sonnet-20241022-v2:0"
	claude37   = "us.anthropic.claude-3-7-sonnet-20250219-v1:0"
	sonnet45   = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
	sonnet46   = "us.anthropic.claude-sonnet-4-6"
	opus47     = "us.anthropic.claude-opus-4-7"
	fable5     = "us.anthropic.claude-fable-5"
	novaLite   = "us.amazon.nova-lite-v1:0"
	nova2      = "us.amazon.nova-2-lite-v1:0"
	llama33    = "us.meta.llama3-3-70b-instruct-v1:0"
	llama32    = "us.meta.llama3-2-1b-instruct-v1:0"
	mistral    = "mistral.mistral-large-2407-v1:0"
	mistral7b  = "mistral.mistral-7b-instruct-v0:2"
	gptOSS     = "openai.gpt-oss-120b-1:0"
	deepseekR1 = "us.deepseek.r1-v1:0"
	deepseekV3 = "deepseek.v3-v1:0"
	qwen32     = "qwen.qwen3-32b-v1:0"
	qwenCoder  = "qwen.qwen3-coder-30b-a3b-v1:0"
	gpt56      = "openai.gpt-5.6-sol"
	cohere     = "cohere.command-r-v1:0"
	kimi       = "moonshotai.kimi-k2.5"
	stranger   = "newcomer.model-1"
)

// rule is one promise about what becomes of a request.
type rule struct {
	name  string
	model string
	req   llm.ChatRequest
	// want is what the body holds at some paths, as JSON; "" says that there is nothing.
	want    map[string]string
	ignored []string
	changed []string
	refused string // the field that an error names
}

func modelTraits(t testing.TB, id string) *traits {
	t.Helper()
	catalogue, err := models.Load()
	if err != nil {
		t.Fatal(err)
	}
	tr := traitsOf(catalogue, id, "")
	return &tr
}

// numbered gives tools their places, as the decoder does.
func numbered(tools []llm.Tool) []llm.Tool {
	tools = slices.Clone(tools)
	for i := range tools {
		tools[i].Index = i
	}
	return tools
}

func check(t *testing.T, rules []rule) {
	t.Helper()
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			if r.req.Messages == nil {
				r.req.Messages = ask("Hi")
			}
			r.req.Tools = numbered(r.req.Tools)
			call, err := build(&r.req, modelTraits(t, r.model))
			if r.refused != "" {
				if e, ok := errors.AsType[*llm.Error](err); !ok || e.Kind != llm.KindInvalid || e.Param != r.refused {
					t.Fatalf("got %v, want a refusal of %s", err, r.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var body any
			if err := json.Unmarshal(call.body, &body); err != nil {
				t.Fatalf("%v in %s", err, call.body)
			}
			for path, want := range r.want {
				if got := at(body, path); got != want {
					t.Errorf("%s: got %s, want %s\n%.2000s", path, got, want, call.body)
				}
			}
			if diff := cmp.Diff(r.ignored, call.ignored); diff != "" {
				t.Errorf("ignored: %s", diff)
			}
			if diff := cmp.Diff(r.changed, call.changed); diff != "" {
				t.Errorf("changed: %s", diff)
			}
			for _, note := range slices.Concat(call.notes(call.ignored, false), call.notes(call.changed, true)) {
				if note.Why == "" {
					t.Errorf("%s has no reason", note.Param)
				}
			}
		})
	}
}

// at is the value of a path such as messages.0.content, as JSON in the order of keys; "" for none.
func at(v any, path string) string {
	for key := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i >= len(x) {
				return ""
			}
			v = x[i]
		default:
			return ""
		}
	}
	if v == nil {
		return ""
	}
	out, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(out)
}

// ask is a conversation of user and assistant by turns.
func ask(texts ...string) (messages []llm.Message) {
	for i, text := range texts {
		role := llm.RoleUser
		if i%2 == 1 {
			role = llm.RoleAssistant
		}
		messages = append(messages, llm.Message{Role: role, Index: i, Parts: []llm.Part{llm.Text{Text: text}}})
	}
	return messages
}

func system(text string) llm.Message {
	return llm.Message{Role: llm.RoleSystem, Parts: []llm.Part{llm.Text{Text: text}}}
}

// loop is a conversation in the middle of a tool call, with what the model thought before it.
func loop(thought ...llm.Part) []llm.Message {
	return append(ask("Weather?"),
		llm.Message{Role: llm.RoleAssistant, Index: 1, Parts: append(slices.Clone(thought), llm.ToolCall{ID: "t1", Name: "weather", Args: "{}"})},
		llm.Message{Role: llm.RoleTool, Index: 2, Parts: []llm.Part{llm.ToolResult{ID: "t1", Parts: []llm.Part{llm.Text{Text: "Rain"}}}}})
}

func weather() []llm.Tool {
	return []llm.Tool{{Name: "weather", Description: "The weather.", Schema: []byte(`{"type":"object","properties":{"city":{"type":"string"}}}`)}}
}

func configured(s string) llm.ChatRequest { return llm.ChatRequest{Config: []byte(s)} }

func with(req llm.ChatRequest, change func(*llm.ChatRequest)) llm.ChatRequest {
	change(&req)
	return req
}
