package openai

import (
	"iter"
	"net/http"

	"outcrop/internal/llm"
	"outcrop/internal/sse"
)

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
	s := newStream(w, &env)
	defer s.out.Close()
	if env.Heartbeat > 0 {
		s.out.Beat(env.Heartbeat, heartbeat, s.mayBeat)
	}
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

// stream is a reply on its way out.
type stream struct {
	w       http.ResponseWriter
	out     sse.Out
	env     *Envelope
	head    []byte // of every chunk, up to its choices
	tail    string // of a chunk with a delta, after what it says
	started bool   // the Start has come
	start   llm.Start
	opened  bool // a chunk is written or held

	choice     *choice // whose the events are
	first      choice  // number 0
	others     []*choice
	unfinished int // how many choices have yet to finish
	usage      llm.Usage
	cost       string // decimal USD, or ""
}

func newStream(w http.ResponseWriter, env *Envelope) *stream {
	s := &stream{w: w, env: env}
	s.out.Open(w)
	s.out.Header = s
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

// SetHeader implements sse.HeaderSetter.
func (s *stream) SetHeader(h http.Header) { SetHeaders(h, s.env, &s.start) }

// take takes what the sequence yields. Its error ends the reply.
func (s *stream) take(event llm.Event, err error) error {
	gone := s.out.Take()
	defer s.out.Give()
	switch {
	case gone != nil:
		return clientGone(gone)
	case err != nil:
		return s.fail(err)
	default:
		return s.add(event)
	}
}

// heartbeat is a comment, which clients skip: proxies close a connection that is silent for long.
const heartbeat = ": waiting for the model" + sse.End

// mayBeat says whether a heartbeat may go out: once the Start has told what the headers have to say.
func (s *stream) mayBeat() bool { return s.unfinished > 0 && (s.started || s.opened) }

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
	if len(s.out.Buf) >= sse.FlushAt {
		return s.flush()
	}
	return nil
}

// flush sends what is held; its error says that the client is gone.
func (s *stream) flush() error {
	if err := s.out.Flush(); err != nil {
		return clientGone(err)
	}
	return nil
}

// fail ends the reply with a failure and returns it.
func (s *stream) fail(err error) error {
	switch {
	case s.unfinished == 0:
	case !s.opened && !s.out.Sent:
		WriteError(s.w, err)
	default:
		s.out.Buf = append(s.out.Buf, sse.Data...)
		s.out.Buf = appendError(s.out.Buf, llm.AsError(err))
		s.out.Buf = append(s.out.Buf, sse.End...)
		// Whether or not the client is still there, err is why the reply ended.
		_ = s.flush()
	}
	return err
}
