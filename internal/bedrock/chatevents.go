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

// chatDecoder turns an answer of chat completions, streamed or whole, into events.
type chatDecoder struct {
	names   map[string]string // what the request's tools are really called
	tags    tagReader
	id      string // of the answer
	finish  llm.Finish
	stopped bool // a finish reason has come
	calls   openCalls
	events  []llm.Event // of the frame at hand
}

// frame implements frameFunc.
func (d *chatDecoder) frame(f sse.Frame) (events []llm.Event, done bool, err error) {
	d.events = d.events[:0]
	if string(f.Data) == "[DONE]" {
		if !d.stopped {
			return nil, false, errNoFinishReason
		}
		d.events = append(d.events, d.finish)
		return d.events, true, nil
	}
	if err := streamError(f); err != nil {
		return nil, false, err
	}
	if err := d.document(f.Data); err != nil {
		return nil, false, fmt.Errorf("chat completion chunk: %w", err)
	}
	return d.events, false, nil
}

var errNoFinishReason = errors.New("the stream ended without a finish_reason")

// whole decodes an answer that is not a stream.
func (d *chatDecoder) whole(body []byte) ([]llm.Event, error) {
	if err := d.document(body); err != nil {
		return nil, fmt.Errorf("chat completion: %w", err)
	}
	if !d.stopped {
		return nil, errNoAnswer
	}
	return append(d.events, d.finish), nil
}

func (d *chatDecoder) document(data []byte) error {
	s := jsonscan.New(data)
	var err error
	var early []byte
	s.Object()
	for key, ok := s.Member(); ok && err == nil; key, ok = s.Member() {
		switch key {
		case "id":
			if id := optionalString(&s); d.id == "" {
				d.id = strings.Clone(id)
			}
		case "choices":
			if d.id == "" {
				early = s.Raw() // the calls in it are named after the answer, whose id may come later
				continue
			}
			err = d.choices(&s)
		case "usage":
			if !s.Null() {
				d.finish.Usage = readOpenAIUsage(&s)
			}
		case "error":
			if !s.Null() {
				err = reported("", data)
			}
		case "service_tier":
			d.finish.Tier = strings.Clone(optionalString(&s))
		default:
			s.Skip()
		}
	}
	if err != nil {
		return err
	}
	s.End()
	if s.Err() != nil || early == nil {
		return s.Err()
	}
	s = jsonscan.New(early)
	return cmp.Or(d.choices(&s), s.Err())
}

func (d *chatDecoder) choices(s *jsonscan.Scanner) (err error) {
	for s.Array(); err == nil && s.Element(); {
		err = d.choice(s)
	}
	return err
}

// optionalString reads a string or a null.
func optionalString(s *jsonscan.Scanner) string {
	if s.Null() {
		return ""
	}
	return s.String()
}

func (d *chatDecoder) choice(s *jsonscan.Scanner) (err error) {
	word := ""
	s.Object()
	for key, ok := s.Member(); ok && err == nil; key, ok = s.Member() {
		switch key {
		case "index":
			if s.Int() != 0 {
				err = &unknownContent{"a second choice"}
			}
		case "delta", "message":
			if !s.Null() {
				err = d.message(s)
			}
		case "finish_reason":
			word = strings.Clone(optionalString(s))
		default:
			s.Skip()
		}
	}
	if err == nil && s.Err() == nil && word != "" {
		d.stop(word)
	}
	return err
}

// stop takes the finish reason. A model that was told which tool to call ends with "stop" by OpenAI's
// rules; that it called is what counts.
func (d *chatDecoder) stop(word string) {
	d.tags.end(d.text)
	d.stopped = true
	d.finish.Reason, d.finish.Detail = chatFinish(word)
	if d.finish.Reason == llm.FinishStop && d.calls.count() > 0 {
		d.finish.Reason = llm.FinishToolCalls
	}
}

// chatFinish maps OpenAI's words; a word that is not here becomes FinishOther with the word as its
// detail.
func chatFinish(word string) (reason llm.FinishReason, detail string) {
	switch word {
	case "stop":
		return llm.FinishStop, ""
	case "length":
		return llm.FinishLength, ""
	case "tool_calls", "function_call":
		return llm.FinishToolCalls, ""
	case "content_filter":
		return llm.FinishContentFilter, ""
	default:
		return llm.FinishOther, word
	}
}

// delta is what a delta or a message holds, in the order in which it means something.
type chatDelta struct {
	reasoning, content string
	calls              []chatCall
}

type chatCall struct {
	index          int
	id, name, args string
}

