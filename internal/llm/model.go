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
	c := &collector{}
	c.current = &c.first
	seq(c.take)
	if c.err != nil {
		return nil, c.err
	}
	var usage Usage
	replies := make([]*Reply, 1+len(c.more))
	for i := range replies {
		f := c.at(i)
		if !f.finished {
			return nil, unfinished()
		}
		f.reply.Start = c.start
		replies[i] = f.close()
		usage = usage.Add(f.reply.Finish.Usage)
		f.reply.Finish.Usage = Usage{}
	}
	replies[len(replies)-1].Finish.Usage = usage
	return replies, nil
}

// collector is the loop of Collect as one value: a loop's own variables would each be allocated, for every answer.
type collector struct {
	start   Start
	first   fold
	more    []*fold // of the choices after the first
	current *fold
	err     error
}

func (c *collector) at(choice int) *fold {
	if choice == 0 {
		return &c.first
	}
	return c.more[choice-1]
}

// take is what the sequence yields to.
func (c *collector) take(event Event, err error) bool {
	if err != nil {
		c.err = err
		return false
	}
	switch e := event.(type) {
	case Start:
		c.start = e
	case Choice:
		for len(c.more) < e.Index {
			c.more = append(c.more, &fold{})
		}
		c.current = c.at(e.Index)
	default:
		c.current.add(event)
	}
	return true
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
