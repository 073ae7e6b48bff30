package openai

import (
	"iter"
	"net/http"
	"strconv"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
	"outcrop/internal/sse"
)

// WriteCompletion answers with the sequence folded into one text_completion. Thinking, citations and tool
// calls have no place in one. Errors are as WriteReply's.
func WriteCompletion(w http.ResponseWriter, seq iter.Seq2[llm.Event, error], env Envelope) error {
	choices, err := collect(seq, &env)
	if err != nil {
		err = renamed(err, renameMessages)
		WriteError(w, err)
		return err
	}
	buf := getBuffer()
	defer putBuffer(buf)
	dst, total, tier := append(appendCompletionHead(*buf, &env), '['), llm.Usage{}, ""
	for i, r := range choices {
		dst = appendCompletionText(comma(dst), i, r.Text)
		dst = append(append(append(dst, `"finish_reason":"`...), finishWord(r.Finish.Reason, &env)...), `"}`...)
		if total = total.Add(r.Finish.Usage); tier == "" {
			tier = r.Finish.Tier
		}
	}
	dst = appendUsage(append(dst, `],"usage":`...), total)
	*buf = append(appendEnd(dst, ending{tier, total, choices[len(choices)-1].Finish.Cost, false}, &env), "}\n"...)
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(*buf)))
	start := renamedStart(choices[0].Start, renameMessages)
	SetHeaders(h, &env, &start)
	if _, err := w.Write(*buf); err != nil {
		return clientGone(err)
	}
	return nil
}

// appendCompletionHead appends what every piece and every completion begins with.
func appendCompletionHead(dst []byte, env *Envelope) []byte {
	dst = append(dst, `{"id":"cmpl-`...)
	dst = jsonscan.AppendEscaped(dst, env.ID)
	dst = append(dst, `","object":"text_completion","created":`...)
	dst = strconv.AppendInt(dst, env.Created.Unix(), 10)
	dst = append(dst, `,"model":`...)
	dst = jsonscan.AppendString(dst, env.Model)
	return append(dst, `,"choices":`...)
}

// appendCompletionText begins a choice, up to its finish_reason.
func appendCompletionText(dst []byte, index int, text string) []byte {
	dst = append(dst, `{"index":`...)
	dst = strconv.AppendInt(dst, int64(index), 10)
	dst = append(dst, `,"text":`...)
	dst = jsonscan.AppendString(dst, text)
	return append(dst, `,"logprobs":null,`...)
}

// WriteCompletionStream answers with a stream of text_completion pieces that ends with [DONE]. When it sends,
// and what becomes of errors, is as WriteStream has it.
func WriteCompletionStream(w http.ResponseWriter, seq iter.Seq2[llm.Event, error], env Envelope) error {
	s := completionStream{w: w, env: &env, unfinished: max(1, env.Choices)}
	s.out.Open(w)
	s.out.Header = &s
	s.head = appendCompletionHead(append(make([]byte, 0, 192), sse.Data...), &env)
	defer s.out.Close()
	if env.Heartbeat > 0 {
		s.out.Beat(env.Heartbeat, heartbeat, func() bool { return s.unfinished > 0 && s.started })
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

// completionStream is a completion on its way out.
type completionStream struct {
	w          http.ResponseWriter
	out        sse.Out
	env        *Envelope
	head       []byte // of every piece, up to its choices
	start      llm.Start
	started    bool
	opened     bool // a piece is written or held
	index      int  // of the choice whose the events are
	unfinished int  // how many choices have yet to finish
	usage      llm.Usage
	tier       string
}

// SetHeader implements sse.HeaderSetter.
func (s *completionStream) SetHeader(h http.Header) { SetHeaders(h, s.env, &s.start) }

// take takes what the sequence yields. Its error ends the reply.
func (s *completionStream) take(event llm.Event, err error) error {
	gone := s.out.Take()
	defer s.out.Give()
	switch {
	case gone != nil:
		return clientGone(gone)
	case err != nil:
		return s.fail(renamed(err, renameMessages))
	case s.unfinished == 0:
		return nil
	}
	switch e := event.(type) {
	case llm.Start:
		s.started, s.start = true, renamedStart(e, renameMessages)
	case llm.Choice:
		s.index = e.Index
	case *llm.TextDelta:
		if e.Text != "" {
			s.piece(e.Text, "null")
		}
	case llm.Finish:
		s.finish(e)
	}
	_, paused := event.(llm.Pause)
	if paused || s.unfinished == 0 || len(s.out.Buf) >= sse.FlushAt {
		if err := s.out.Flush(); err != nil {
			return clientGone(err)
		}
	}
	return nil
}

// piece adds a piece with that text and finish_reason.
func (s *completionStream) piece(text, reason string) {
	s.opened = true
	s.out.Buf = append(append(s.out.Buf, s.head...), '[')
	s.out.Buf = appendCompletionText(s.out.Buf, s.index, text)
	s.out.Buf = append(append(append(s.out.Buf, `"finish_reason":`...), reason...), `}]`...)
	if s.env.IncludeUsage {
		s.out.Buf = append(s.out.Buf, `,"usage":null`...)
	}
	s.out.Buf = append(append(s.out.Buf, '}'), sse.End...)
}

func (s *completionStream) finish(e llm.Finish) {
	s.piece("", `"`+finishWord(e.Reason, s.env)+`"`)
	if s.usage = s.usage.Add(e.Usage); s.tier == "" {
		s.tier = e.Tier
	}
	if s.unfinished--; s.unfinished > 0 {
		return
	}
	if s.env.IncludeUsage {
		s.out.Buf = append(append(s.out.Buf, s.head...), `[],"usage":`...)
		s.out.Buf = appendUsage(s.out.Buf, s.usage)
		s.out.Buf = append(appendEnd(s.out.Buf, ending{s.tier, s.usage, e.Cost, true}, s.env), '}')
		s.out.Buf = append(s.out.Buf, sse.End...)
	}
	s.out.Buf = append(s.out.Buf, sse.Data+"[DONE]"+sse.End...)
}

// fail ends the reply with a failure and returns it.
func (s *completionStream) fail(err error) error {
	switch {
	case s.unfinished == 0:
	case !s.opened && !s.out.Sent:
		WriteError(s.w, err)
	default:
		s.out.Buf = append(s.out.Buf, sse.Data...)
		s.out.Buf = appendError(s.out.Buf, llm.AsError(err))
		s.out.Buf = append(s.out.Buf, sse.End...)
		// Whether or not the client is still there, err is why the reply ended.
		_ = s.out.Flush()
	}
	return err
}
