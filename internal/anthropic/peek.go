package anthropic

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// Head is what a server has to know of a request that a model of Anthropic's gets as it is.
type Head struct {
	Model  string // "" when absent
	Stream bool
	// Cached is the last block with a cache breakpoint, "system[0]" or "messages[3].content[1]", in the
	// order in which the model reads: tools, system, messages. "" when there is none.
	Cached string
	// CachedFor is how long the longest breakpoint lives.
	CachedFor time.Duration
}

// Peek reads the head of a request, and that the rest is JSON. An error is an *llm.Error of KindInvalid.
func Peek(body []byte) (Head, error) {
	p := peeker{s: jsonscan.New(body), last: nowheres(), marked: nowheres()}
	if p.s.Kind() == '{' {
		p.request()
	} else {
		p.s.Object() // the scanner says what it is instead
	}
	p.s.End()
	if scan, ok := errors.AsType[*jsonscan.Error](p.s.Err()); ok {
		switch {
		case !scan.Mismatch:
			return Head{}, malformed(body, scan)
		case jsonscan.Path(body, scan.Offset) == "":
			return Head{}, llm.Invalid("", "The body is not a Messages request: "+scan.Reason+".")
		default:
			path := jsonscan.Path(body, scan.Offset)
			return Head{}, llm.Invalid(path, cut(path)+": "+scan.Reason+".")
		}
	}
	if p.threaded {
		return Head{}, noThreads()
	}
	p.settle()
	return p.head, nil
}

// The lists whose elements can have a breakpoint, in the order in which a model reads them.
const (
	inTools = iota
	inSystem
	inMessages
)

// place is an element of a list and, in messages, a block of it.
type place struct{ element, block int }

func nowhere() place { return place{-1, -1} }

func nowheres() [3]place { return [3]place{nowhere(), nowhere(), nowhere()} }

type peeker struct {
	s            jsonscan.Scanner
	head         Head
	last, marked [3]place // the last element of each list, and the last with a breakpoint
	top          bool     // the request itself has one
	threaded     bool     // the server is to hold the conversation
}

func (p *peeker) request() {
	model, stream := false, false
	p.s.Object()
	for key, ok := p.s.Member(); ok; key, ok = p.s.Member() {
		if model && key == "model" || stream && key == "stream" {
			p.s.Mismatch(p.s.Offset(), "the member once, it is given twice") // Core, or a proxy, may have read the other one
			return
		}
		model, stream = model || key == "model", stream || key == "stream"
		switch {
		case p.s.Null():
		case key == "model":
			p.head.Model = strings.Clone(p.s.String()) // who is called by it may be remembered
		case key == "stream":
			p.head.Stream = p.s.Bool()
		case key == "cache_control":
			p.top = p.mark()
		case key == memberThread:
			p.threaded = true
			p.s.Skip()
		case key == "tools":
			p.list(inTools)
		case key == "system":
			p.list(inSystem)
		case key == "messages" && p.s.Kind() == '[':
			p.s.Array()
			for i := 0; p.s.Element(); i++ {
				p.message(i)
			}
		default:
			p.s.Skip()
		}
	}
}

// list looks at the elements of a list. A scalar is a list of one.
func (p *peeker) list(which int) {
	if p.s.Kind() != '[' {
		p.last[which] = place{0, -1}
		p.s.Skip()
		return
	}
	p.s.Array()
	for i := 0; p.s.Element(); i++ {
		p.element(which, place{i, -1})
	}
}

func (p *peeker) message(i int) {
	if p.s.Kind() != '{' {
		p.s.Skip()
		return
	}
	p.s.Object()
	for key, ok := p.s.Member(); ok; key, ok = p.s.Member() {
		switch {
		case key != "content":
			p.s.Skip()
		case p.s.Kind() == '[':
			p.s.Array()
			for j := 0; p.s.Element(); j++ {
				p.element(inMessages, place{i, j})
			}
		default:
			p.last[inMessages] = place{i, 0}
			p.s.Skip()
		}
	}
}

// element looks for the breakpoint of an object.
func (p *peeker) element(which int, at place) {
	p.last[which] = at
	if p.s.Kind() != '{' {
		p.s.Skip()
		return
	}
	p.s.Object()
	for key, ok := p.s.Member(); ok; key, ok = p.s.Member() {
		if key == "cache_control" {
			if p.mark() {
				p.marked[which] = at
			}
		} else {
			p.s.Skip()
		}
	}
}

// mark reads cache_control and reports whether it is a breakpoint.
func (p *peeker) mark() (ephemeral bool) {
	if p.s.Kind() != '{' {
		p.s.Skip()
		return false
	}
	life := 5 * time.Minute
	p.s.Object()
	for key, ok := p.s.Member(); ok; key, ok = p.s.Member() {
		switch {
		case p.s.Kind() != '"':
			p.s.Skip()
		case key == "type":
			ephemeral = p.s.String() == "ephemeral"
		case key == "ttl":
			if p.s.String() == "1h" {
				life = time.Hour
			}
		default:
			p.s.Skip()
		}
	}
	if ephemeral {
		p.head.CachedFor = max(p.head.CachedFor, life)
	}
	return ephemeral
}

// settle finds the path of the last breakpoint: that of the request itself is at its end.
func (p *peeker) settle() {
	list := p.marked
	if p.top {
		list = p.last
	}
	for which, at := range list {
		switch {
		case at == nowhere():
		case which == inTools:
			p.head.Cached = fmt.Sprintf("tools[%d]", at.element)
		case which == inSystem:
			p.head.Cached = fmt.Sprintf("system[%d]", at.element)
		default:
			p.head.Cached = fmt.Sprintf("messages[%d].content[%d]", at.element, at.block)
		}
	}
}
