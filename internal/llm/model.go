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

// Count is how many tokens a request is.
type Count struct {
	Tokens int
	Exact  bool // the model's own count, not an estimate
}

// TokenCounter counts the tokens of a request's prompt.
type TokenCounter interface {
	CountTokens(ctx context.Context, req *ChatRequest) (Count, error)
}

// Reply is a whole answer, or one choice of it.
type Reply struct {
	Start     Start
	Text      string
	Reasoning []Reasoning
	ToolCalls []ToolCall
	Blobs     []Blob
	Citations []Citation
	Finish    Finish
}

// Collect folds a sequence into its choices, in the order of their indices. It is the only way to a
// plain reply above an adapter, so that a plain reply cannot differ from a streamed one.
func Collect(seq iter.Seq2[Event, error]) ([]*Reply, error) {
	var start Start
	folds := []*fold{{}}
	current := folds[0]
	for event, err := range seq {
		if err != nil {
			return nil, err
		}
		switch e := event.(type) {
		case Start:
			start = e
		case Choice:
			for len(folds) <= e.Index {
				folds = append(folds, &fold{})
			}
			current = folds[e.Index]
		default:
			current.add(event)
		}
	}
	replies := make([]*Reply, len(folds))
	for i, f := range folds {
		if !f.finished {
			return nil, &Error{Kind: KindInternal, Message: "The reply ended without a finish."}
		}
		f.reply.Start = start
		replies[i] = f.close()
	}
	return replies, nil
}

// CollectOne is Collect for a sequence of one choice.
func CollectOne(seq iter.Seq2[Event, error]) (*Reply, error) {
	replies, err := Collect(seq)
	if err != nil {
		return nil, err
	}
	return replies[0], nil
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
	case BlobOut:
		f.reply.Blobs = append(f.reply.Blobs, e.Blob)
	case Citation:
		f.reply.Citations = append(f.reply.Citations, e)
	case Finish:
		f.reply.Finish = e
		f.finished = true
	case Start, Choice, Pause:
	}
}

func (f *fold) reason(e ReasoningDelta) {
	switch {
	case e.Redacted != nil:
		f.closeThought("")
		f.reply.Reasoning = append(f.reply.Reasoning, Reasoning{Redacted: e.Redacted, Calls: len(f.args)})
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
	f.reply.Reasoning = append(f.reply.Reasoning, Reasoning{Text: f.thought.String(), Signature: signature, Calls: len(f.args)})
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
