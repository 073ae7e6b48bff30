package anthropic

import (
	"cmp"
	"encoding/base64"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
	"outcrop/internal/sse"
)

// buffers are the output buffers of replies that have ended. What is large is left to the garbage
// collector.
var buffers = sync.Pool{New: func() any { return new(make([]byte, 0, 4<<10)) }}

func putBuffer(buf *[]byte) {
	if cap(*buf) <= 64<<10 {
		*buf = (*buf)[:0]
		buffers.Put(buf)
	}
}

// ping is Anthropic's own frame that says nothing, which clients skip.
const ping = "event: ping\n" + sse.Data + `{"type":"ping"}` + sse.End

// WriteStream answers with the events of a message: message_start, the content blocks one after the
// other, message_delta and message_stop.
//
// Frames are held back until the sequence pauses or finishes, or 16 KiB are at hand. Nothing is sent, and
// so the status is still free, until the sequence has yielded something that a client can see: an error
// before that is answered by WriteError, an error after it becomes a last event, error, without
// message_stop. With env.Heartbeat a ping goes out after each such time of silence, but not before the
// sequence's Start; it fixes the status like any other frame.
//
// It returns the error that ended the reply, of which the client has been told, for the log; nil after
// message_stop. When the client is gone it leaves the sequence, which releases the upstream, and returns
// an error of KindCanceled.
func WriteStream(w http.ResponseWriter, seq iter.Seq2[llm.Event, error], env Envelope) error {
	s := &stream{w: w, env: &env}
	s.out.Open(w)
	s.blocks.sink = s
	s.out.Header = s
	defer s.out.Close()
	s.out.Beat(env.Heartbeat, ping, s.mayPing)
	for event, err := range seq {
		if err := s.take(event, err); err != nil {
			return err
		}
	}
	if !s.finished {
		return s.take(nil, unfinished())
	}
	return nil
}

// stream is a reply on its way out; it is the sink of its blocks.
type stream struct {
	w        http.ResponseWriter
	out      sse.Out
	env      *Envelope
	blocks   blocks
	start    llm.Start
	started  bool // the Start has come
	opened   bool // message_start is written or held
	finished bool
	failed   bool
	index    int // of the next block
}

// SetHeader implements sse.HeaderSetter.
func (s *stream) SetHeader(h http.Header) { s.env.setHeader(h, &s.start) }

// mayPing says whether a ping may go out, which is never before message_start.
func (s *stream) mayPing() bool {
	if s.finished || s.failed || !s.started && !s.opened {
		return false
	}
	s.open()
	return true
}

// take takes what the sequence yields. Its error ends the reply.
func (s *stream) take(event llm.Event, err error) error {
	gone := s.out.Take()
	defer s.out.Give()
	switch {
	case gone != nil:
		return clientGone(gone)
	case err != nil:
		return s.fail(err)
	case s.finished:
		return nil
	}
	switch e := event.(type) {
	case llm.Start:
		s.started, s.start = true, e
	case llm.Pause:
		return s.flush()
	case llm.Choice:
	case llm.Finish:
		return s.finish(&e)
	default:
		if err := s.blocks.add(event); err != nil {
			return s.fail(err)
		}
	}
	if len(s.out.Buf) >= sse.FlushAt {
		return s.flush()
	}
	return nil
}

func (s *stream) flush() error {
	if err := s.out.Flush(); err != nil {
		return clientGone(err)
	}
	return nil
}

// fail ends the reply with a failure and returns it.
func (s *stream) fail(err error) error {
	s.failed = true
	switch {
	case s.finished:
	case !s.opened && !s.out.Sent:
		WriteError(s.w, err)
	default:
		failStream(s.w, &s.out, err)
	}
	return err
}

// failStream writes the event that ends a broken stream. Whether or not the client is still there, err is
// why the reply ended.
func failStream(w http.ResponseWriter, out *sse.Out, err error) {
	out.Buf = append(out.Buf, "event: error\n"+sse.Data...)
	out.Buf = appendError(out.Buf, llm.AsError(err), w.Header().Get("X-Request-Id"))
	out.Buf = append(out.Buf, sse.End...)
	_ = out.Flush()
}

// event begins a frame; done ends it.
func (s *stream) event(kind string) {
	s.out.Buf = append(s.out.Buf, "event: "...)
	s.out.Buf = append(s.out.Buf, kind...)
	s.out.Buf = append(s.out.Buf, "\n"+sse.Data+`{"type":"`...)
	s.out.Buf = append(s.out.Buf, kind...)
	s.out.Buf = append(s.out.Buf, '"')
}

func (s *stream) done(end string) { s.out.Buf = append(append(s.out.Buf, end...), sse.End...) }

