package anthropic

import (
	"iter"
	"net/http"
	"strconv"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// WriteReply answers with the sequence folded into one message, of the same blocks as the stream's. It
// returns the error that the client was told instead, or KindCanceled when the reply could not be
// written.
func WriteReply(w http.ResponseWriter, seq iter.Seq2[llm.Event, error], env Envelope) error {
	buf := buffers.Get().(*[]byte)
	defer putBuffer(buf)
	r := reply{buf: appendHead(*buf, &env)}
	r.blocks.sink = &r
	err := r.fold(seq)
	*buf = r.buf
	if err != nil {
		WriteError(w, err)
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(*buf)))
	env.setHeader(h, &r.start)
	if _, err := w.Write(*buf); err != nil {
		return clientGone(err)
	}
	return nil
}

// reply is a message that is being folded; it is the sink of its blocks.
type reply struct {
	buf    []byte
	start  llm.Start
	blocks blocks

	block     block
	text      []byte // of the open block: its text, thinking or input
	signature string
	citations []byte
}

func (r *reply) fold(seq iter.Seq2[llm.Event, error]) error {
	finished := false
	for event, err := range seq {
		switch e := event.(type) {
		case nil:
			return err
		case llm.Start:
			r.start = e
		case llm.Pause, llm.Choice:
		case llm.Finish:
			if err := r.finish(&e); err != nil {
				return err
			}
			finished = true
		default:
			if err := r.blocks.add(event); err != nil {
				return err
			}
		}
	}
	if !finished {
		return unfinished()
	}
	return nil
}

func (r *reply) finish(e *llm.Finish) error {
	if err := r.blocks.finish(e); err != nil {
		return err
	}
	r.buf = append(r.buf, `],`...)
	r.buf = appendStop(r.buf, e)
	r.buf = append(r.buf, `,"usage":`...)
	r.buf = appendUsage(r.buf, e.Usage, e.Tier)
	r.buf = append(r.buf, "}\n"...)
	return nil
}

func (r *reply) begin(b *block) {
	r.block, r.text, r.signature, r.citations = *b, r.text[:0], "", r.citations[:0]
}

func (r *reply) delta(kind deltaKind, text string) {
	if kind == signatureDelta {
		r.signature = text
		return
	}
	r.text = append(r.text, text...)
}

func (r *reply) cite(c *llm.Citation) {
	if len(r.citations) > 0 {
		r.citations = append(r.citations, ',')
	}
	r.citations = appendCitation(r.citations, c)
}

func (r *reply) end() {
	if r.buf[len(r.buf)-1] != '[' {
		r.buf = append(r.buf, ',')
	}
	switch r.block.kind {
	case toolBlock:
		r.buf = append(appendCall(r.buf, &r.block), input(r.text)...)
	case thinkingBlock:
		r.buf = append(r.buf, `{"type":"thinking","thinking":`...)
		r.buf = jsonscan.AppendString(r.buf, string(r.text))
		r.buf = append(r.buf, `,"signature":`...)
		r.buf = jsonscan.AppendString(r.buf, r.signature)
	case redactedBlock, fileBlock:
		r.buf = appendBegun(r.buf, &r.block)
		return
	default:
		r.buf = append(r.buf, `{"type":"text","text":`...)
		r.buf = jsonscan.AppendString(r.buf, string(r.text))
		if len(r.citations) > 0 {
			r.buf = append(r.buf, `,"citations":[`...)
			r.buf = append(append(r.buf, r.citations...), ']')
		}
	}
	r.buf = append(r.buf, '}')
}

// input is the arguments of a call as the object that the wire wants: an empty one for what was cut, or
// is none.
func input(args []byte) []byte {
	s := jsonscan.New(args)
	object := s.Kind() == '{'
	s.Skip()
	s.End()
	if !object || s.Err() != nil {
		return []byte("{}")
	}
	return args
}
