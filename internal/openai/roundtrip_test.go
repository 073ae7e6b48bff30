package openai

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"outcrop/internal/llm"
)

// A client sends an assistant's message back as it got it: whatever a reply says can be read, and what
// the model has to see again is there, in its order.
func TestEveryReplyCanBeSentBack(t *testing.T) {
	forEachFixture(t, "reply", 50, func(t *testing.T, f *fixture) {
		script := parseScript(t, f.section("events"))
		rec := httptest.NewRecorder()
		if err := WriteReply(rec, script.seq(), script.env); err != nil {
			return
		}
		var reply struct {
			Choices []struct{ Message json.RawMessage }
		}
		if err := json.Unmarshal(rec.Body.Bytes(), &reply); err != nil {
			t.Fatal(err)
		}
		choices, err := llm.Collect(script.seq())
		if err != nil {
			t.Fatal(err)
		}
		for i, choice := range reply.Choices {
			body := `{"messages":[{"role":"user","content":"Go."},` + string(choice.Message) + `,{"role":"user","content":"On."}]}`
			req, _, err := DecodeChat([]byte(body))
			if err != nil {
				t.Fatalf("choice %d: %v", i, err)
			}
			if diff := cmp.Diff(sentBack(choices[i], script.env.Functions), decoded(req), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("choice %d, as it was told and as it came back: %s", i, diff)
			}
		}
	})
}

// sentBack is what of a reply has to come back: reasoning and calls in their order. Reasoning without a
// proof comes back as text when there is no other.
func sentBack(r *llm.Reply, functions bool) (parts []llm.Part) {
	sealed := 0
	var unsigned strings.Builder
	for calls := range len(r.ToolCalls) + 1 {
		for _, thought := range r.Reasoning {
			switch {
			case thought.Calls != calls:
			case isSealed(thought):
				sealed++
				thought.Calls = 0 // of a request the order of parts says it
				parts = append(parts, thought)
			default:
				unsigned.WriteString(thought.Text)
			}
		}
		if calls < len(r.ToolCalls) {
			call := r.ToolCalls[calls]
			if functions {
				call.ID = "call_fn_0" // functions have none
			}
			parts = append(parts, call)
		}
	}
	if sealed == 0 && unsigned.Len() > 0 {
		parts = append([]llm.Part{llm.Reasoning{Text: unsigned.String()}}, parts...)
	}
	return parts
}

func decoded(req *llm.ChatRequest) (parts []llm.Part) {
	for _, message := range req.Messages {
		for _, part := range message.Parts {
			switch p := part.(type) {
			case llm.Reasoning:
				parts = append(parts, p)
			case llm.ToolCall:
				parts = append(parts, p)
			}
		}
	}
	return parts
}