func (s *stream) open() {
	if s.opened {
		return
	}
	s.opened = true
	s.event("message_start")
	s.out.Buf = appendHead(append(s.out.Buf, `,"message":`...), s.env)
	s.done(`],"stop_reason":null,"stop_sequence":null,"usage":` + noUsage + `}}`)
	s.out.Buf = append(s.out.Buf, ping...)
}

func (s *stream) begin(b *block) {
	s.open()
	s.event("content_block_start")
	s.out.Buf = strconv.AppendInt(append(s.out.Buf, `,"index":`...), int64(s.index), 10)
	s.out.Buf = append(s.out.Buf, `,"content_block":`...)
	s.out.Buf = appendBegun(s.out.Buf, b)
	s.done("}")
}

// appendBegun appends a block that has just begun; one that comes whole is whole.
func appendBegun(dst []byte, b *block) []byte {
	switch b.kind {
	case thinkingBlock:
		return append(dst, `{"type":"thinking","thinking":"","signature":""}`...)
	case toolBlock:
		dst = append(appendCall(dst, b), `{}`...)
	case redactedBlock:
		dst = append(dst, `{"type":"redacted_thinking","data":`...)
		dst = jsonscan.AppendString(dst, string(b.redacted))
	case fileBlock:
		return appendFile(dst, b.file)
	default:
		return append(dst, `{"type":"text","text":""}`...)
	}
	return append(dst, '}')
}

// appendCall appends a tool call up to its input.
func appendCall(dst []byte, b *block) []byte {
	dst = append(dst, `{"type":"tool_use","id":`...)
	dst = jsonscan.AppendString(dst, b.id)
	dst = append(dst, `,"name":`...)
	dst = jsonscan.AppendString(dst, b.name)
	return append(dst, `,"input":`...)
}

// appendFile appends a file that the model made. The wire has no such block in replies: it is the one that
// requests have.
func appendFile(dst []byte, out *llm.BlobOut) []byte {
	kind := "document"
	if strings.HasPrefix(out.Blob.MIME, "image/") {
		kind = "image"
	}
	dst = append(dst, `{"type":"`+kind+`","source":{"type":"`...)
	if out.URL != "" {
		dst = append(dst, `url","url":`...)
		return append(jsonscan.AppendString(dst, out.URL), "}}"...)
	}
	dst = append(dst, `base64","media_type":`...)
	dst = jsonscan.AppendString(dst, cmp.Or(out.Blob.MIME, "application/octet-stream"))
	dst = append(dst, `,"data":"`...)
	if out.Blob.Base64 != "" {
		dst = append(dst, out.Blob.Base64...)
	} else {
		dst = base64.StdEncoding.AppendEncode(dst, out.Blob.Bytes)
	}
	return append(dst, `"}}`...)
}

// deltaMembers are how a delta of each kind begins.
func deltaMember(kind deltaKind) string {
	return [...]string{
		textDelta:      `,"delta":{"type":"text_delta","text":"`,
		thinkingDelta:  `,"delta":{"type":"thinking_delta","thinking":"`,
		signatureDelta: `,"delta":{"type":"signature_delta","signature":"`,
		inputDelta:     `,"delta":{"type":"input_json_delta","partial_json":"`,
	}[kind]
}

func (s *stream) delta(kind deltaKind, text string) {
	s.blockEvent("content_block_delta")
	s.out.Buf = append(s.out.Buf, deltaMember(kind)...)
	s.out.Buf = jsonscan.AppendEscaped(s.out.Buf, text)
	s.done(`"}}`)
}

func (s *stream) cite(c *llm.Citation) {
	s.blockEvent("content_block_delta")
	s.out.Buf = append(s.out.Buf, `,"delta":{"type":"citations_delta","citation":`...)
	s.out.Buf = appendCitation(s.out.Buf, c)
	s.done("}}")
}

func (s *stream) end() {
	s.blockEvent("content_block_stop")
	s.done("}")
	s.index++
}

func (s *stream) blockEvent(kind string) {
	s.event(kind)
	s.out.Buf = strconv.AppendInt(append(s.out.Buf, `,"index":`...), int64(s.index), 10)
}

func (s *stream) finish(e *llm.Finish) error {
	if err := s.blocks.finish(e); err != nil {
		return s.fail(err)
	}
	s.finished = true
	s.event("message_delta")
	s.out.Buf = append(s.out.Buf, `,"delta":{`...)
	s.out.Buf = appendStop(s.out.Buf, e)
	s.out.Buf = append(s.out.Buf, `},"usage":`...)
	s.out.Buf = appendUsage(s.out.Buf, e.Usage, e.Tier)
	s.done("}")
	s.event("message_stop")
	s.done("}")
	return s.flush()
}
