package proxy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"mime"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"outcrop/internal/balance"
	"outcrop/internal/llm"
)

// Wire is how an answer is written, for whoever reads on the way what it cost.
type Wire uint8

// The wires, of DIAL's interfaces in their order. Of an Opaque answer nothing is read.
const (
	Chats Wire = iota
	Embeddings
	Responses
	Messages
	Opaque
)

// Answer is what another server says. Whoever has one ranges over its Pieces once, or closes it.
type Answer struct {
	Status int
	Header http.Header // what of it is the client's to know
	// Stream says that it is one of events.
	Stream bool
	// Via is which upstream answers, when the remote has several.
	Via llm.Via

	document bool // it is one JSON document, of which something is to be read
	strange  bool // it should be one or a stream, and does not say that it is
	wire     Wire
	id       string    // of the request
	body     io.Reader // as it is without an encoding
	clock    *clock
	resp     *http.Response
	quiet    time.Duration
	turn     *balance.Turn // nil when nobody chose
}

// Piece is a part of an answer, as it came.
type Piece struct {
	Bytes []byte // valid until the next piece
	// Last ends the answer well: nothing comes after it. It has the event that says so of a stream of chat chunks
	// or messages, and the whole of a JSON document.
	Last bool
	// Usage is, in the last piece, what the answer says that it cost; nil when it does not tell.
	Usage *llm.Usage
	// Model is, in the last piece, the model that the answer names, or "".
	Model string
	// Told says, in the last piece, that the answer itself has statistics of the usage per model.
	Told bool
	// Failed says, in the last piece, that the stream itself ends with an error.
	Failed bool

	form form
	end  int    // where the last line begins in Bytes
	head []byte // of facts
}

// form is what a last piece is.
type form uint8

const (
	plain       form = iota // there is no place for statistics
	chatEnd                 // data: [DONE]
	messagesEnd             // the event message_stop
	document                // one JSON object
)

// newAnswer is the answer with the head of a response.
func newAnswer(resp *http.Response, wire Wire) *Answer {
	a := &Answer{Status: resp.StatusCode, Header: make(http.Header, len(resp.Header)), wire: wire, resp: resp, body: resp.Body}
	between := nominated(resp.Header)
	for name, values := range resp.Header {
		if !isPrivate(name) && !slices.Contains(between, name) {
			a.Header[name] = values
		}
	}
	readable := true
	if encoding := resp.Header.Get("Content-Encoding"); encoding != "" && resp.Body != http.NoBody { // as of HEAD
		if a.body, readable = inflated(resp.Body, encoding); readable {
			delete(a.Header, "Content-Encoding") // nobody asked for it, so the client need not understand it
		}
	}
	if media := mediaType(resp.Header.Get("Content-Type")); readable && resp.StatusCode == http.StatusOK && wire != Opaque {
		a.Stream, a.document = media == "text/event-stream", media == "application/json"
		a.strange = !a.Stream && !a.document
	}
	return a
}

func mediaType(header string) string {
	if header == "application/json" || header == "text/event-stream" {
		return header
	}
	media, _, err := mime.ParseMediaType(header)
	if err != nil {
		return ""
	}
	return media
}

// Close releases the answer, whether it has been read or not.
func (a *Answer) Close() {
	_ = a.resp.Body.Close() // what was wrong with the answer has been told
	a.clock.stop()
	if a.turn != nil {
		a.turn.Done(nil) // unless it has been told what it cost
	}
}

// Pieces are the answer as it comes. The last has Last; an error instead means that it broke off, and comes with
// a piece that has what the answer has told until then of its model and usage.
func (a *Answer) Pieces() iter.Seq2[Piece, error] {
	return func(yield func(Piece, error) bool) {
		defer a.Close()
		a.clock.watch(a.quiet)
		if a.turn != nil {
			yield = a.counted(yield)
		}
		buffer := buffers.Get().(*[]byte)
		defer buffers.Put(buffer)
		switch {
		case a.Stream:
			a.events(*buffer, yield)
		case a.document:
			a.whole(*buffer, 0, yield)
		case a.strange:
			a.sniff(*buffer, yield)
		default:
			a.pipe(*buffer, yield)
		}
	}
}

// buffers are what answers are read into.
var buffers = sync.Pool{New: func() any { return new(make([]byte, bufferSize)) }}

const bufferSize = 32 << 10

// broken is the error of an answer that ends too early.
func (a *Answer) broken(err error) error {
	return a.clock.explain(err, "The answer of the deployment's server broke off.")
}

// pipe passes on what nobody looks at.
func (a *Answer) pipe(buffer []byte, yield func(Piece, error) bool) {
	for {
		n, err := a.clock.read(a.body, buffer)
		switch {
		case n > 0 && !yield(Piece{Bytes: buffer[:n]}, nil):
			return
		case err == io.EOF: //nolint:errorlint // only a bare io.EOF is the end
			yield(Piece{Last: true}, nil)
			return
		case err != nil:
			yield(Piece{}, a.broken(err))
			return
		}
	}
}

