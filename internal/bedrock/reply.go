package bedrock

import (
	"errors"
	"fmt"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

var errNoAnswer = errors.New("the reply holds no output.message.content or no stopReason")

// reply decodes the answer of Converse into the events that ConverseStream would have sent.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
func (d *decoder) reply(body []byte) (events []llm.Event, err error) {
	s := jsonscan.New(body)
	answered := false
	s.Object()
	for key, ok := s.Member(); ok && err == nil; key, ok = s.Member() {
		switch key {
		case "output":
			events, answered, err = d.output(&s)
		case "stopReason":
			d.stop(s.String())
		case "additionalModelResponseFields":
			d.extras.fields = s.Raw()
		default:
			d.about(&s, key)
		}
	}
	if err != nil {
		return nil, err
	}
	s.End()
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("converse reply: %w", err)
	}
	if !d.stopped || !answered {
		return nil, errNoAnswer
	}
	return append(events, d.close()), nil
}

// output reads the answer; answered is false when it holds no list of content, not even an empty one.
func (d *decoder) output(s *jsonscan.Scanner) (events []llm.Event, answered bool, err error) {
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		if key != "message" {
			s.Skip()
			continue
		}
		s.Object()
		for key, ok := s.Member(); ok; key, ok = s.Member() {
			if key != "content" {
				s.Skip()
				continue
			}
			answered = true
			s.Array()
			for block := 0; s.Element(); block++ {
				if events, err = d.block(s, block, events); err != nil {
					return nil, false, err
				}
			}
		}
	}
	return events, answered, nil
}

// block appends the events of one ContentBlock.
func (d *decoder) block(s *jsonscan.Scanner, block int, events []llm.Event) ([]llm.Event, error) {
	s.Object()
	for kind, ok := s.Member(); ok; kind, ok = s.Member() {
		var err error
		var more []llm.Event
		var event llm.Event
		switch kind {
		case "text":
			if text := s.String(); text != "" {
				d.cite.text(block, text)
				event = &llm.TextDelta{Text: text}
			}
		case "citationsContent":
			more = d.citationsBlock(s, block)
		case "toolUse":
			more, err = d.callBlock(s, block)
		case "toolResult":
			d.extras.serveResult(s, block)
		case "reasoningContent":
			more, err = reasoningBlock(s)
		case "image", "audio":
			event, err = fileBlock(s, kind)
		default:
			err = &unknownContent{kind}
		}
		if err != nil {
			return nil, err
		}
		if event != nil {
			more = append(more, event)
		}
		events = append(events, more...)
	}
	return events, nil
}

// callBlock reads a ToolUseBlock.
func (d *decoder) callBlock(s *jsonscan.Scanner, block int) ([]llm.Event, error) {
	call, input, err := toolUse(s)
	if err != nil {
		return nil, err
	}
	if len(input) == 0 || input[0] != '{' {
		return nil, fmt.Errorf("the input of tool use %d is not an object", block)
	}
	if call.served {
		d.extras.serve(block, call.ToolCallStart)
		d.extras.find(block).body = input
		return nil, nil
	}
	event, err := d.beginCall(block, call.ToolCallStart)
	if err != nil {
		return nil, err
	}
	if len(input) == len("{}") {
		return []llm.Event{event}, nil
	}
	return []llm.Event{event, llm.ToolCallDelta{Index: len(d.callOf) - 1, Args: string(input)}}, nil
}

// reasoningBlock reads a ReasoningContentBlock: {"reasoningText":{…}} or {"redactedContent":…}.
func reasoningBlock(s *jsonscan.Scanner) (events []llm.Event, err error) {
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		switch key {
		case "reasoningText":
			event, err := reasoningDelta(s)
			if err != nil {
				return nil, err
			}
			events = append(events, splitReasoning(event)...)
		case "redactedContent":
			redacted, err := decodeBase64(s.String())
			if err != nil {
				return nil, fmt.Errorf("redactedContent: %w", err)
			}
			events = append(events, llm.ReasoningDelta{Redacted: redacted})
		default:
			return nil, &unknownContent{"reasoningContent." + key}
		}
	}
	return events, nil
}

// splitReasoning gives text and signature an event each, as they come in a stream.
func splitReasoning(event llm.Event) []llm.Event {
	r, ok := event.(llm.ReasoningDelta)
	if !ok {
		return nil
	}
	var events []llm.Event
	if r.Text != "" {
		events = append(events, llm.ReasoningDelta{Text: r.Text})
	}
	if r.Signature != "" {
		events = append(events, llm.ReasoningDelta{Signature: r.Signature})
	}
	return events
}
