package openai

import (
	"errors"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"time"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
	"outcrop/internal/sse"
)

// flushAt is how many bytes of frames are held back at most.
const flushAt = 16 << 10

// WriteStream answers with a stream of chat.completion.chunk frames that ends with [DONE].
//
// Frames are held back until the sequence pauses or finishes, or 16 KiB are at hand; then one write
// and one flush send them together. Nothing is sent, and so the status is still free, until the
// sequence has yielded something that a client can see: an error before that is answered by
// WriteError, an error after it becomes a last frame, data: {"error":…}, without [DONE]. Whether the
// frames between had been flushed makes no difference.
//
// With env.Heartbeat, a comment goes out after each such time of silence, but not before the sequence's
// Start: the headers then say what the model ignores. It fixes the status like any other frame.
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
	if !s.finished {
		return s.take(nil, &llm.Error{Kind: llm.KindInternal, Message: "The reply ended without a finish."})
	}
	return nil
}

// stream is a reply on its way out. The handler's goroutine adds events, and the heart's timer writes
// a comment where there are none; turn keeps them apart.
type stream struct {
	turn     chan struct{} // holds a token while somebody writes
	heart    *time.Timer   // nil without heartbeats
	gone     error         // of a heartbeat that could not be written
	closed   bool          // the handler returns; the response is no longer ours
	w        http.ResponseWriter
	flusher  *http.ResponseController
	env      *Envelope
	buf      []byte
	head     []byte // of every chunk, up to its choices
	delta    []byte // of a chunk with a delta, up to what the delta says
	tail     string // of a chunk with a delta, after what it says
	started  bool   // the Start has come
	ignored  []string
	hasArgs  []bool // of every tool call: some arguments have come
	opened   bool   // the chunk with the role is written or held
	sent     bool   // something is written: the status is fixed
	finished bool
}

func newStream(w http.ResponseWriter, env *Envelope, buf []byte) *stream {
	s := &stream{turn: make(chan struct{}, 1), w: w, flusher: http.NewResponseController(w), env: env, buf: buf}
	s.head = appendHead(append(make([]byte, 0, 192), sse.Data...), "chat.completion.chunk", env)
	s.delta = slices.Concat(s.head, []byte(`,"choices":[{"index":0,"delta":{`))
	s.tail = `},"finish_reason":null}]}` + sse.End
	if env.IncludeUsage {
		s.tail = `},"finish_reason":null}],"usage":null}` + sse.End
	}
	return s
}

// take takes what the sequence yields. Its error ends the reply.
func (s *stream) take(event llm.Event, err error) error {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
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

// wake starts the heart, if there is to be one.
func (s *stream) wake() {
	s.turn <- struct{}{} // the first beat may come before the timer is known
	defer func() { <-s.turn }()
	if s.env.Heartbeat > 0 {
		s.heart = time.AfterFunc(s.env.Heartbeat, s.beat)
	}
}

// beat writes a heartbeat, once the Start has told what the headers have to say. From then on the
// status is fixed.
func (s *stream) beat() {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	if s.closed || s.finished || s.gone != nil {
		return
	}
	if s.started || s.opened {
		s.buf = append(s.buf, heartbeat...)
		if s.gone = s.flush(); s.gone != nil {
			return
		}
	}
	s.heart.Reset(s.env.Heartbeat)
}

// close ends the heart and returns the buffer.
func (s *stream) close() []byte {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	s.closed = true
	if s.heart != nil {
		s.heart.Stop()
	}
	return s.buf
}

// add takes one event; its error says that the client is gone.
func (s *stream) add(event llm.Event) error {
	if s.finished {
		return nil
	}
	switch e := event.(type) {
	case llm.Start:
		s.started, s.ignored = true, e.Ignored
	case llm.TextDelta:
		s.text(`"content":"`, e.Text)
	case llm.ReasoningDelta:
		s.text(`"reasoning_content":"`, e.Text)
	case llm.ToolCallStart:
		s.callStart(e)
	case llm.ToolCallDelta:
		s.callArgs(e.Index, e.Args)
	case llm.Pause:
		return s.flush()
	case llm.Finish:
		s.finish(e)
		return s.flush()
	}
	if len(s.buf) >= flushAt {
		return s.flush()
	}
	return nil
}

// open begins a chunk with a delta, after the one with the role if there is none yet.
func (s *stream) open() {
	if !s.opened {
		s.opened = true
		s.buf = append(s.buf, s.delta...)
		s.buf = append(s.buf, `"role":"assistant","content":""`...)
		s.buf = append(s.buf, s.tail...)
	}
	s.buf = append(s.buf, s.delta...)
}

func (s *stream) text(member, text string) {
	if text == "" {
		return
	}
	s.open()
	s.buf = append(s.buf, member...)
	s.buf = jsonscan.AppendEscaped(s.buf, text)
	s.buf = append(s.buf, '"')
	s.buf = append(s.buf, s.tail...)
}

func (s *stream) openCall(index int) {
	s.open()
	s.buf = append(s.buf, `"tool_calls":[{"index":`...)
	s.buf = strconv.AppendInt(s.buf, int64(index), 10)
}

func (s *stream) callStart(e llm.ToolCallStart) {
	s.hasArgs = append(s.hasArgs, false)
	s.openCall(e.Index)
	s.buf = append(s.buf, `,"id":`...)
	s.buf = jsonscan.AppendString(s.buf, e.ID)
	s.buf = append(s.buf, `,"type":"function","function":{"name":`...)
	s.buf = jsonscan.AppendString(s.buf, e.Name)
	s.buf = append(s.buf, `,"arguments":""}}]`...)
	s.buf = append(s.buf, s.tail...)
}

func (s *stream) callArgs(index int, args string) {
	if args == "" {
		return
	}
	s.hasArgs[index] = true
	s.openCall(index)
	s.buf = append(s.buf, `,"function":{"arguments":"`...)
	s.buf = jsonscan.AppendEscaped(s.buf, args)
	s.buf = append(s.buf, `"}}]`...)
	s.buf = append(s.buf, s.tail...)
}

// finish closes the stream. A call without arguments gets its {} here, since until now some could
// still have come.
func (s *stream) finish(e llm.Finish) {
	for index, has := range s.hasArgs {
		if empty := e.Reason.EmptyArgs(); !has && empty != "" {
			s.callArgs(index, empty)
		}
	}
	s.open()
	s.buf = append(s.buf, `},"finish_reason":"`...)
	s.buf = append(s.buf, finishWord(e.Reason)...)
	if s.env.IncludeUsage {
		s.buf = append(s.buf, `"}],"usage":null}`+sse.End...)
		s.buf = append(s.buf, s.head...)
		s.buf = append(s.buf, `,"choices":[],"usage":`...)
		s.buf = appendUsage(s.buf, e.Usage)
		s.buf = append(s.buf, "}"+sse.End...)
	} else {
		s.buf = append(s.buf, `"}]}`+sse.End...)
	}
	s.buf = append(s.buf, sse.Done...)
	s.finished = true
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
		setIgnored(h, slices.Concat(s.env.Ignored, s.ignored))
	}
	if s.heart != nil {
		s.heart.Reset(s.env.Heartbeat)
	}
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
	case s.finished:
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
