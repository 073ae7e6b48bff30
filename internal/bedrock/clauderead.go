package bedrock

import (
	"fmt"
	"strings"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// block is a content block of Anthropic's, whole or at its beginning.
type block struct {
	kind, text, thinking, signature, data string
	id, name                              string
	input                                 []byte
	toolUse                               string // of the result of a tool that the server ran: its call
	content                               []byte // of such a result
	citations                             []llm.Citation
}

func (b *block) read(s *jsonscan.Scanner) {
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		if s.Null() {
			continue
		}
		switch key {
		case "type":
			b.kind = s.String()
		case "text":
			b.text = s.String()
		case "thinking":
			b.thinking = s.String()
		case "signature":
			b.signature = s.String()
		case "data":
			b.data = s.String()
		case "id":
			b.id = s.String()
		case "name":
			b.name = s.String()
		case "input":
			b.input = s.Raw()
		case "tool_use_id":
			b.toolUse = s.String()
		case "content":
			b.content = s.Raw()
		case "citations":
			for s.Array(); s.Element(); {
				b.citations = append(b.citations, readMessagesCitation(s))
			}
		default:
			s.Skip()
		}
	}
}

// blockChange is the delta of an event: more of a block, or what message_delta says of the message.
type blockChange struct {
	kind, text, thinking, signature, input string
	citation                               llm.Citation
	stop                                   string
	details                                []byte
}

func (c *blockChange) read(s *jsonscan.Scanner) {
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		switch {
		case s.Null():
		case key == "type":
			c.kind = s.String()
		case key == "text":
			c.text = s.String()
		case key == "thinking":
			c.thinking = s.String()
		case key == "signature":
			c.signature = s.String()
		case key == "partial_json":
			c.input = s.String()
		case key == "citation":
			c.citation = readMessagesCitation(s)
		case key == "stop_reason":
			c.stop = s.String()
		case key == "stop_details":
			c.details = s.Raw()
		default:
			s.Skip()
		}
	}
}

// readMessagesCitation reads one of the five locations. Pages count from 1, as Converse has them.
// https://docs.claude.com/en/docs/build-with-claude/citations
func readMessagesCitation(s *jsonscan.Scanner) (c llm.Citation) {
	var source string
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		switch {
		case s.Null():
		case key == "type":
			c.Unit = citationUnit(s.String())
		case key == "cited_text":
			c.Quote = s.String()
		case key == "document_title", key == "title":
			c.Title = s.String()
		case key == "document_index", key == "search_result_index":
			c.Document = int(s.Int())
		case key == "start_char_index", key == "start_page_number", key == "start_block_index":
			c.From = int(s.Int())
		case key == "end_char_index", key == "end_page_number", key == "end_block_index":
			c.To = int(s.Int())
		case key == "url":
			c.URL = s.String()
		case key == "source":
			source = s.String()
		default:
			s.Skip()
		}
	}
	if c.Title == "" {
		c.Title = source
	}
	if c.URL == "" && (strings.HasPrefix(source, "https://") || strings.HasPrefix(source, "http://")) {
		c.URL = source
	}
	return c
}

// citationUnit is what a citation of a type counts.
func citationUnit(kind string) string {
	switch kind {
	case "char_location":
		return "char"
	case "page_location":
		return "page"
	case "content_block_location":
		return "chunk"
	case "search_result_location":
		return "result"
	default: // web_search_result_location
		return ""
	}
}

// serveBlock keeps the result of a tool that the server ran.
func (x *extras) serveBlock(index int, b *block) {
	head := append([]byte(nil), `{"toolResult":{"toolUseId":`...)
	head = jsonscan.AppendString(head, b.toolUse)
	head = append(head, `,"type":`...)
	head = jsonscan.AppendString(head, b.kind)
	body := b.content
	if len(body) > 1 && body[0] == '[' {
		body = body[1 : len(body)-1]
	}
	x.served = append(x.served, served{block: index, result: true, head: string(append(head, `,"content":`...)), body: body})
}

// opening reads what message_start says of the message.
func (d *messagesDecoder) opening(s *jsonscan.Scanner) {
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		d.about(s, key)
	}
}

// about reads a member of the message, or what AWS adds to it.
// https://docs.aws.amazon.com/bedrock/latest/userguide/guardrails-use-invoke-model.html
func (d *messagesDecoder) about(s *jsonscan.Scanner, key string) {
	switch {
	case s.Null():
	case key == "usage":
		d.usage(s)
	case key == "amazon-bedrock-guardrailAction":
		d.filtered = s.String() == "INTERVENED" || d.filtered // a later event may say NONE of itself
	case key == "amazon-bedrock-trace":
		d.extras.trace = s.Raw()
	default:
		s.Skip()
	}
}

// usage reads what has been counted so far: a later event replaces what an earlier one said.
func (d *messagesDecoder) usage(s *jsonscan.Scanner) {
	u := &d.finish.Usage
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		switch {
		case s.Null():
		case key == "input_tokens":
			u.Input = count(s)
		case key == "output_tokens":
			u.Output = count(s)
		case key == "cache_read_input_tokens":
			u.CacheRead = count(s)
		case key == "cache_creation_input_tokens":
			u.CacheWrite = count(s)
		case key == "cache_creation":
			u.CacheWrite1h = readDetail(s, "ephemeral_1h_input_tokens")
		case key == "output_tokens_details":
			u.Reasoning = readDetail(s, "thinking_tokens")
		case key == "service_tier":
			d.extras.tier = s.String()
			if d.extras.tier == "standard" {
				d.extras.tier = "default"
			}
		default:
			s.Skip()
		}
	}
}

// reply decodes an answer that is not a stream into the events that the stream would have had.
func (d *messagesDecoder) reply(body []byte) ([]llm.Event, error) {
	s := jsonscan.New(body)
	kind, stop, answered := "", "", false
	var details []byte
	var blocks []block
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		switch key {
		case "type":
			kind = s.String()
		case "content":
			answered = true
			for s.Array(); s.Element(); {
				blocks = append(blocks, block{})
				blocks[len(blocks)-1].read(&s)
			}
		case "stop_reason":
			stop = optionalString(&s)
		case "stop_details":
			if details = s.Raw(); string(details) == "null" {
				details = nil
			}
		default:
			d.about(&s, key)
		}
	}
	if kind == messageError {
		return nil, reported("", body)
	}
	s.End()
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("reply of Messages: %w", err)
	}
	if !answered || stop == "" {
		return nil, errNoAnswer
	}
	for i := range blocks {
		if err := d.whole(i, &blocks[i]); err != nil {
			return nil, err
		}
	}
	d.end(stop, details)
	d.finished()
	return append(d.events, d.close()), nil
}

// whole passes a block on that is complete.
func (d *messagesDecoder) whole(index int, b *block) error {
	calls := b.kind == "tool_use" || b.kind == "server_tool_use"
	if calls && (len(b.input) == 0 || b.input[0] != '{') {
		return fmt.Errorf("the input of tool use %d is not an object", index)
	}
	if err := d.begin(index, b); err != nil {
		return err
	}
	if b.kind == "tool_use" && len(b.input) > len("{}") {
		d.events = append(d.events, llm.ToolCallDelta{Index: len(d.callOf) - 1, Args: string(b.input)})
	}
	for _, citation := range b.citations {
		d.events = append(d.events, d.cite.add(index, citation)...)
	}
	d.events = append(d.events, d.cite.end()...)
	return nil
}
