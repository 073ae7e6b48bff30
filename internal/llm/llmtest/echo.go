package llmtest

import (
	"context"
	"iter"
	"strings"
	"unicode/utf8"

	"outcrop/internal/llm"
)

// Echo is a model that repeats the last text it is told, word by word.
type Echo struct{}

// Chat implements llm.ChatModel.
func (Echo) Chat(ctx context.Context, req *llm.ChatRequest) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		text := lastText(req)
		if text == "" {
			yield(nil, llm.Invalid("messages", "There is nothing to repeat."))
			return
		}
		if !yield(llm.Start{Model: "echo"}, nil) {
			return
		}
		for word := range strings.SplitAfterSeq(text, " ") {
			if err := ctx.Err(); err != nil {
				yield(nil, &llm.Error{Kind: llm.KindCanceled, Message: "The client closed the request.", Err: err})
				return
			}
			if !yield(&llm.TextDelta{Text: word}, nil) || !yield(llm.Pause{}, nil) {
				return
			}
		}
		n := utf8.RuneCountInString(text)
		yield(llm.Finish{Reason: llm.FinishStop, Usage: llm.Usage{Input: n, Output: n}}, nil)
	}
}

func lastText(req *llm.ChatRequest) string {
	for i := len(req.Messages) - 1; i >= 0; i-- {
		for _, part := range req.Messages[i].Parts {
			if text, ok := part.(llm.Text); ok && text.Text != "" {
				return text.Text
			}
		}
	}
	return ""
}
