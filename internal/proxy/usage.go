package proxy

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// facts are what an answer says of itself.
type facts struct {
	counts counts
	spent  bool   // counts are told
	model  string // "" when it is not told
	told   bool   // it has statistics of the usage per model
	failed bool   // it has an error in place of its end
	head   []byte // of a stream of chunks, the members that every chunk has: "id":"…","created":…,"model":"…",
}

// headOf is what a chunk has alike with all chunks of its stream. DIAL's own client takes none without.
// One that lacks its id or time gets that of the request.
func headOf(chunk []byte, id string) []byte {
	head, hasID, hasTime := []byte{}, false, false
	s := jsonscan.New(chunk)
	s.Object()
	for name, ok := s.Member(); ok; name, ok = s.Member() {
		kind := s.Kind()
		raw := s.Raw()
		if s.Err() == nil && ((name == "id" || name == "model") && kind == '"' || name == "created" && kind == '0') {
			head = append(append(append(append(head, '"'), name...), `":`...), raw...)
			head = append(head, ',')
			hasID, hasTime = hasID || name == "id", hasTime || name == "created"
		}
	}
	if !hasID {
		head = append(jsonscan.AppendString(append(head, `"id":`...), id), ',')
	}
	if !hasTime {
		head = append(strconv.AppendInt(append(head, `"created":`...), time.Now().Unix(), 10), ',')
	}
	return head
}

// counts are the members of a usage, by what they count.
type counts struct{ prompt, output, cached, written, written1h, reasoning int }

// last is the piece that ends an answer of which that is known.
func (f *facts) last(data []byte) Piece {
	p := f.piece(data)
	p.Last = true
	return p
}

// piece has what is known so far.
func (f *facts) piece(data []byte) Piece {
	p := Piece{Bytes: data, Model: f.model, Told: f.told, Failed: f.failed}
	if f.spent {
		p.Usage = &llm.Usage{
			Input: f.counts.prompt, Output: f.counts.output, CacheRead: f.counts.cached, CacheWrite: f.counts.written,
			CacheWrite1h: f.counts.written1h, Reasoning: f.counts.reasoning,
		}
	}
	return p
}

// read reads a document, or one event's; false says that it is no JSON object, of which nothing is kept.
func (f *facts) read(doc []byte, wire Wire) bool {
	s, next := jsonscan.New(doc), *f
	s.Object()
	next.members(&s, wire)
	s.End()
	if s.Err() != nil {
		return false
	}
	if next.model != f.model {
		next.model = strings.Clone(next.model) // it aliases the document
	}
	*f = next
	return true
}

// members reads those of an object that is open.
func (f *facts) members(s *jsonscan.Scanner, wire Wire) {
	for name, ok := s.Member(); ok; name, ok = s.Member() {
		switch kind := s.Kind(); {
		case name == "model" && kind == '"':
			f.model = s.String()
		case name == "usage" && kind == '{':
			f.usage(s, wire)
		case (name == "message" && wire == Messages || name == "response" && wire == Responses) && kind == '{':
			s.Object()
			f.members(s, wire)
		case name == "statistics" && kind == '{':
			s.Object()
			for name, ok := s.Member(); ok; name, ok = s.Member() {
				f.told = f.told || name == "usage_per_model"
				s.Skip()
			}
		default:
			s.Skip()
		}
	}
}

// usage reads a usage in OpenAI's words or in Anthropic's. Those of a stream of messages add to each other: the
// first event has the prompt, the last the output.
func (f *facts) usage(s *jsonscan.Scanner, wire Wire) {
	if f.spent = true; wire != Messages {
		f.counts = counts{}
	}
	f.counts.members(s)
	if wire != Messages { // there the prompt has the cached tokens
		f.counts.prompt = max(0, f.counts.prompt-f.counts.cached-f.counts.written)
	}
}

