package openai

import (
	"errors"
	"iter"
	"net/http"
	"time"

	"outcrop/internal/llm"
	"outcrop/internal/sse"
)

// flushAt is how many bytes of frames are held back at most.
const flushAt = 16 << 10

// WriteStream answers with a stream of chat.completion.chunk frames that ends with [DONE].
//
// Of several choices each has its own chunks, under its index, in the order in which they come; [DONE]
// and what the last chunk says come after the finish of all.
//
// Frames are held back until the sequence pauses or finishes, or 16 KiB are at hand; then one write
// and one flush send them together. Nothing is sent, and so the status is still free, until the
// sequence has yielded something that a client can see: an error before that is answered by
// WriteError, an error after it becomes a last frame, data: {"error":…}, without [DONE]. Whether the
// frames between had been flushed makes no difference.
//
// With env.Heartbeat, a comment goes out after each such time of silence, or up to a quarter later, but
// not before the sequence's Start: the headers then say what the model ignores. It fixes the status like
// any other frame.
//
// It returns the error that ended the reply, of which the client has been told, for the log; nil
// after [DONE]. When the client is gone it leaves the sequence, which releases the upstream, and
// returns an error of KindCanceled.
func WriteStream(w http.ResponseWriter, seq iter.Seq2[llm.Event, error], env Envelope) error {
	buf := getBuffer()
	s := newStream(w, &env, *buf)
	defer func() {
		*buf = s.close()
		putBuffer(buf)
	}()
	s.wake()
	for event, err := range seq {
		if err := s.take(event, err); err != nil {
			return err
		}
	}
	if s.unfinished > 0 {
		return s.take(nil, unfinished())
	}
	return nil
}

// stream is a reply on its way out. The handler's goroutine adds events, and the heart's timer writes
// a comment where there are none; turn keeps them apart.
type stream struct {
	turn    turn
	heart   *time.Timer // nil without heartbeats
	quiet   int         // how many looks of the heart in a row have seen nothing written
	wrote   bool        // since the heart's last look
	gone    error       // of a heartbeat that could not be written
	closed  bool        // the handler returns; the response is no longer ours
	w       http.ResponseWriter
	flusher *http.ResponseController
	env     *Envelope
	buf     []byte
	head    []byte // of every chunk, up to its choices
	tail    string // of a chunk with a delta, after what it says
	started bool   // the Start has come
	start   llm.Start
	opened  bool // a chunk is written or held
	sent    bool // something is written: the status is fixed

	choice     *choice // whose the events are
	first      choice  // number 0
	others     []*choice
	unfinished int // how many choices have yet to finish
	usage      llm.Usage
}

func newStream(w http.ResponseWriter, env *Envelope, buf []byte) *stream {
	s := &stream{turn: newTurn(), w: w, flusher: http.NewResponseController(w), env: env, buf: buf}
	s.head = appendHead(append(make([]byte, 0, 192), sse.Data...), "chat.completion.chunk", env)
	s.tail = `},"finish_reason":null}]}` + sse.End
	if env.IncludeUsage {
		s.tail = `},"finish_reason":null}],"usage":null}` + sse.End
	}
	s.unfinished = max(1, env.Choices)
	s.first.delta = appendDelta(s.head, 0)
	s.choice = &s.first
	return s
}

// take takes what the sequence yields. Its error ends the reply.
func (s *stream) take(event llm.Event, err error) error {
	s.turn.take()
	defer s.turn.give()
	switch {
	case s.gone != nil:
		return s.gone
	case err != nil:
		return s.fail(err)
	default:
		return s.add(event)
	}
}

// heartbeat is a comment, which clients skip: proxies close a connection that is silent for long.
const heartbeat = ": waiting for the model" + sse.End

// looks is how often the heart looks in the time that it waits for: to note the time of every write
// would cost more than the write's bytes.
const looks = 4

// shortestLook keeps a heart that is to beat all the time from doing nothing else.
const shortestLook = 10 * time.Millisecond

func (s *stream) look() time.Duration { return max(s.env.Heartbeat/looks, shortestLook) }

// wake starts the heart, if there is to be one.
func (s *stream) wake() {
	s.turn.take() // the first look may come before the timer is known
	defer s.turn.give()
	if s.env.Heartbeat > 0 {
		s.heart = time.AfterFunc(s.look(), s.beat)
	}
}

// beat writes a heartbeat when it is time, once the Start has told what the headers have to say. From
// then on the status is fixed.
func (s *stream) beat() {
	s.turn.take()
	defer s.turn.give()
	if s.closed || s.unfinished == 0 || s.gone != nil {
		return
	}
	s.quiet++
	if s.wrote {
		s.quiet = 0
	}
	s.wrote = false
	if s.quiet >= looks && (s.started || s.opened) {
		s.buf = append(s.buf, heartbeat...)
		if s.gone = s.flush(); s.gone != nil {
			return
		}
		s.quiet, s.wrote = 0, false
	}
	s.heart.Reset(s.look())
}

// close ends the heart and returns the buffer.
func (s *stream) close() []byte {
	s.turn.take()
	defer s.turn.give()
	s.closed = true
	if s.heart != nil {
		s.heart.Stop()
	}
	return s.buf
}

// add takes one event. Its error ends the reply: the client is gone, or cannot be told this.
func (s *stream) add(event llm.Event) error {
	if s.unfinished == 0 {
		return nil
	}
	switch e := event.(type) {
	case *llm.TextDelta:
		s.text(e.Text)
	case llm.ReasoningDelta:
		s.reasoning(e)
	case llm.ToolCallDelta:
		s.callArgs(e.Index, e.Args)
	case llm.Pause:
		return s.flush()
	case llm.Finish:
		if s.finish(e) {
			return s.flush()
		}
	case llm.ToolCallStart:
		if s.env.Functions && e.Index > 0 {
			return s.fail(manyCalls())
		}
		s.callStart(e)
	case llm.BlobOut:
		s.blob(&e)
	case llm.Citation:
		s.choice.citations = append(s.choice.citations, e)
	case llm.Choice:
		s.choice = s.numbered(e.Index)
	case llm.Start:
		s.started, s.start = true, e
	}
	if len(s.buf) >= flushAt {
		return s.flush()
	}
	return nil
}

// flush sends what is held; its error says that the client is gone.
func (s *stream) flush() error {
	if len(s.buf) == 0 {
		return nil
	}
	if !s.sent {
		s.sent = true
		h := s.w.Header()
		h.Set("Content-Type", sse.ContentType)
		h.Set("Cache-Control", "no-cache")
		h.Set("X-Accel-Buffering", "no") // nginx would collect the frames
		SetHeaders(h, s.env, &s.start)
	}
	s.wrote = true
	_, err := s.w.Write(s.buf)
	s.buf = s.buf[:0]
	if err == nil {
		err = s.flusher.Flush()
	}
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		return clientGone(err)
	}
	return nil
}

// fail ends the reply with a failure and returns it.
func (s *stream) fail(err error) error {
	switch {
	case s.unfinished == 0:
	case !s.opened && !s.sent:
		WriteError(s.w, err)
	default:
		s.buf = append(s.buf, sse.Data...)
		s.buf = appendError(s.buf, llm.AsError(err))
		s.buf = append(s.buf, sse.End...)
		// Whether or not the client is still there, err is why the reply ended.
		_ = s.flush()
	}
	return err
}
