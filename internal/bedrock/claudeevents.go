package bedrock

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
	"outcrop/internal/sse"
)

// messagesDecoder turns an answer of Anthropic's Messages, streamed or whole, into events. A stream comes as
// server-sent events or as the chunks of InvokeModelWithResponseStream, whose JSON is the same.
// https://docs.claude.com/en/docs/build-with-claude/streaming
type messagesDecoder struct {
	*decoder
	events []llm.Event // of the event at hand
	memory []byte      // what strings of events alias; never written to again
	room   int         // how much was allocated last
	// ended says that a stop reason has come, filtered that a guardrail stepped in.
	ended, filtered bool
}

func newMessagesDecoder(d *decoder) *messagesDecoder { return &messagesDecoder{decoder: d} }

// memoryStep is how much memory is allocated at once for a stream, in bytes, after the first.
const memoryStep = 16 << 10

// keep gives memory that is the event's own.
func (d *messagesDecoder) keep(n int) []byte {
	if n > cap(d.memory)-len(d.memory) {
		d.room = min(max(1<<10, 4*d.room), memoryStep)
		d.memory = make([]byte, 0, max(n, d.room))
	}
	start := len(d.memory)
	d.memory = d.memory[:start+n]
	return d.memory[start : start+n : start+n]
}

// frame implements frameFunc.
func (d *messagesDecoder) frame(f sse.Frame) (events []llm.Event, done bool, err error) {
	if err := streamError(f); err != nil {
		return nil, false, err
	}
	own := d.keep(len(f.Data))
	copy(own, f.Data)
	if err := d.event(own); err != nil {
		return nil, false, err
	}
	if d.stopped {
		d.events = append(d.events, d.close())
	}
	return d.events, d.stopped, nil
}

// chunk reads a frame of InvokeModelWithResponseStream.
func (d *messagesDecoder) chunk(fr frame) (llm.Event, error) {
	if fr.eventType != eventChunk {
		return nil, nil // the protocol says that what is not modelled is skipped
	}
	encoded, err := chunkBytes(fr.payload)
	if err != nil {
		return nil, err
	}
	own := d.keep(base64.StdEncoding.DecodedLen(len(encoded)))
	n, err := base64.StdEncoding.Decode(own, encoded)
	if err != nil {
		return nil, errNoChunk
	}
	if err := d.event(own[:n]); err != nil || len(d.events) == 0 {
		return nil, err
	}
	d.due = append(d.due[:0], d.events[1:]...)
	return d.events[0], nil
}

// The events of the stream.
const (
	messageStart = "message_start"
	messageDelta = "message_delta"
	messageStop  = "message_stop"
	messagePing  = "ping"
	messageError = "error"
	blockStart   = "content_block_start"
	blockDelta   = "content_block_delta"
	blockStop    = "content_block_stop"
)

// anEvent is what an event of the stream holds.
type anEvent struct {
	kind  string
	index int
	delta blockChange
	block block
}

// textEvent begins the events that are most of a stream: their strings are read in place.
const textEvent = `{"type":"` + blockDelta + `"`

// event reads one event of the stream into d.events.
func (d *messagesDecoder) event(data []byte) error {
	d.events = d.events[:0]
	s := jsonscan.New(data)
	if bytes.HasPrefix(data, []byte(textEvent)) {
		s = jsonscan.NewInPlace(data)
	}
	e := anEvent{index: -1}
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		switch key {
		case "type":
			e.kind = s.String()
		case "index":
			e.index = int(s.Int())
		case "delta":
			e.delta.read(&s)
		case "content_block":
			e.block.read(&s)
		case "message":
			d.opening(&s)
		default:
			d.about(&s, key)
		}
	}
	s.End()
	if err := s.Err(); err != nil {
		return fmt.Errorf("event of Messages: %w", err)
	}
	return d.take(&e, data)
}

