package proxy

import (
	"bytes"
	"slices"

	"outcrop/internal/jsonscan"
)

// scan looks at the lines of a stream of events while they pass, for what it cost and for its end. A stream that
// only stops is cut: where the other server's connection marks no end, or its process gave up between two
// events, nothing but the missing last event says so.
type scan struct {
	facts
	wire Wire
	id   string // of the request
	line []byte // of the line that has passed in part, as much of it as is looked at
	part bool   // there is one
	// complete says that the last event was one that nothing comes after: an error, or that of a wire whose last
	// event is not held back.
	complete bool
	stopping bool // the event whose lines come is named as one that nothing comes after
	erring   bool // it is named as an error, of Responses
	named    bool // the first line with data has been looked at for what every chunk says
	end      int  // where the last line begins in what is held back, behind a chunk of statistics or an event's name
}

const (
	// maxLine is how much of a line is looked at for a usage, in bytes.
	maxLine = 1 << 20
	// maxHeld is how much is held back at most of what may be the end, in bytes.
	maxHeld = bufferSize / 2
)

// take looks at what is at hand: the first of it is to be passed on now. The rest waits for more or, when the
// stream has ended, is its end.
func (s *scan) take(window []byte) (pass int, ended bool) {
	at := 0
	if s.part {
		i := bytes.IndexByte(window, '\n')
		if i < 0 {
			s.keep(window)
			return len(window), false
		}
		s.keep(window[:i])
		_ = s.kind(s.line)
		s.part, s.line, at = false, s.line[:0], i+1
	}
	held := -1 // where what is held back begins
	for {
		i := bytes.IndexByte(window[at:], '\n')
		if i < 0 {
			return s.rest(window, at, held)
		}
		switch s.kind(window[at : at+i]) {
		case lineEnd:
			if held < 0 {
				held = at
			}
			s.end = at - held
			return held, true
		case lineMaybe:
			held = at
		case lineOther:
			held = -1
		case lineEmpty:
		}
		at += i + 1
	}
}

// rest is take for a line that is not whole yet, which begins at at.
func (s *scan) rest(window []byte, at, held int) (pass int, ended bool) {
	line := window[at:]
	switch {
	case len(line) == 0:
	case !s.mayEnd(line):
		held = -1
	case held < 0:
		held = at
	}
	if held >= 0 && len(window)-held <= maxHeld {
		return held, false
	}
	if len(line) > 0 {
		s.part = true
		s.keep(line)
	}
	return len(window), false
}

// keep remembers a part of a line.
func (s *scan) keep(part []byte) {
	s.line = append(s.line, part[:min(len(part), maxLine-len(s.line))]...)
}

// lineKind is what a line of a stream means for its end.
type lineKind uint8

const (
	lineEmpty lineKind = iota // nothing
	lineOther                 // it is data, or the name of an event, and not the end
	lineMaybe                 // it is the end if that comes next
	lineEnd
)

const (
	doneLine    = "data:[DONE]"
	stopEvent   = "event:message_stop"
	stopLine    = `data:{"type":"message_stop"`
	chatError   = `data:{"error":`
	typedError  = `data:{"type":"error"`
	completed   = `data:{"type":"response.completed"`
	incomplete  = `data:{"type":"response.incomplete"`
	failed      = `data:{"type":"response.failed"`
	canceled    = `data:{"type":"response.cancelled"`
	emptyChunk  = `"choices":[]`
	usageMember = `"usage`
)

// kind looks at a whole line.
func (s *scan) kind(line []byte) lineKind {
	switch {
	case len(line) == 0 || line[0] == '\r':
		s.stopping = false
		return lineEmpty
	case line[0] == ':':
		return lineEmpty
	case s.isNameOfFinal(line):
		s.stopping = true
		return lineMaybe
	case !bytes.HasPrefix(line, []byte("data")):
		return lineOther
	case s.wire == Messages && (begins(line, stopLine) == whole || s.stopping && isObject(line)):
		return lineEnd
	case s.wire != Messages && s.wire != Responses && begins(line, doneLine) == whole:
		return lineEnd
	}
	if s.look(line) && s.wire == Chats && bytes.Contains(line, []byte(emptyChunk)) {
		return lineMaybe // ours may come in its place
	}
	return lineOther
}

