package openai_test

import (
	"iter"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/llm"
	"outcrop/internal/openai"
)

// TestStages: to a DIAL Core thinking is told as a stage too, in a stream as in a plain reply, and who
// reads both tells it once.
func TestStages(t *testing.T) {
	events := []llm.Event{
		llm.Start{}, llm.ReasoningDelta{Text: "Is it "}, llm.ReasoningDelta{Text: "\"Süß\"?"}, llm.ReasoningDelta{Signature: "s1"},
		&llm.TextDelta{Text: "Let me look."},
		llm.ToolCallStart{Index: 0, ID: "c1", Name: "f"}, llm.ToolCallDelta{Index: 0, Args: "{}"},
		llm.ReasoningDelta{Redacted: []byte("r")}, llm.ReasoningDelta{Text: "Then"}, llm.ReasoningDelta{Text: " this."}, llm.ReasoningDelta{Signature: "s2"},
		llm.ToolCallStart{Index: 1, ID: "c2", Name: "f"}, llm.ToolCallDelta{Index: 1, Args: "{}"},
		llm.Finish{Reason: llm.FinishToolCalls, Usage: llm.Usage{Input: 3, Output: 2}},
	}
	seq := func(yield func(llm.Event, error) bool) {
		for _, e := range events {
			if !yield(e, nil) {
				return
			}
		}
	}
	env := openai.Envelope{ID: "1", Model: "m", DIAL: true}
	streamed, whole := httptest.NewRecorder(), httptest.NewRecorder()
	if err := openai.WriteStream(streamed, seq, env); err != nil {
		t.Fatal(err)
	}
	if err := openai.WriteReply(whole, seq, env); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"reasoning_content":"Is it ","custom_content":{"stages":[{"index":0,"name":"Thinking","status":null,"content":"Is it "}]}`,
		`"reasoning_content":"\"Süß\"?","custom_content":{"stages":[{"index":0,"content":"\"Süß\"?"}]}`,
		`{"custom_content":{"stages":[{"index":0,"status":"completed"}]}}`,
		`{"custom_content":{"stages":[{"index":1,"status":"completed"}]}}`,
		`"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}`,
	} {
		if strings.Count(streamed.Body.String(), want) != 1 {
			t.Errorf("the stream does not have %s once:\n%s", want, streamed.Body)
		}
	}
	if want := `"stages":[{"name":"Thinking","status":"completed","content":"Is it \"Süß\"?"},{"name":"Thinking","status":"completed","content":"Then this."}]`; !strings.Contains(whole.Body.String(), want) {
		t.Errorf("the reply does not have %s:\n%s", want, whole.Body)
	}
	for name, read := range map[string]iter.Seq2[llm.Event, error]{
		"stream": openai.ReadStream(streamed.Body), "reply": openai.ReadReply(whole.Body.Bytes()),
	} {
		if diff := cmp.Diff("Is it \"Süß\"?Then this.", thought(t, read)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestReadThinkingOnce: whichever of the two ways is ahead, a reader has each piece once.
func TestReadThinkingOnce(t *testing.T) {
	chunk := func(delta string) string { return `data: {"choices":[{"index":0,"delta":` + delta + `}]}` + "\n\n" }
	reasoning := func(text string) string { return chunk(`{"reasoning_content":"` + text + `"}`) }
	stage := func(name, text string) string {
		return chunk(`{"custom_content":{"stages":[{"index":0,` + name + `"content":"` + text + `"}]}}`)
	}
	end := `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"
	for _, body := range []string{
		reasoning("ab") + stage(`"name":"Thinking",`, "ab") + reasoning("cé") + stage("", "cé"),
		stage(`"name":"Thinking",`, "ab") + reasoning("ab") + stage("", "cé") + reasoning("cé"),
		stage(`"name":"Thinking",`, "abc") + reasoning("ab") + reasoning("cé") + stage("", "é"),
		reasoning("abcé"), stage(`"name":"Reasoning",`, "ab") + stage("", "cé"),
	} {
		if got := thought(t, openai.ReadStream(strings.NewReader(body+end))); got != "abcé" {
			t.Errorf("%q of\n%s", got, body)
		}
	}
}

func thought(t *testing.T, seq iter.Seq2[llm.Event, error]) (text string) {
	t.Helper()
	for event, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		if r, ok := event.(llm.ReasoningDelta); ok {
			text += r.Text
		}
	}
	return text
}