func (d *chatDecoder) message(s *jsonscan.Scanner) (err error) {
	var m chatDelta
	s.Object()
	for key, ok := s.Member(); ok && err == nil; key, ok = s.Member() {
		switch key {
		case "content":
			m.content += chatContent(s)
		case "refusal":
			m.content += optionalString(s)
		case "reasoning_content", "reasoning":
			// Some servers write the same under both names.
			if text := optionalString(s); m.reasoning == "" {
				m.reasoning = text
			}
		case "tool_calls":
			if !s.Null() {
				m.calls = readChatCalls(s)
			}
		case "function_call", "audio":
			if !s.Null() {
				err = &unknownContent{key}
			}
		default:
			s.Skip()
		}
	}
	if err != nil || s.Err() != nil {
		return err
	}
	if d.stopped && (m.content != "" || m.reasoning != "" || len(m.calls) > 0) {
		return errors.New("content after the finish_reason")
	}
	return d.say(&m)
}

func (d *chatDecoder) say(m *chatDelta) error {
	if m.reasoning != "" {
		d.tags.on = false
		d.text(true, m.reasoning)
	}
	if m.content != "" {
		d.tags.add(m.content, d.text)
	}
	for _, c := range m.calls {
		if err := d.call(c); err != nil {
			return err
		}
	}
	return nil
}

// text yields a piece of the answer. It is copied: the frame's memory is used again.
func (d *chatDecoder) text(thought bool, text string) {
	if thought {
		d.events = append(d.events, llm.ReasoningDelta{Text: strings.Clone(text)})
	} else {
		d.events = append(d.events, &llm.TextDelta{Text: strings.Clone(text)})
	}
}

// chatContent reads content: a string, a null, or a list of text parts.
func chatContent(s *jsonscan.Scanner) string {
	if s.Kind() != '[' {
		return optionalString(s)
	}
	text := ""
	for s.Array(); s.Element(); {
		s.Object()
		for key, ok := s.Member(); ok; key, ok = s.Member() {
			if key == "text" {
				text += s.String()
			} else {
				s.Skip()
			}
		}
	}
	return text
}

func readChatCalls(s *jsonscan.Scanner) (calls []chatCall) {
	for s.Array(); s.Element(); {
		c := chatCall{index: len(calls)} // a whole message counts by order
		s.Object()
		for key, ok := s.Member(); ok; key, ok = s.Member() {
			switch key {
			case "index":
				c.index = int(s.Int())
			case "id":
				c.id = optionalString(s)
			case "function":
				s.Object()
				for key, ok := s.Member(); ok; key, ok = s.Member() {
					switch key {
					case "name":
						c.name = optionalString(s)
					case "arguments":
						c.args = chatArguments(s)
					default:
						s.Skip()
					}
				}
			default:
				s.Skip()
			}
		}
		calls = append(calls, c)
	}
	return calls
}

// chatArguments reads arguments, which some models' servers give as the object itself.
func chatArguments(s *jsonscan.Scanner) string {
	if s.Kind() == '{' {
		return string(s.Raw())
	}
	return optionalString(s)
}

// call yields the begin of a call, more of its arguments, or both.
func (d *chatDecoder) call(c chatCall) error {
	d.tags.end(d.text)
	call, known := d.calls.find(c.index, c.id)
	if !known {
		if c.name == "" {
			return fmt.Errorf("arguments for tool call %d, which has no name", c.index)
		}
		call = d.calls.begin(c.index, c.id)
		name := strings.Clone(c.name)
		if own, ok := d.names[name]; ok {
			name = own
		}
		d.events = append(d.events, llm.ToolCallStart{Index: call, ID: uniqueCallID(c.id, d.id, call), Name: name})
	}
	if c.args != "" {
		d.events = append(d.events, llm.ToolCallDelta{Index: call, Args: strings.Clone(c.args)})
	}
	return nil
}

// readOpenAIUsage reads the usage of both of OpenAI's APIs. Their prompt includes what was cached.
func readOpenAIUsage(s *jsonscan.Scanner) (u llm.Usage) {
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		switch key {
		case "prompt_tokens", "input_tokens":
			u.Input = count(s)
		case "completion_tokens", "output_tokens":
			u.Output = count(s)
		case "prompt_tokens_details", "input_tokens_details":
			u.CacheRead = readDetail(s, "cached_tokens")
		case "completion_tokens_details", "output_tokens_details":
			u.Reasoning = readDetail(s, "reasoning_tokens")
		default:
			s.Skip()
		}
	}
	u.CacheRead = min(u.CacheRead, u.Input)
	u.Input -= u.CacheRead
	return u
}

func readDetail(s *jsonscan.Scanner, name string) (n int) {
	if s.Null() {
		return 0
	}
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		if key == name {
			n = count(s)
		} else {
			s.Skip()
		}
	}
	return n
}