// members reads those of an object, and of the objects in it that say more.
func (c *counts) members(s *jsonscan.Scanner) {
	s.Object()
	for name, ok := s.Member(); ok; name, ok = s.Member() {
		switch kind := s.Kind(); {
		case kind == '{' && slices.Contains(details[:], name):
			c.members(s)
		case kind != '0':
			s.Skip()
		default:
			n := s.Float()
			if to := c.named(name); to != nil && n >= 0 && n < 1e12 {
				*to = int(n)
			}
		}
	}
}

// details are the members of a usage that say more of it.
var details = [...]string{"prompt_tokens_details", "completion_tokens_details", "input_tokens_details", "output_tokens_details", "cache_creation"}

// named is the count of that name, or nil.
func (c *counts) named(name string) *int {
	switch name {
	case "prompt_tokens", "input_tokens":
		return &c.prompt
	case "completion_tokens", "output_tokens":
		return &c.output
	case "cached_tokens", "cache_read_input_tokens":
		return &c.cached
	case "cache_write_tokens", "cache_creation_input_tokens":
		return &c.written
	case "cache_write_1h_tokens", "ephemeral_1h_input_tokens":
		return &c.written1h
	case "reasoning_tokens":
		return &c.reasoning
	default:
		return nil
	}
}

// With is the last piece with statistics of the usage per model, a JSON array: a chunk before [DONE], a member of
// message_stop, or one of the document, in place of what the answer tells itself. Where there is no place for
// them, or none are given, it is the piece as it came.
func (p *Piece) With(perModel []byte) []byte {
	if len(perModel) == 0 {
		return p.Bytes
	}
	out := make([]byte, 0, len(p.Bytes)+len(perModel)+128)
	switch p.form {
	case chatEnd:
		out = append(append(out, "data: {"...), p.head...)
		out = append(out, `"object":"chat.completion.chunk","choices":[],"statistics":{"usage_per_model":`...)
		out = append(append(out, perModel...), "}}\n\n"...)
		return append(out, p.Bytes[p.end:]...)
	case messagesEnd:
		return appendStatistics(out, p.Bytes, perModel)
	case document:
		return appendDocument(out, p.Bytes, perModel)
	default:
		return p.Bytes
	}
}

// appendStatistics appends an object with the member statistics at its end. What stands behind it stays there.
func appendStatistics(dst, object, perModel []byte) []byte {
	end := bytes.LastIndexByte(object, '}')
	if end < 0 {
		return append(dst, object...)
	}
	dst = append(dst, object[:end]...)
	if before := bytes.TrimRight(dst, " \t\r\n"); before[len(before)-1] != '{' {
		dst = append(dst, ',')
	}
	dst = append(dst, `"statistics":{"usage_per_model":`...)
	dst = append(append(dst, perModel...), '}')
	return append(dst, object[end:]...)
}

// appendDocument is appendStatistics of a document that may have some: usage_per_model takes the place of its
// own, or stands beside the others.
func appendDocument(dst, doc, perModel []byte) []byte {
	outer, found := memberOf(doc, "statistics")
	if !found || doc[outer.from] != '{' {
		return appendStatistics(dst, doc, perModel)
	}
	inner, found := memberOf(doc[outer.from:outer.to], "usage_per_model")
	if found {
		dst = append(dst, doc[:outer.from+inner.from]...)
		dst = append(dst, perModel...)
		return append(dst, doc[outer.from+inner.to:]...)
	}
	dst = append(dst, doc[:outer.from+1]...)
	dst = append(append(dst, `"usage_per_model":`...), perModel...)
	if rest := bytes.TrimLeft(doc[outer.from+1:], " \t\r\n"); rest[0] != '}' {
		dst = append(dst, ',')
	}
	return append(dst, doc[outer.from+1:]...)
}

// memberOf is where the value of an object's member is.
func memberOf(object []byte, member string) (value span, found bool) {
	s := jsonscan.New(object)
	s.Object()
	for name, ok := s.Member(); ok; name, ok = s.Member() {
		at := s.Offset()
		raw := s.Raw()
		if name == member {
			return span{at, at + len(raw)}, s.Err() == nil
		}
	}
	return span{}, false
}
