package bedrock

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// The events of ConverseStream, and the one of InvokeModel's stream.
const (
	eventMessageStart = "messageStart"
	eventBlockStart   = "contentBlockStart"
	eventDelta        = "contentBlockDelta"
	eventBlockStop    = "contentBlockStop"
	eventMessageStop  = "messageStop"
	eventMetadata     = "metadata"

	eventChunk = "chunk" // of InvokeModelWithResponseStream
)

// stopReason maps Converse's words; a word that is not here becomes FinishOther with the word as
// its detail. malformed_model_output and malformed_tool_use are known and belong there: what the
// model wrote is not what it meant to write.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_MessageStopEvent.html
func stopReason(word string) (reason llm.FinishReason, detail string) {
	switch word {
	case "end_turn", "stop_sequence":
		return llm.FinishStop, ""
	case "tool_use":
		return llm.FinishToolCalls, ""
	case "max_tokens", "model_context_window_exceeded":
		return llm.FinishLength, ""
	case "guardrail_intervened", "content_filtered":
		return llm.FinishContentFilter, ""
	default:
		return llm.FinishOther, word
	}
}

// decoder turns the content of a reply, streamed or whole, into events.
type decoder struct {
	names   map[string]string // what the request's tools are really called
	titles  map[string]string // what its documents are really called
	finish  llm.Finish
	stopped bool  // a stop reason has come
	callOf  []int // content block index + 1 of each call, in order
	cite    citer
	drawn   []drawing // images that have begun
	extras  extras
	due     []llm.Event     // events that follow the one that was returned
	texts   []llm.TextDelta // allocated and not yet given away
	slab    int             // how many were allocated last
}

// close is the end of the reply.
func (d *decoder) close() llm.Finish {
	d.finish.Tier, d.finish.Custom = d.extras.tier, d.extras.custom()
	return d.finish
}

// more returns, one by one, the events that follow the one that event returned.
func (d *decoder) more() (event llm.Event) {
	if len(d.due) == 0 {
		return nil
	}
	event, d.due = d.due[0], d.due[1:]
	return event
}

// event decodes the payload of one event frame. It returns nil when the event has nothing for the
// client. Members that AWS has not modelled, such as the padding "p", are skipped.
func (d *decoder) event(eventType string, payload []byte) (llm.Event, error) {
	s := jsonscan.NewInPlace(payload)
	var event llm.Event
	var err error
	if d.stopped && eventType != eventMetadata && carriesContent(eventType, payload) {
		return nil, fmt.Errorf("event %s after messageStop", eventType)
	}
	switch eventType {
	case eventDelta:
		if block, text, ok := usualDelta(payload); ok {
			event, err = d.place(block, &piece{kind: "text", text: text})
		} else {
			event, err = d.delta(&s)
		}
	case eventBlockStart:
		event, err = d.blockStart(&s)
	case eventBlockStop:
		err = d.blockStop(&s)
	case eventMessageStop:
		err = d.messageStop(&s)
	case eventMetadata:
		d.metadata(&s)
	case eventMessageStart:
		return nil, nil
	default:
		// An event of a type that is not modelled yet must be skipped, says the protocol; but not
		// content, or the reply would look whole that is not.
		if carriesContent(eventType, payload) {
			return nil, &unknownContent{eventType}
		}
		return nil, nil
	}
	if err == nil {
		err = s.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("event %s: %w", eventType, err)
	}
	if event == nil {
		event = d.more()
	}
	return event, nil
}

// carriesContent says whether an event belongs to a reply's content or ends it.
func carriesContent(eventType string, payload []byte) bool {
	return eventType == eventMessageStop || bytes.Contains(payload, []byte(`"contentBlockIndex"`))
}

// piece is the content of a delta: of one kind, and of a block whose index may come after it.
type piece struct {
	kind     string
	text     string // of text, and of a tool's input
	event    llm.Event
	citation *llm.Citation
	rest     *jsonscan.Scanner // at the content of a toolResult
}

// usualDelta reads the payload of nearly all events as AWS writes it, at about half the cost; ok is false for any other:
//
//	{"contentBlockIndex":0,"delta":{"text":"some text"},"p":"padding"}
func usualDelta(payload []byte) (block int, text string, ok bool) {
	const index, delta, padding = `{"contentBlockIndex":`, `,"delta":{"text":"`, `},"p":"`
	at := len(index)
	if len(payload) < at+2 || string(payload[:at]) != index {
		return 0, "", false
	}
	if block = int(payload[at]) - '0'; block < 0 || block > 9 {
		return 0, "", false
	}
	rest, found := bytes.CutPrefix(payload[at+1:], []byte(delta))
	if !found {
		return 0, "", false
	}
	text, at = jsonscan.Plain(rest, 0)
	if at == 0 {
		return 0, "", false
	}
	if rest, found = bytes.CutPrefix(rest[at:], []byte(padding)); !found {
		return block, text, string(rest) == "}}"
	}
	_, at = jsonscan.Plain(rest, 0)
	return block, text, at != 0 && string(rest[at:]) == "}"
}

