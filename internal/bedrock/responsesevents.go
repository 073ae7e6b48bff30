package bedrock

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
	"outcrop/internal/sse"
)

// responsesDecoder turns an answer of the Responses API, streamed or whole, into events.
// https://platform.openai.com/docs/api-reference/responses-streaming
type responsesDecoder struct {
	names    map[string]string
	id       string
	finish   llm.Finish
	finished bool
	calls    openCalls
	told     bool   // something of the answer has been given on
	argued   []bool // by call: its arguments have been told
	events   []llm.Event
}

// responsesEvent holds the members of a streaming event that matter to us.
type responsesEvent struct {
	kind, delta  string
	index, part  int // output_index; summary_index
	item, answer []byte
}

// frame implements frameFunc.
func (d *responsesDecoder) frame(f sse.Frame) (events []llm.Event, done bool, err error) {
	d.events = d.events[:0]
	if string(f.Data) == "[DONE]" {
		return nil, false, errNoCompletion // a good end has been before it
	}
	e, err := readResponsesEvent(f.Data)
	if err != nil {
		return nil, false, fmt.Errorf("responses event: %w", err)
	}
	if e.kind == "error" || f.Event == "error" || strings.HasSuffix(f.Event, "Exception") {
		return nil, false, reported(f.Event, f.Data)
	}
	if err := d.event(e); err != nil {
		return nil, false, fmt.Errorf("responses event %s: %w", safeWord(e.kind), err)
	}
	if d.finished {
		d.events = append(d.events, d.finish)
	}
	return d.events, d.finished, nil
}

var errNoCompletion = errors.New("the stream ended without response.completed")

// safeWord keeps what is not a word of the protocol out of the log.
func safeWord(kind string) string {
	if codePattern.MatchString(kind) {
		return strings.Clone(kind)
	}
	return "of an unknown kind"
}

func readResponsesEvent(data []byte) (e responsesEvent, err error) {
	s := jsonscan.New(data)
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		switch key {
		case "type":
			e.kind = s.String()
		case "delta":
			if s.Kind() == '"' {
				e.delta = s.String()
			} else {
				s.Skip()
			}
		case "output_index":
			e.index = int(s.Int())
		case "summary_index":
			e.part = int(s.Int())
		case "item":
			e.item = s.Raw()
		case "response":
			e.answer = s.Raw()
		default:
			s.Skip()
		}
	}
	s.End()
	return e, s.Err()
}

func (d *responsesDecoder) event(e responsesEvent) error {
	switch e.kind {
	case "response.output_text.delta", "response.refusal.delta":
		d.say(false, e.delta)
	case "response.reasoning_summary_text.delta", "response.reasoning_text.delta":
		d.say(true, e.delta)
	case "response.reasoning_summary_part.added":
		if e.part > 0 {
			d.say(true, summaryBreak)
		}
	case "response.output_item.added":
		return d.item(e.item, e.index, itemBegun)
	case "response.function_call_arguments.delta":
		call, ok := d.calls.find(e.index, "")
		if !ok {
			return errors.New("arguments for an item that is no call")
		}
		d.args(call, e.delta)
	case "response.output_item.done":
		return d.item(e.item, e.index, itemDone)
	case "response.created", "response.queued", "response.in_progress":
		return d.answer(e.answer, false)
	case "response.completed", "response.incomplete", "response.failed", "response.cancelled":
		return d.answer(e.answer, true)
	default:
		// What is not modelled yet is skipped, but not content, or the answer would look whole that is not.
		if strings.HasSuffix(e.kind, ".delta") {
			return &unknownContent{safeWord(e.kind)}
		}
	}
	return nil
}

// summaryBreak stands between the summaries of one item.
const summaryBreak = "\n\n"

func (d *responsesDecoder) say(thought bool, text string) {
	if text == "" {
		return
	}
	d.told = true
	switch {
	case thought:
		d.events = append(d.events, llm.ReasoningDelta{Text: strings.Clone(text)})
	default:
		d.events = append(d.events, &llm.TextDelta{Text: strings.Clone(text)})
	}
}

func (d *responsesDecoder) args(call int, args string) {
	if args != "" {
		d.argued[call] = true
		d.events = append(d.events, llm.ToolCallDelta{Index: call, Args: strings.Clone(args)})
	}
}

// itemState is how much of an item is told.
type itemState uint8

const (
	itemBegun itemState = iota // its head; deltas follow
	itemDone                   // the whole, whose deltas have been
	itemWhole                  // the whole, without deltas
)

type responsesItem struct {
	kind, id, callID, name, args, sealed string
	texts, summary                       []string
}

func (d *responsesDecoder) item(raw []byte, index int, state itemState) error {
	it, err := readResponsesItem(raw)
	if err != nil {
		return err
	}
	switch it.kind {
	case "message":
		if state == itemWhole {
			for _, text := range it.texts {
				d.say(false, text)
			}
		}
	case "reasoning":
		d.reasoning(&it, state)
	case "function_call":
		return d.call(&it, index, state)
	default:
		return &unknownContent{safeWord(it.kind)}
	}
	return nil
}

