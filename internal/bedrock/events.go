package bedrock

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// The events of ConverseStream.
const (
	eventMessageStart = "messageStart"
	eventBlockStart   = "contentBlockStart"
	eventDelta        = "contentBlockDelta"
	eventBlockStop    = "contentBlockStop"
	eventMessageStop  = "messageStop"
	eventMetadata     = "metadata"
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
	finish  llm.Finish
	stopped bool  // a stop reason has come
	callOf  []int // content block index + 1 of each call, in order
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
		event, err = d.delta(&s)
	case eventBlockStart:
		event, err = d.blockStart(&s)
	case eventMessageStop:
		d.messageStop(&s)
	case eventMetadata:
		d.metadata(&s)
	case eventMessageStart, eventBlockStop:
		// They say nothing that the order of the events does not.
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
	return event, nil
}

// carriesContent says whether an event belongs to a reply's content or ends it.
func carriesContent(eventType string, payload []byte) bool {
	return eventType == eventMessageStop || bytes.Contains(payload, []byte(`"contentBlockIndex"`))
}

func (d *decoder) delta(s *jsonscan.Scanner) (event llm.Event, err error) {
	block := -1
	var args string
	var isArgs bool
	s.Object()
	for key, ok := s.Member(); ok && err == nil; key, ok = s.Member() {
		switch key {
		case "contentBlockIndex":
			block = int(s.Int())
		case "delta":
			s.Object()
			for kind, ok := s.Member(); ok && err == nil; kind, ok = s.Member() {
				switch kind {
				case "text":
					event = textDelta(s.String())
				case "toolUse":
					args, isArgs = toolInput(s), true
				case "reasoningContent":
					event, err = reasoningDelta(s)
				default:
					return nil, &unknownContent{kind}
				}
			}
		default:
			s.Skip()
		}
	}
	if isArgs && err == nil && s.Err() == nil {
		return d.toolDelta(block, args)
	}
	return event, err
}

// textDelta is nil for the empty fragment with which some models open a block.
func textDelta(text string) llm.Event {
	if text == "" {
		return nil
	}
	return llm.TextDelta{Text: text}
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

func (d *decoder) blockStart(s *jsonscan.Scanner) (event llm.Event, err error) {
	block := -1
	var call llm.ToolCallStart
	var isCall bool
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		switch key {
		case "contentBlockIndex":
			block = int(s.Int())
		case "start":
			s.Object()
			for kind, ok := s.Member(); ok; kind, ok = s.Member() {
				if kind != "toolUse" {
					return nil, &unknownContent{kind}
				}
				var input []byte
				isCall = true
				if call, input, err = toolUse(s); err != nil {
					return nil, err
				}
				if input != nil {
					return nil, &unknownContent{"toolUse.input in a start event"}
				}
			}
		default:
			s.Skip()
		}
	}
	if isCall && s.Err() == nil {
		return d.beginCall(block, call)
	}
	return nil, nil
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

// toolUse reads a ToolUseBlock or a ToolUseBlockStart, which has no input.
func toolUse(s *jsonscan.Scanner) (call llm.ToolCallStart, input []byte, err error) {
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
			// Models send the unmodelled "tool_use"; "server_tool_use" is a tool that AWS runs.
			if kind := s.String(); kind == "server_tool_use" {
				return call, nil, &unknownContent{kind}
			}
		default:
			s.Skip()
		}
	}
	return call, input, nil
}

func (d *decoder) messageStop(s *jsonscan.Scanner) {
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		if key == "stopReason" {
			d.stop(s.String())
		} else {
			s.Skip()
		}
	}
}

func (d *decoder) stop(word string) {
	d.stopped = true
	d.finish.Reason, d.finish.Detail = stopReason(word)
}

func (d *decoder) metadata(s *jsonscan.Scanner) {
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		if key == "usage" {
			d.finish.Usage = readUsage(s)
		} else {
			s.Skip()
		}
	}
}

// readUsage reads a TokenUsage. inputTokens excludes cached tokens, as Usage.Input does.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html
func readUsage(s *jsonscan.Scanner) (u llm.Usage) {
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		switch key {
		case "inputTokens":
			u.Input = count(s)
		case "outputTokens":
			u.Output = count(s)
		case "cacheReadInputTokens":
			u.CacheRead = count(s)
		case "cacheWriteInputTokens":
			u.CacheWrite = count(s)
		case "cacheDetails":
			if s.Null() {
				continue
			}
			for s.Array(); s.Element(); {
				u.CacheWrite1h += readCacheDetail(s)
			}
		default:
			s.Skip()
		}
	}
	return u
}

// count reads a number of tokens; a null is none.
func count(s *jsonscan.Scanner) int {
	if s.Null() {
		return 0
	}
	return int(max(s.Int(), 0))
}

// readCacheDetail returns the tokens of a CacheDetail whose ttl is an hour.
func readCacheDetail(s *jsonscan.Scanner) int {
	var ttl string
	var tokens int
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		switch key {
		case "ttl":
			ttl = s.String()
		case "inputTokens":
			tokens = count(s)
		default:
			s.Skip()
		}
	}
	if ttl != "1h" {
		return 0
	}
	return tokens
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
