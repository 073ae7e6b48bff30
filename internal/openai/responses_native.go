package openai

import (
	"bytes"
	"iter"
	"net/http"
	"strconv"

	"outcrop/internal/llm"
	"outcrop/internal/sse"
)

// WriteNativeResponse answers with the vendor's own events, or with its own response object, as they are, and
// returns the object that the last one has; nil when none ended it. Errors and flushes are as in
// WriteResponsesStream; pieces that end without a Last are an error.
func WriteNativeResponse(w http.ResponseWriter, seq iter.Seq2[llm.MessagesPiece, error], env *ResponsesEnvelope, stream bool) (final []byte, err error) {
	if !stream {
		return writeNativeObject(w, seq, env)
	}
	n := &nativeResponse{w: w, env: env}
	n.out.Open(w)
	n.out.Header = n
	defer n.out.Close()
	n.out.Beat(env.Heartbeat, heartbeat, func() bool { return n.opened && !n.ended })
	for piece, err := range seq {
		if err := n.take(&piece, err); err != nil {
			return nil, err
		}
	}
	if !n.ended {
		return nil, n.take(&llm.MessagesPiece{}, nativeBrokeOff())
	}
	return n.final, nil
}

// nativeResponse is a stream of the vendor's own events on its way out.
type nativeResponse struct {
	w             http.ResponseWriter
	out           sse.Out
	env           *ResponsesEnvelope
	ignored       []string
	opened, ended bool
	events        int64
	final         []byte
}

// SetHeader implements sse.HeaderSetter.
func (n *nativeResponse) SetHeader(h http.Header) { setNativeHeaders(h, n.env, n.ignored) }

func setNativeHeaders(h http.Header, env *ResponsesEnvelope, ignored []string) {
	SetHeaders(h, &Envelope{Created: env.Created}, &llm.Start{Ignored: ignored})
}

func (n *nativeResponse) take(p *llm.MessagesPiece, err error) error {
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
			n.opened, n.ignored = true, p.Ignored
		}
		n.event(p.Type, p.JSON)
	}
	if n.ended = p.Last; n.ended {
		n.final = bytes.Clone(ResponseIn(p.JSON))
	}
	if p.Type == "" || p.Last || len(n.out.Buf) >= sse.FlushAt {
		if err := n.out.Flush(); err != nil {
			return clientGone(err)
		}
	}
	return nil
}

func (n *nativeResponse) event(kind string, data []byte) {
	n.events++
	n.out.Buf = append(append(append(n.out.Buf, "event: "...), kind...), '\n')
	n.out.Buf = append(append(append(n.out.Buf, sse.Data...), data...), sse.End...)
}

// fail tells of an error: by a status, or by an event when it comes too late for one.
func (n *nativeResponse) fail(err error) error {
	n.ended = true
	if !n.opened && !n.out.Sent {
		WriteError(n.w, err)
		return err
	}
	failed := strconv.AppendInt([]byte(`{"type":"response.failed","sequence_number":`), n.events, 10)
	failed = append(append(failed, `,"response":`...), BareResponse(n.env, "failed", err)...)
	n.event("response.failed", append(failed, '}'))
	if gone := n.out.Flush(); gone != nil {
		return clientGone(gone)
	}
	return err
}

// writeNativeObject answers with a response in one piece.
func writeNativeObject(w http.ResponseWriter, seq iter.Seq2[llm.MessagesPiece, error], env *ResponsesEnvelope) ([]byte, error) {
	for piece, err := range seq {
		switch {
		case err != nil:
			WriteError(w, err)
			return nil, err
		case piece.Type == "":
			continue
		}
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Content-Length", strconv.Itoa(len(piece.JSON)))
		setNativeHeaders(h, env, piece.Ignored)
		final := bytes.Clone(piece.JSON)
		if _, err := w.Write(final); err != nil {
			return final, clientGone(err)
		}
		return final, nil
	}
	err := nativeBrokeOff()
	WriteError(w, err)
	return nil, err
}

// nativeBrokeOff is the error of pieces that ended without their last.
func nativeBrokeOff() error {
	return &llm.Error{Kind: llm.KindUpstream, Message: "The answer ended before it was complete."}
}