func (d *decoder) delta(s *jsonscan.Scanner) (llm.Event, error) {
	block := -1
	var p piece
	var err error
	s.Object()
	for key, ok := s.Member(); ok && err == nil; key, ok = s.Member() {
		switch key {
		case "contentBlockIndex":
			block = int(s.Int())
		case "delta":
			s.Object()
			for kind, ok := s.Member(); ok && err == nil; kind, ok = s.Member() {
				err = p.read(s, kind)
			}
		default:
			s.Skip()
		}
	}
	if err != nil || s.Err() != nil {
		return nil, err
	}
	return d.place(block, &p)
}

func (p *piece) read(s *jsonscan.Scanner, kind string) (err error) {
	p.kind = kind
	switch kind {
	case "text":
		p.text = s.String()
	case "toolUse":
		p.text = toolInput(s)
	case "reasoningContent":
		p.event, err = reasoningDelta(s)
	case "citation":
		citation := readCitation(s)
		p.citation = &citation
	case "image":
		_, p.text, err = readFile(s, kind)
	case "toolResult":
		rest := *s
		p.rest = &rest
		s.Skip()
	default:
		return &unknownContent{kind}
	}
	return err
}

// textSlab is how many text deltas are allocated at once, after the first.
const textSlab = 64

// said is a text delta from the slab.
func (d *decoder) said(text string) *llm.TextDelta {
	if len(d.texts) == 0 {
		d.slab = min(max(1, 4*d.slab), textSlab)
		d.texts = make([]llm.TextDelta, d.slab)
	}
	delta := &d.texts[0]
	d.texts, delta.Text = d.texts[1:], text
	return delta
}

// place puts a piece where it belongs: out, or to the rest of its block.
func (d *decoder) place(block int, p *piece) (llm.Event, error) {
	switch p.kind {
	case "text":
		if p.text == "" {
			return nil, nil // the empty fragment with which some models open a block
		}
		d.cite.text(block, p.text)
		return d.said(p.text), nil
	case "toolUse":
		return d.toolDelta(block, p.text)
	case "citation":
		d.due = append(d.due, d.cite.add(block, d.titled(*p.citation))...)
	case "image":
		for i := len(d.drawn) - 1; i >= 0; i-- {
			if d.drawn[i].block == block {
				d.drawn[i].pieces = append(d.drawn[i].pieces, p.text)
				return nil, nil
			}
		}
		return nil, fmt.Errorf("a piece of an image for content block %d, which is none", block)
	case "toolResult":
		result := d.extras.find(block)
		if result == nil || !result.result {
			return nil, fmt.Errorf("a tool's result for content block %d, which is none", block)
		}
		result.more(p.rest)
		return nil, p.rest.Err()
	}
	return p.event, nil
}

// blockStop ends a block: what waited for its end is due.
func (d *decoder) blockStop(s *jsonscan.Scanner) error {
	if len(d.cite.waiting) == 0 && len(d.drawn) == 0 {
		return nil // most blocks: the order of the events says it all
	}
	block := -1
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		if key == "contentBlockIndex" {
			block = int(s.Int())
		} else {
			s.Skip()
		}
	}
	if d.cite.of == block+1 {
		d.due = append(d.due, d.cite.end()...)
	}
	return d.endDrawings(func(image drawing) bool { return image.block == block })
}

// endDrawings makes files of images that are complete.
func (d *decoder) endDrawings(done func(drawing) bool) error {
	for i := range d.drawn {
		if !done(d.drawn[i]) {
			continue
		}
		event, err := d.drawn[i].blob()
		if err != nil {
			return err
		}
		if event != nil {
			d.due = append(d.due, event)
		}
	}
	d.drawn = slices.DeleteFunc(d.drawn, done)
	return nil
}

func toolInput(s *jsonscan.Scanner) (input string) {
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		if key == "input" {
			input = s.String()
		} else {
			s.Skip()
		}
	}
	return input
}

func (d *decoder) toolDelta(block int, args string) (llm.Event, error) {
	if args == "" {
		return nil, nil
	}
	if call := d.extras.find(block); call != nil && !call.result {
		call.body = append(call.body, args...)
		return nil, nil
	}
	for call := len(d.callOf) - 1; call >= 0; call-- {
		if d.callOf[call] == block+1 {
			return llm.ToolCallDelta{Index: call, Args: args}, nil
		}
	}
	return nil, fmt.Errorf("tool input for content block %d, which is no tool use", block)
}

