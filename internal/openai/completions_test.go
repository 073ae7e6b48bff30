package openai

import (
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/llm"
)

// TestCompletionMistakes: each has one error, which names the member.
func TestCompletionMistakes(t *testing.T) {
	for body, param := range map[string]string{
		``: "", `[]`: "", `{"prompt":"a"`: "", `{}`: "prompt", `{"prompt":null}`: "prompt", `{"prompt":""}`: "prompt",
		`{"prompt":[]}`: "prompt", `{"prompt":[""]}`: "prompt", `{"prompt":7}`: "prompt", `{"prompt":[[1]]}`: "prompt",
		`{"prompt":["a",{}]}`: "prompt", `{"prompt":"a","prompt":"b"}`: "prompt", `{"prompt":"a","n":0}`: "n",
		`{"prompt":"a","n":129}`: "n", `{"prompt":"a","best_of":2}`: "best_of", `{"prompt":"a","suffix":"b"}`: "suffix",
		`{"prompt":"a","logprobs":5}`: "logprobs", `{"prompt":"a","temperature":3}`: "temperature", `{"prompt":"a","stream":1}`: "stream",
	} {
		req, _, err := DecodeCompletion([]byte(body))
		e := llm.AsError(err)
		if err == nil || req != nil || e.Kind != llm.KindInvalid || e.Param != param {
			t.Errorf("%s: got %v, want an error at %q", body, err, param)
		}
	}
}

func TestCompletionIgnores(t *testing.T) {
	_, shape, err := DecodeCompletion([]byte(`{"prompt":"a","presence_penalty":0,"frequency_penalty":1,"echo":false,"suffix":"","logprobs":null,"logit_bias":{"1":2},"new":1}`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"frequency_penalty", "logit_bias", "new"}, shape.Ignored); diff != "" {
		t.Error(diff)
	}
}

// TestCompletionStreamOfTwo: each choice's pieces have its index, and [DONE] comes once, after both.
func TestCompletionStreamOfTwo(t *testing.T) {
	seq := iter.Seq2[llm.Event, error](func(yield func(llm.Event, error) bool) {
		for _, event := range []llm.Event{
			llm.Start{}, llm.Choice{Index: 1}, &llm.TextDelta{Text: "b"}, llm.Choice{}, &llm.TextDelta{Text: "a"},
			llm.Finish{Reason: llm.FinishLength}, llm.Choice{Index: 1}, llm.Finish{Reason: llm.FinishStop},
		} {
			if !yield(event, nil) {
				return
			}
		}
	})
	w := httptest.NewRecorder()
	if err := WriteCompletionStream(w, seq, Envelope{Choices: 2}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for frame := range strings.SplitSeq(strings.TrimSpace(w.Body.String()), "\n\n") {
		if _, choice, ok := strings.Cut(frame, `"choices":`); ok {
			frame = choice
		}
		got = append(got, frame)
	}
	if diff := cmp.Diff([]string{
		`[{"index":1,"text":"b","logprobs":null,"finish_reason":null}]}`, `[{"index":0,"text":"a","logprobs":null,"finish_reason":null}]}`,
		`[{"index":0,"text":"","logprobs":null,"finish_reason":"length"}]}`, `[{"index":1,"text":"","logprobs":null,"finish_reason":"stop"}]}`,
		"data: [DONE]",
	}, got); diff != "" {
		t.Error(diff)
	}
}

// An error ends a completion wherever it comes, never with [DONE], and names the prompt.
func TestCompletionFailsAnywhere(t *testing.T) {
	list := []any{llm.Start{Ignored: []string{"messages[-3].content"}}, &llm.TextDelta{Text: "a"}, llm.Pause{}, &llm.TextDelta{Text: "b"}}
	failure := llm.Invalid("messages[-3].content", "messages[-3].content: too long.")
	for at := range len(list) + 1 {
		seq := events(append(append([]any{}, list[:at]...), failure)...)
		w := httptest.NewRecorder()
		err := WriteCompletionStream(w, seq, Envelope{})
		if e := llm.AsError(err); e.Param != "prompt" || e.Message != "prompt: too long." {
			t.Fatal(err)
		}
		if refused := at <= 1; refused != (w.Code == http.StatusBadRequest) || strings.Contains(w.Body.String(), "[DONE]") || !strings.Contains(w.Body.String(), `"param":"prompt"`) {
			t.Errorf("%d: %d %s", at, w.Code, w.Body)
		}
		w = httptest.NewRecorder()
		if err := WriteCompletion(w, seq, Envelope{}); err == nil || w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), `"param":"prompt"`) {
			t.Error(err, w.Body)
		}
	}
	w := httptest.NewRecorder()
	if err := WriteCompletionStream(w, events(append(list, llm.Finish{})...), Envelope{}); err != nil || w.Header().Get(HeaderIgnored) != "prompt" {
		t.Error(err, w.Header())
	}
}
