package anthropic

import (
	"iter"
	"net/http"
	"strconv"
	"time"

	"outcrop/internal/llm"
	"outcrop/internal/sse"
)

// Native is what WriteNative has to know beside the pieces.
type Native struct {
	Stream bool // the client wants events
	// Header says in the reply's header what became of the request; may be nil. It is called once, before
	// the first byte, with the first piece that says anything.
	Header func(h http.Header, first *llm.MessagesPiece)
	// Heartbeat is after how much silence a stream gets a ping, once it has begun; 0 means never.
	Heartbeat time.Duration
}

// WriteNative answers with the vendor's own events, or with its own message, as they are. Errors and
// flushes are as in WriteStream; pieces that end without a Last are an error.
func WriteNative(w http.ResponseWriter, seq iter.Seq2[llm.MessagesPiece, error], env Native) error {
	if !env.Stream {
		return writeWhole(w, seq, &env)
	}
	n := &native{w: w, env: &env}
	n.out.Open(w)
	n.out.Header = n
	defer n.out.Close()
	n.out.Beat(env.Heartbeat, ping, func() bool { return n.opened && !n.ended })
	for piece, err := range seq {
		if err := n.take(&piece, err); err != nil {
			return err
		}
	}
	if !n.ended {
		return n.take(&llm.MessagesPiece{}, brokeOff())
	}
	return nil
}

func (e *Native) setHeader(h http.Header, first *llm.MessagesPiece) {
	requestID(h)
	if e.Header != nil {
		e.Header(h, first)
	}
}

// native is a stream of the vendor's own events on its way out.
type native struct {
	w      http.ResponseWriter
	out    sse.Out
	env    *Native
	first  llm.MessagesPiece
	opened bool // the first event is written or held
	ended  bool
}

// SetHeader implements sse.HeaderSetter.
func (n *native) SetHeader(h http.Header) { n.env.setHeader(h, &n.first) }

func (n *native) take(p *llm.MessagesPiece, err error) error {
	gone := n.out.Take()
	defer n.out.Give()
	switch {
	case gone != nil:
		return clientGone(gone)
	case err != nil:
		return n.fail(err)
	case n.ended:
		return nil
	}
	if p.Type != "" {
		if !n.opened {
			n.opened = true
			n.first = llm.MessagesPiece{Type: p.Type, ID: p.ID, Ignored: p.Ignored}
		}
		n.out.Buf = append(append(append(n.out.Buf, "event: "...), p.Type...), '\n')
		n.out.Buf = append(append(append(n.out.Buf, sse.Data...), p.JSON...), sse.End...)
	}
	n.ended = p.Last
	if p.Type == "" || p.Last || len(n.out.Buf) >= sse.FlushAt {
		if err := n.out.Flush(); err != nil {
			return clientGone(err)
		}
	}
	return nil
}

func (n *native) fail(err error) error {
	n.ended = true
	if !n.opened && !n.out.Sent {
		WriteError(n.w, err)
	} else {
		failStream(n.w, &n.out, err)
	}
	return err
}

// writeWhole answers with a message in one piece.
func writeWhole(w http.ResponseWriter, seq iter.Seq2[llm.MessagesPiece, error], env *Native) error {
	for piece, err := range seq {
		switch {
		case err != nil:
			WriteError(w, err)
			return err
		case piece.Type == "":
			continue
		}
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Content-Length", strconv.Itoa(len(piece.JSON)))
		env.setHeader(h, &piece)
		if _, err := w.Write(piece.JSON); err != nil {
			return clientGone(err)
		}
		return nil
	}
	err := brokeOff()
	WriteError(w, err)
	return err
}

// brokeOff is the error of pieces that ended without their last.
func brokeOff() error {
	return &llm.Error{Kind: llm.KindUpstream, Message: "The answer ended before it was complete."}
}