// reasoningDelta reads a member of ReasoningContentBlockDelta, or the content of a whole block,
// which differs in one level: {"reasoningText":{"text","signature"}}.
func reasoningDelta(s *jsonscan.Scanner) (llm.Event, error) {
	var r llm.ReasoningDelta
	var err error
	s.Object()
	for key, ok := s.Member(); ok && err == nil; key, ok = s.Member() {
		switch key {
		case "text":
			r.Text = s.String()
		case "signature":
			r.Signature = s.String()
		case "redactedContent":
			r.Redacted, err = decodeBase64(s.String())
		default:
			s.Skip()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("redactedContent: %w", err)
	}
	if r.Text == "" && r.Signature == "" && len(r.Redacted) == 0 {
		return nil, nil
	}
	return r, nil
}

func (d *decoder) blockStart(s *jsonscan.Scanner) (llm.Event, error) {
	block := -1
	var kind string
	var rest jsonscan.Scanner
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		switch key {
		case "contentBlockIndex":
			block = int(s.Int())
		case "start":
			s.Object()
			for member, ok := s.Member(); ok; member, ok = s.Member() {
				kind, rest = member, *s
				s.Skip()
			}
		default:
			s.Skip()
		}
	}
	if err := s.Err(); err != nil {
		return nil, err
	}
	return d.begin(&rest, kind, block)
}

// begin opens a block of a kind that has a start event. Text and reasoning have none.
func (d *decoder) begin(s *jsonscan.Scanner, kind string, block int) (llm.Event, error) {
	switch kind {
	case "":
		return nil, nil
	case "toolUse":
		call, input, err := toolUse(s)
		switch {
		case err != nil:
			return nil, err
		case input != nil:
			return nil, &unknownContent{"toolUse.input in a start event"}
		case call.served:
			d.extras.serve(block, call.ToolCallStart)
			return nil, s.Err()
		case s.Err() != nil:
			return nil, s.Err()
		}
		return d.beginCall(block, call.ToolCallStart)
	case "toolResult":
		d.extras.serveResult(s, block)
		return nil, s.Err()
	case "image":
		format, _, err := readFile(s, kind)
		d.drawn = append(d.drawn, drawing{block: block, format: format})
		return nil, err
	default:
		return nil, &unknownContent{kind}
	}
}

func (d *decoder) beginCall(block int, call llm.ToolCallStart) (llm.Event, error) {
	if call.ID == "" || call.Name == "" {
		return nil, fmt.Errorf("tool use %d has no id or no name", block)
	}
	if name, ok := d.names[call.Name]; ok {
		call.Name = name
	}
	call.Index = len(d.callOf)
	d.callOf = append(d.callOf, block+1)
	return call, nil
}

// toolStart is a ToolUseBlock without its input.
type toolStart struct {
	llm.ToolCallStart
	served bool // a tool that AWS runs
}

// toolUse reads a ToolUseBlock or a ToolUseBlockStart, which has no input.
func toolUse(s *jsonscan.Scanner) (call toolStart, input []byte, err error) {
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		switch key {
		case "toolUseId":
			call.ID = s.String()
		case "name":
			call.Name = s.String()
		case "input":
			input = s.Raw()
		case "type":
			// Models send the unmodelled "tool_use" too.
			call.served = s.String() == "server_tool_use"
		default:
			s.Skip()
		}
	}
	return call, input, s.Err()
}

func (d *decoder) messageStop(s *jsonscan.Scanner) error {
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		switch key {
		case "stopReason":
			d.stop(s.String())
		case "additionalModelResponseFields":
			d.extras.fields = s.Raw()
		default:
			s.Skip()
		}
	}
	d.due = append(d.due, d.cite.end()...) // of a block without a stop
	return d.endDrawings(func(drawing) bool { return true })
}

func (d *decoder) stop(word string) {
	d.stopped = true
	d.finish.Reason, d.finish.Detail = stopReason(word)
}

func (d *decoder) metadata(s *jsonscan.Scanner) {
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		d.about(s, key)
	}
}

// unknownContent is content that this version cannot carry to a client. It is an error: leaving it
// out would make a reply look whole that is not.
type unknownContent struct{ kind string }

func (e *unknownContent) Error() string { return "content of the unsupported kind " + e.kind }

func decodeBase64(text string) ([]byte, error) {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, errors.New("not base64")
	}
	return data, nil
}