var (
	errAfterStop    = errors.New("content after the stop_reason")
	errNoStopReason = fmt.Errorf("the stream ended without a stop_reason (%w)", errNoAnswer)
)

// take makes an event's content events of ours.
func (d *messagesDecoder) take(e *anEvent, data []byte) error {
	switch e.kind {
	case blockDelta:
		if d.ended {
			return errAfterStop
		}
		return d.delta(e.index, &e.delta)
	case blockStart:
		if d.ended {
			return errAfterStop
		}
		if e.block.kind == "tool_use" && len(e.block.input) > len("{}") {
			return &unknownContent{"tool_use.input in a start event"}
		}
		return d.begin(e.index, &e.block)
	case blockStop:
		if d.cite.of == e.index+1 {
			d.events = append(d.events, d.cite.end()...)
		}
	case messageDelta:
		if e.delta.stop != "" {
			d.end(e.delta.stop, e.delta.details)
		}
	case messageStop:
		if !d.ended {
			return errNoStopReason
		}
		d.finished()
	case messageError:
		return reported("", data)
	case messageStart, messagePing:
	default:
		// New events may come, says the API; but not content, or the reply would look whole that is not.
		if e.index >= 0 {
			return &unknownContent{e.kind}
		}
	}
	return nil
}

// end takes the stop reason.
func (d *messagesDecoder) end(word string, details []byte) {
	d.ended = true
	d.finish.Reason, d.finish.Detail = messagesFinish(word)
	if len(details) > 0 {
		d.extras.fields = append(append([]byte(`{"stop_details":`), details...), '}')
	}
}

// finished closes the reply.
func (d *messagesDecoder) finished() {
	d.events = append(d.events, d.cite.end()...) // of a block without a stop
	d.stopped = true
	if d.filtered {
		d.finish.Reason, d.finish.Detail = llm.FinishContentFilter, ""
	}
}

// delta passes more of a block on.
func (d *messagesDecoder) delta(index int, c *blockChange) error {
	switch c.kind {
	case "text_delta":
		d.say(index, c.text)
	case "thinking_delta":
		d.think(llm.ReasoningDelta{Text: c.thinking})
	case "signature_delta":
		d.think(llm.ReasoningDelta{Signature: c.signature})
	case "input_json_delta":
		event, err := d.toolDelta(index, c.input)
		if event != nil {
			d.events = append(d.events, event)
		}
		return err
	case "citations_delta":
		d.events = append(d.events, d.cite.add(index, c.citation)...)
	default:
		return &unknownContent{c.kind}
	}
	return nil
}

func (d *messagesDecoder) say(index int, text string) {
	if text == "" {
		return
	}
	d.cite.text(index, text)
	d.events = append(d.events, d.said(text))
}

func (d *messagesDecoder) think(r llm.ReasoningDelta) {
	if r.Text != "" || r.Signature != "" || len(r.Redacted) > 0 {
		d.events = append(d.events, r)
	}
}

// begin opens a block, with what it already holds.
func (d *messagesDecoder) begin(index int, b *block) error {
	switch b.kind {
	case "text":
		d.say(index, b.text)
	case "thinking":
		d.think(llm.ReasoningDelta{Text: b.thinking})
		d.think(llm.ReasoningDelta{Signature: b.signature})
	case "redacted_thinking":
		d.think(llm.ReasoningDelta{Redacted: []byte(b.data)})
	case "tool_use":
		event, err := d.beginCall(index, llm.ToolCallStart{ID: b.id, Name: b.name})
		if err != nil {
			return err
		}
		d.events = append(d.events, event)
	case "server_tool_use":
		d.extras.serve(index, llm.ToolCallStart{ID: b.id, Name: b.name})
		if len(b.input) > len("{}") {
			d.extras.find(index).body = b.input
		}
	default:
		if b.toolUse == "" {
			return &unknownContent{b.kind}
		}
		d.extras.serveBlock(index, b)
	}
	return nil
}