// look reads a line with data; told says that it has statistics of the usage per model.
func (s *scan) look(line []byte) (told bool) {
	data, ok := bytes.CutPrefix(line, []byte("data:"))
	if !ok {
		return false
	}
	s.complete = s.isFinal(line) || s.wire == Responses && s.stopping
	s.failed = s.failed || s.complete && s.isError(line)
	if s.wire == Chats && !s.named {
		s.named, s.head = true, headOf(data, s.id)
	}
	usage := false
	for rest := data; ; {
		i := bytes.Index(rest, []byte(usageMember))
		if i < 0 {
			break
		}
		rest = rest[i+len(usageMember):]
		usage = usage || isMember(rest)
		told = told || bytes.HasPrefix(rest, []byte(`_per_model"`))
	}
	if usage || told {
		s.read(data, s.wire)
	}
	return told
}

// isMember says whether what comes behind the beginning of a member's name says that it has no more, and that it is an object.
func isMember(rest []byte) bool { return begins(rest, `":{`) == whole }

// isFinal says whether nothing comes after a line.
func (s *scan) isFinal(line []byte) bool {
	switch s.wire {
	case Messages:
		return begins(line, typedError) == whole
	case Responses:
		for _, last := range [...]string{completed, incomplete, failed, canceled, typedError} {
			if begins(line, last) == whole {
				return true
			}
		}
		return false
	default:
		return begins(line, chatError) == whole
	}
}

// isError says whether a line after which nothing comes is an error.
func (s *scan) isError(line []byte) bool {
	return s.wire != Responses || s.erring || begins(line, failed) == whole || begins(line, typedError) == whole
}

// isNameOfFinal says whether a line names an event that nothing comes after: its data may have its type anywhere.
func (s *scan) isNameOfFinal(line []byte) bool {
	switch s.wire {
	case Messages:
		return begins(line, stopEvent) == whole
	case Responses:
		name, ok := bytes.CutPrefix(line, []byte("event:"))
		if !ok {
			return false
		}
		name = bytes.TrimSpace(name)
		s.erring = string(name) == "error" || string(name) == "response.failed"
		return slices.Contains(finalNames[:], string(name))
	default:
		return false
	}
}

// finalNames are the events of Responses that nothing comes after.
var finalNames = [...]string{"response.completed", "response.incomplete", "response.failed", "response.cancelled", "error"}

// isObject says whether a line has the whole of its data, a JSON object.
func isObject(line []byte) bool {
	data, ok := bytes.CutPrefix(line, []byte("data:"))
	s := jsonscan.New(data)
	s.Object()
	for _, more := s.Member(); more; _, more = s.Member() {
		s.Skip()
	}
	s.End()
	return ok && s.Err() == nil
}

// mayEnd says whether a line of which this is the beginning may be the end.
func (s *scan) mayEnd(line []byte) bool {
	switch s.wire {
	case Messages:
		return s.stopping || begins(line, stopEvent) != not || begins(line, stopLine) != not
	case Responses:
		return false
	default:
		return begins(line, doneLine) != not
	}
}

// endsWith says whether what is held back when the connection ends is the end, that only lacks its line break.
func (s *scan) endsWith(rest []byte) bool {
	at := bytes.LastIndexByte(rest, '\n') + 1
	line := rest[at:]
	if s.part {
		line = s.line
	}
	if len(line) == 0 {
		return false
	}
	end := s.kind(line) == lineEnd && !s.part
	s.complete = s.complete && isObject(line) // it may be cut within
	s.end = at
	return end
}

// last is the piece that ends the stream: what was held back of it, up to the line that says so.
func (s *scan) last(held []byte) Piece {
	last := s.facts.last(held)
	if len(held) == 0 {
		return last
	}
	line := held[s.end:]
	if i := bytes.IndexByte(line, '\n'); i >= 0 {
		line = line[:i]
	}
	line = bytes.TrimRight(line, "\r")
	held = append(held[:s.end+len(line)], "\n\n"...)
	last.Bytes, last.end, last.head = held, s.end, s.head
	switch s.wire {
	case Chats:
		if last.form = chatEnd; !s.named {
			last.head = headOf(nil, s.id)
		}
	case Messages:
		last.form = messagesEnd
	}
	return last
}

// beginning is how much of a pattern a text begins with.
type beginning uint8

const (
	not beginning = iota
	partly
	whole
)

// begins compares the beginning of a text to a pattern, but for the spaces in the text.
func begins(text []byte, pattern string) beginning {
	at := 0
	for _, c := range text {
		switch {
		case at == len(pattern):
			return whole
		case c == pattern[at]:
			at++
		case isSpace(c) && at > 0:
		default:
			return not
		}
	}
	if at == len(pattern) {
		return whole
	}
	return partly
}
