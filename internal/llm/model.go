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
	Blobs     []BlobOut
	Citations []Citation
	Finish    Finish
}

// Collect folds a sequence into its choices, in the order of their indices. It is the only way to a
// plain reply above an adapter, so that a plain reply cannot differ from a streamed one. Of several
// choices the last one's Finish has the usage of all, whichever ended last.
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
	var usage Usage
	replies := make([]*Reply, len(folds))
	for i, f := range folds {
		if !f.finished {
			return nil, unfinished()
		}
		f.reply.Start = start
		replies[i] = f.close()
		usage = usage.Add(f.reply.Finish.Usage)
		f.reply.Finish.Usage = Usage{}
	}
	replies[len(replies)-1].Finish.Usage = usage
	return replies, nil
}

// unfinished is the error of a sequence that broke the contract.
func unfinished() *Error {
	return &Error{Kind: KindInternal, Message: "The reply ended without a finish."}
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
	thoughts Thoughts
	args     []*strings.Builder
	finished bool
}

func (f *fold) add(event Event) {
	switch e := event.(type) {
	case *TextDelta:
		f.thoughts.End(len(f.args))
		f.text.WriteString(e.Text)
	case ReasoningDelta:
		f.thoughts.Add(e, len(f.args))
	case ToolCallStart:
		f.thoughts.End(len(f.args))
		f.reply.ToolCalls = append(f.reply.ToolCalls, ToolCall{ID: e.ID, Name: e.Name})
		f.args = append(f.args, &strings.Builder{})
	case ToolCallDelta:
		f.args[e.Index].WriteString(e.Args)
	case BlobOut:
		f.reply.Blobs = append(f.reply.Blobs, e)
	case Citation:
		f.reply.Citations = append(f.reply.Citations, e)
	case Finish:
		f.reply.Finish = e
		f.finished = true
	case Start, Choice, Pause:
	}
}

func (f *fold) close() *Reply {
	f.thoughts.End(len(f.args))
	f.reply.Reasoning = f.thoughts.Blocks
	f.reply.Text = f.text.String()
	for i, args := range f.args {
		f.reply.ToolCalls[i].Args = cmp.Or(args.String(), f.reply.Finish.Reason.EmptyArgs())
	}
	return &f.reply
}

// Thoughts folds the reasoning of one choice into its blocks. A block ends with its signature, or
// where something else of the reply begins.
type Thoughts struct {
	Blocks []Reasoning
	text   []byte
}

// Add takes more of the reasoning; calls is how many tool calls came before it.
func (t *Thoughts) Add(e ReasoningDelta, calls int) {
	switch {
	case e.Redacted != nil:
		t.End(calls)
		t.Blocks = append(t.Blocks, Reasoning{Redacted: e.Redacted, Calls: calls})
	case e.Signature != "":
		t.end(e.Signature, calls)
	default:
		t.text = append(t.text, e.Text...)
	}
}

// End ends the block that is being folded, if there is one.
func (t *Thoughts) End(calls int) {
	if len(t.text) > 0 {
		t.end("", calls)
	}
}

func (t *Thoughts) end(signature string, calls int) {
	t.Blocks = append(t.Blocks, Reasoning{Text: string(t.text), Signature: signature, Calls: calls})
	t.text = t.text[:0]
}
