package anthropic

import (
	"strings"

	"outcrop/internal/llm"
)

// sink takes content blocks, of which there is never more than one open.
type sink interface {
	begin(b *block)
	delta(kind deltaKind, text string)
	cite(c *llm.Citation)
	end()
}

// blockKind is the type of a content block.
type blockKind uint8

const (
	noBlock blockKind = iota
	textBlock
	thinkingBlock
	redactedBlock
	toolBlock
	fileBlock
)

// block is what is known of a content block when it begins.
type block struct {
	kind     blockKind
	id, name string // of a tool call
	redacted []byte
	file     *llm.BlobOut
}

// deltaKind is what a piece of a block is of.
type deltaKind uint8

const (
	textDelta deltaKind = iota
	thinkingDelta
	signatureDelta
	inputDelta
)

// blocks makes of a reply's events the content blocks of a message, one after the other: Anthropic's own
// clients take every event for one of the block that began last. What comes of a second tool call while the
// first is not whole has to wait.
type blocks struct {
	sink    sink
	open    blockKind
	cited   bool // the open text has citations
	call    int  // which call is open
	args    argScan
	pending []llm.Event
	count   int
}

// add takes an event with content.
func (b *blocks) add(event llm.Event) error {
	if b.open == toolBlock {
		if e, ok := event.(llm.ToolCallDelta); ok && e.Index == b.call {
			b.more(e.Args)
			return b.settle()
		}
		if !b.args.done {
			b.wait(event)
			return nil
		}
		b.close()
	}
	switch e := event.(type) {
	case *llm.TextDelta:
		b.text(e.Text)
	case llm.ReasoningDelta:
		b.thought(e)
	case llm.ToolCallStart:
		b.begin(block{kind: toolBlock, id: e.ID, name: e.Name})
		b.call, b.args = e.Index, argScan{}
	case llm.ToolCallDelta:
		if strings.TrimSpace(e.Args) != "" {
			return &llm.Error{Kind: llm.KindUpstream, Message: "The model went on with the arguments of a tool call that were whole."}
		}
	case llm.BlobOut:
		b.begin(block{kind: fileBlock, file: &e})
		b.close()
	case llm.Citation:
		if b.open != textBlock {
			b.begin(block{kind: textBlock})
		}
		b.sink.cite(&e)
		b.cited = true
	default:
	}
	return nil
}

// wait keeps an event for later.
func (b *blocks) wait(event llm.Event) {
	if e, ok := event.(*llm.TextDelta); ok {
		event = &llm.TextDelta{Text: e.Text} // the adapter's own may be used again
	}
	b.pending = append(b.pending, event)
}

// settle goes on with what had to wait, once the open call is whole.
func (b *blocks) settle() error {
	if !b.args.done || len(b.pending) == 0 {
		return nil
	}
	b.close()
	return b.replay()
}

func (b *blocks) replay() error {
	waited := b.pending
	b.pending = nil
	for _, event := range waited {
		if err := b.add(event); err != nil {
			return err
		}
	}
	return nil
}

// finish closes what is open. A message without content gets one empty text, which clients look for.
func (b *blocks) finish(e *llm.Finish) error {
	for {
		if b.open == toolBlock && !b.args.begun {
			b.more(e.Reason.EmptyArgs())
		}
		b.close()
		if len(b.pending) == 0 {
			break
		}
		if err := b.replay(); err != nil {
			return err
		}
	}
	if b.count == 0 {
		b.begin(block{kind: textBlock})
		b.close()
	}
	return nil
}

// text adds to the open text. What comes after a citation is another block: a citation is of all the text
// of its block.
func (b *blocks) text(text string) {
	if text == "" {
		return
	}
	if b.open != textBlock || b.cited {
		b.begin(block{kind: textBlock})
	}
	b.sink.delta(textDelta, text)
}

// thought adds to the open thinking, which its signature ends.
func (b *blocks) thought(e llm.ReasoningDelta) {
	if e.Redacted != nil {
		b.begin(block{kind: redactedBlock, redacted: e.Redacted})
		b.close()
		return
	}
	if e.Text == "" && e.Signature == "" {
		return
	}
	if b.open != thinkingBlock {
		b.begin(block{kind: thinkingBlock})
	}
	if e.Text != "" {
		b.sink.delta(thinkingDelta, e.Text)
	}
	if e.Signature != "" {
		b.sink.delta(signatureDelta, e.Signature)
		b.close()
	}
}

func (b *blocks) more(args string) {
	if args != "" {
		b.args.take(args)
		b.sink.delta(inputDelta, args)
	}
}

func (b *blocks) begin(next block) {
	b.close()
	b.sink.begin(&next)
	b.open, b.cited = next.kind, false
	b.count++
}

func (b *blocks) close() {
	if b.open != noBlock {
		b.sink.end()
		b.open = noBlock
	}
}

// argScan follows the arguments of a call to the end of their JSON object.
type argScan struct {
	depth           int
	quoted, escaped bool
	begun, done     bool
}

func (s *argScan) take(args string) {
	for i := range len(args) {
		c := args[i]
		switch {
		case s.escaped:
			s.escaped = false
		case s.quoted:
			s.escaped, s.quoted = c == '\\', c != '"'
		case c == '"':
			s.quoted = true
		case c == '{' || c == '[':
			s.depth++
		case c == '}' || c == ']':
			s.depth--
			s.done = s.depth <= 0
		}
	}
	s.begun = true
}