// maxDocument is the longest document that is read whole, in bytes. A longer one passes as it comes.
const maxDocument = 64 << 20

// errNoAnswer is for the log.
var errNoAnswer = errors.New("a status of 200, and neither JSON nor a stream of events")

// noAnswer is the error of what cannot be an answer, such as a page of HTML: it would count as a success.
func (a *Answer) noAnswer(yield func(Piece, error) bool) {
	yield(Piece{}, &llm.Error{
		Kind: llm.KindUpstream, Message: "The deployment's server answered with something that is no JSON.",
		Err: fmt.Errorf("%w (Content-Type %.60q)", errNoAnswer, a.Header.Get("Content-Type")),
	})
}

// sniff passes on an answer that is what it does not say: servers forget a Content-Type.
func (a *Answer) sniff(buffer []byte, yield func(Piece, error) bool) {
	for n := 0; ; {
		read, err := a.clock.read(a.body, buffer[n:])
		n += read
		text := bytes.TrimLeft(buffer[:n], " \t\r\n")
		switch {
		case len(text) > 0 && (text[0] == '{' || text[0] == '['):
			a.whole(buffer, n, yield)
			return
		case isEvent(text):
			if yield(Piece{Bytes: buffer[:n]}, nil) {
				a.pipe(buffer, yield)
			}
			return
		case err == io.EOF || err == nil && (len(text) >= longestField || n == len(buffer)): //nolint:errorlint // as above
			a.noAnswer(yield)
			return
		case err != nil:
			yield(Piece{}, a.broken(err))
			return
		}
	}
}

// longestField is how much of a text tells whether it begins as a stream of events does.
const longestField = len("event:")

// isEvent says that it does.
func isEvent(text []byte) bool {
	for _, field := range [...]string{":", "data:", "event:", "id:", "retry:"} {
		if bytes.HasPrefix(text, []byte(field)) {
			return true
		}
	}
	return false
}

// whole reads a document to its end, and passes it on then; so many bytes of it are in the buffer.
func (a *Answer) whole(buffer []byte, n int, yield func(Piece, error) bool) {
	doc := buffer[:n]
	for {
		n, err := a.clock.read(a.body, doc[len(doc):cap(doc)])
		doc = doc[:len(doc)+n]
		switch {
		case err == io.EOF: //nolint:errorlint // as above
			var f facts
			object := f.read(doc, a.wire)
			if !object && !json.Valid(doc) {
				a.noAnswer(yield)
				return
			}
			last := f.last(doc)
			if object && (a.wire == Chats || a.wire == Messages) {
				last.form = document
			}
			yield(last, nil)
			return
		case err != nil:
			yield(Piece{}, a.broken(err))
			return
		case len(doc) > maxDocument:
			if yield(Piece{Bytes: doc}, nil) {
				a.pipe(buffer, yield)
			}
			return
		case len(doc) == cap(doc):
			doc = slices.Grow(doc, len(doc))
		}
	}
}

// events passes a stream on as it comes, but for its last event, which is a piece of its own.
func (a *Answer) events(buffer []byte, yield func(Piece, error) bool) {
	s, held := scan{wire: a.wire, id: a.id}, 0
	for {
		n, err := a.clock.read(a.body, buffer[held:])
		window := buffer[:held+n]
		pass, ended := s.take(window)
		switch {
		case pass > 0 && !yield(Piece{Bytes: window[:pass]}, nil):
			return
		case ended:
			if yield(s.last(window[pass:]), nil) {
				a.drain()
			}
			return
		case err != nil:
			s.close(window[pass:], err, yieldTo{a, yield})
			return
		}
		held = copy(buffer, window[pass:])
	}
}

// yieldTo is where the pieces of an answer go.
type yieldTo struct {
	*Answer
	yield func(Piece, error) bool
}

// close ends a stream whose connection has ended: it may have been whole all the same.
func (s *scan) close(rest []byte, err error, to yieldTo) {
	switch {
	case err == io.EOF && s.endsWith(rest): //nolint:errorlint // as above
		to.yield(s.last(rest), nil)
	case len(rest) > 0 && !to.yield(Piece{Bytes: rest}, nil):
	case err == io.EOF && s.complete: //nolint:errorlint // as above
		to.yield(s.last(nil), nil)
	default:
		to.yield(s.facts.piece(nil), to.broken(err))
	}
}

const (
	// drainTime and drainSize bound what is read behind the last event, so that the connection can be used again.
	drainTime = time.Second
	drainSize = 64 << 10
)

// drain reads on to the end of the connection's answer.
func (a *Answer) drain() {
	patience := time.AfterFunc(drainTime, func() { a.clock.cancel(nil) })
	defer patience.Stop()
	_, _ = io.CopyN(io.Discard, a.resp.Body, drainSize) // the answer is whole, whatever comes
}

// isSpace says whether a line of an event stream may have the byte between two others that mean something.
func isSpace(c byte) bool { return strings.IndexByte(" \t\r\n", c) >= 0 }