func (d *responsesDecoder) reasoning(it *responsesItem, state itemState) {
	if state == itemBegun {
		return
	}
	if state == itemWhole {
		d.say(true, cmp.Or(strings.Join(it.summary, summaryBreak), strings.Join(it.texts, "")))
	}
	if it.sealed != "" {
		d.told = true
		d.events = append(d.events, llm.ReasoningDelta{Signature: sealPrefix + it.id + ":" + it.sealed})
	}
}

func (d *responsesDecoder) call(it *responsesItem, index int, state itemState) error {
	if call, ok := d.calls.find(index, it.callID); ok && state == itemDone {
		if !d.argued[call] {
			d.args(call, it.args)
		}
		return nil
	}
	if it.callID == "" || it.name == "" {
		return errors.New("a function call without call_id or name")
	}
	call := d.calls.begin(index, it.callID)
	d.told, d.argued = true, append(d.argued, false)
	name := strings.Clone(it.name)
	if own, ok := d.names[name]; ok {
		name = own
	}
	d.events = append(d.events, llm.ToolCallStart{Index: call, ID: uniqueCallID(it.callID, d.id, call), Name: name})
	d.args(call, it.args)
	return nil
}

func readResponsesItem(raw []byte) (it responsesItem, err error) {
	s := jsonscan.New(raw)
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		switch key {
		case "type":
			it.kind = s.String()
		case "id":
			it.id = optionalString(&s)
		case "call_id":
			it.callID = optionalString(&s)
		case "name":
			it.name = optionalString(&s)
		case "arguments":
			it.args = optionalString(&s)
		case "encrypted_content":
			it.sealed = optionalString(&s)
		case "content":
			it.texts = readTextParts(&s)
		case "summary":
			it.summary = readTextParts(&s)
		default:
			s.Skip()
		}
	}
	s.End()
	return it, s.Err()
}

// readTextParts reads the texts of a list of parts; a refusal is what the model says.
func readTextParts(s *jsonscan.Scanner) (texts []string) {
	if s.Null() {
		return nil
	}
	for s.Array(); s.Element(); {
		s.Object()
		for key, ok := s.Member(); ok; key, ok = s.Member() {
			switch key {
			case "text", "refusal":
				texts = append(texts, optionalString(s))
			default:
				s.Skip()
			}
		}
	}
	return texts
}

// whole decodes an answer that is not a stream.
func (d *responsesDecoder) whole(body []byte) ([]llm.Event, error) {
	if err := d.answer(body, true); err != nil {
		return nil, fmt.Errorf("responses answer: %w", err)
	}
	if !d.finished {
		return nil, errNoAnswer
	}
	return append(d.events, d.finish), nil
}

// answer reads a response object. The one that ends a stream repeats the items that its deltas have
// told: they are read only where nothing has been.
func (d *responsesDecoder) answer(raw []byte, last bool) error {
	var status, reason string
	var output, failure []byte
	s := jsonscan.New(raw)
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		switch key {
		case "id":
			d.id = strings.Clone(optionalString(&s))
		case "status":
			status = strings.Clone(optionalString(&s))
		case "service_tier":
			d.finish.Tier = strings.Clone(optionalString(&s))
		case "usage":
			if !s.Null() {
				d.finish.Usage = readOpenAIUsage(&s)
			}
		case "output":
			output = s.Raw()
		case "incomplete_details":
			reason = readReason(&s)
		case "error":
			if raw := s.Raw(); string(raw) != "null" {
				failure = raw
			}
		default:
			s.Skip()
		}
	}
	s.End()
	if err := s.Err(); err != nil || !last {
		return err
	}
	return d.end(status, reason, output, failure)
}

func readReason(s *jsonscan.Scanner) (reason string) {
	if s.Null() {
		return ""
	}
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		if key == "reason" {
			reason = strings.Clone(optionalString(s))
		} else {
			s.Skip()
		}
	}
	return reason
}

func (d *responsesDecoder) end(status, reason string, output, failure []byte) error {
	switch {
	case failure != nil:
		return reported("", append(append([]byte(`{"error":`), failure...), '}'))
	case status == "failed" || status == "cancelled":
		return reported("", []byte(`{}`))
	}
	if !d.told && len(output) > 0 {
		s := jsonscan.New(output)
		s.Array()
		for i := 0; s.Element(); i++ {
			if err := d.item(s.Raw(), i, itemWhole); err != nil {
				return err
			}
		}
		if err := s.Err(); err != nil {
			return err
		}
	}
	switch {
	case status == "completed" && d.calls.count() > 0:
		d.finish.Reason = llm.FinishToolCalls
	case status == "completed":
		d.finish.Reason = llm.FinishStop
	case status == "incomplete" && reason == "max_output_tokens":
		d.finish.Reason = llm.FinishLength
	case status == "incomplete" && reason == "content_filter":
		d.finish.Reason = llm.FinishContentFilter
	case status == "incomplete":
		d.finish.Reason, d.finish.Detail = llm.FinishOther, "incomplete: "+safeWord(reason)
	default:
		return errNoAnswer
	}
	d.finished = true
	return nil
}
