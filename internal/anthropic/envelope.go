package anthropic

import (
	"net/http"
	"strconv"
	"time"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// Envelope is what a reply says beside what the model said.
type Envelope struct {
	ID    string // of the request; the reply's id is "msg_" and this
	Model string // the deployment's name, as the client knows it
	// Header says in the reply's header what became of the request; may be nil. It is called once, before
	// the first byte.
	Header func(h http.Header, start *llm.Start)
	// Heartbeat is after how much silence WriteStream writes a ping; 0 means never.
	Heartbeat time.Duration
}

func (e *Envelope) setHeader(h http.Header, start *llm.Start) {
	requestID(h)
	if e.Header != nil {
		e.Header(h, start)
	}
}

// appendHead appends the members that a message begins with, up to its content.
func appendHead(dst []byte, env *Envelope) []byte {
	dst = append(dst, `{"id":"msg_`...)
	dst = jsonscan.AppendEscaped(dst, env.ID)
	dst = append(dst, `","type":"message","role":"assistant","model":`...)
	dst = jsonscan.AppendString(dst, env.Model)
	return append(dst, `,"content":[`...)
}

// stopReason is the wire's word. A reason that is none of them is told in the upstream's own word, or as
// "other": to call it an end of turn would be a lie. That a stop sequence ended the reply is not told by
// Bedrock's Converse in a way that says which.
func stopReason(f *llm.Finish) string {
	switch f.Reason {
	case llm.FinishStop:
		return "end_turn"
	case llm.FinishLength:
		if f.Detail == windowExceeded {
			return windowExceeded
		}
		return "max_tokens"
	case llm.FinishToolCalls:
		return "tool_use"
	case llm.FinishContentFilter:
		return "refusal"
	default:
		if f.Detail != "" {
			return f.Detail
		}
		return "other"
	}
}

const windowExceeded = "model_context_window_exceeded"

// appendStop appends stop_reason and stop_sequence.
func appendStop(dst []byte, f *llm.Finish) []byte {
	dst = append(dst, `"stop_reason":`...)
	dst = jsonscan.AppendString(dst, stopReason(f))
	return append(dst, `,"stop_sequence":null`...)
}

// noUsage is the usage of a message that has just begun: what it costs is known at its end.
const noUsage = `{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}`

// appendUsage counts as Anthropic does: input_tokens is without what was read from or written to a cache.
func appendUsage(dst []byte, u llm.Usage, tier string) []byte {
	number := func(name string, n int) {
		dst = append(dst, name...)
		dst = strconv.AppendInt(dst, int64(n), 10)
	}
	number(`{"input_tokens":`, u.Input)
	number(`,"cache_creation_input_tokens":`, u.CacheWrite)
	number(`,"cache_read_input_tokens":`, u.CacheRead)
	if u.CacheWrite > 0 {
		number(`,"cache_creation":{"ephemeral_5m_input_tokens":`, u.CacheWrite-u.CacheWrite1h)
		number(`,"ephemeral_1h_input_tokens":`, u.CacheWrite1h)
		dst = append(dst, '}')
	}
	number(`,"output_tokens":`, u.Output)
	number(`,"output_tokens_details":{"thinking_tokens":`, u.Reasoning)
	dst = append(dst, '}')
	if tier != "" {
		dst = append(dst, `,"service_tier":`...)
		dst = jsonscan.AppendString(dst, tier)
	}
	return append(dst, '}')
}

// appendCitation appends a citation in the shape of its kind
// (https://docs.anthropic.com/en/docs/build-with-claude/citations).
func appendCitation(dst []byte, c *llm.Citation) []byte {
	member := func(name, value string) {
		dst = append(dst, name...)
		dst = jsonscan.AppendString(dst, value)
	}
	number := func(name string, n int) {
		dst = append(dst, name...)
		dst = strconv.AppendInt(dst, int64(n), 10)
	}
	document := func(kind, from, to string) {
		dst = append(dst, `{"type":"`+kind+`"`...)
		member(`,"cited_text":`, c.Quote)
		number(`,"document_index":`, c.Document)
		member(`,"document_title":`, c.Title)
		number(`,"`+from+`":`, c.From)
		number(`,"`+to+`":`, c.To)
	}
	switch c.Unit {
	case "char":
		document("char_location", "start_char_index", "end_char_index")
	case "page":
		document("page_location", "start_page_number", "end_page_number")
	case "chunk":
		document("content_block_location", "start_block_index", "end_block_index")
	case "result":
		dst = append(dst, `{"type":"search_result_location"`...)
		member(`,"cited_text":`, c.Quote)
		number(`,"search_result_index":`, c.Document)
		member(`,"source":`, c.URL)
		member(`,"title":`, c.Title)
		number(`,"start_block_index":`, c.From)
		number(`,"end_block_index":`, c.To)
	default:
		dst = append(dst, `{"type":"web_search_result_location"`...)
		member(`,"cited_text":`, c.Quote)
		member(`,"url":`, c.URL)
		member(`,"title":`, c.Title)
		dst = append(dst, `,"encrypted_index":""`...)
	}
	return append(dst, '}')
}

func clientGone(err error) error {
	return &llm.Error{Kind: llm.KindCanceled, Message: "The client went away.", Err: err}
}

func unfinished() error {
	return &llm.Error{Kind: llm.KindInternal, Message: "The reply ended without a finish."}
}
