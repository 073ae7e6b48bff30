package llm

import (
	"cmp"
	"context"
	"iter"
	"strings"
)

// ChatModel answers chats.
type ChatModel interface {
	// Chat starts when the sequence is ranged over. The contract is the package's.
	Chat(ctx context.Context, req *ChatRequest) iter.Seq2[Event, error]
}

// Reply is a whole answer.
type Reply struct {
	Start     Start
	Text      string
	Reasoning []Reasoning
	ToolCalls []ToolCall
	Finish    Finish
}

// Collect folds a sequence into a reply. It is the only way to a plain reply above an adapter, so
// that a plain reply cannot differ from a streamed one.
func Collect(seq iter.Seq2[Event, error]) (*Reply, error) {
	f := &fold{}
	for event, err := range seq {
		if err != nil {
			return nil, err
		}
		f.add(event)
	}
	if !f.finished {
		return nil, &Error{Kind: KindInternal, Message: "The reply ended without a finish."}
	}
	return f.close(), nil
}

type fold struct {
	reply    Reply
	text     strings.Builder
	thought  strings.Builder
	args     []*strings.Builder
	finished bool
}

func (f *fold) add(event Event) {
	switch e := event.(type) {
	case Start:
		f.reply.Start = e
	case TextDelta:
		f.closeThought("")
		f.text.WriteString(e.Text)
	case ReasoningDelta:
		f.reason(e)
	case ToolCallStart:
		f.closeThought("")
		f.reply.ToolCalls = append(f.reply.ToolCalls, ToolCall{ID: e.ID, Name: e.Name})
		f.args = append(f.args, &strings.Builder{})
	case ToolCallDelta:
		f.args[e.Index].WriteString(e.Args)
	case Pause:
	case Finish:
		f.reply.Finish = e
		f.finished = true
	}
}

func (f *fold) reason(e ReasoningDelta) {
	switch {
	case e.Redacted != nil:
		f.closeThought("")
		f.reply.Reasoning = append(f.reply.Reasoning, Reasoning{Redacted: e.Redacted})
	case e.Signature != "":
		f.closeThought(e.Signature)
	default:
		f.thought.WriteString(e.Text)
	}
}

// closeThought ends the block of reasoning that is being collected, if there is one.
func (f *fold) closeThought(signature string) {
	if f.thought.Len() == 0 && signature == "" {
		return
	}
	f.reply.Reasoning = append(f.reply.Reasoning, Reasoning{Text: f.thought.String(), Signature: signature})
	f.thought.Reset()
}

func (f *fold) close() *Reply {
	f.closeThought("")
	f.reply.Text = f.text.String()
	for i, args := range f.args {
		f.reply.ToolCalls[i].Args = cmp.Or(args.String(), f.reply.Finish.Reason.EmptyArgs())
	}
	return &f.reply
}
