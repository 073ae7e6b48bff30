package sandbox

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"net/http"
	"strings"
)

// play sends events as frames, one flush per frame unless the directive batches
// them, and breaks off where the directive says so.
func (e *exchange) play(events []event) {
	if e.wish.unknown {
		note := event{kind: "sandboxUnknownEvent", payload: map[string]any{"note": "a client must skip this"}}
		events = append(events[:1:1], append([]event{note}, events[1:]...)...)
	}
	p := player{exchange: e, format: frames{padder(e.call)}, flusher: http.NewResponseController(e.w)}
	if e.call.isOpenAI() {
		p.format = &sse{named: e.call.Op == opResponses}
	}
	if e.call.isAnthropic() {
		p.format = &namedSSE{}
	}
	h := e.w.Header()
	h.Set("Content-Type", p.format.contentType())
	if e.call.Op == opInvokeStream {
		h.Set("X-Amzn-Bedrock-Content-Type", "application/json")
	}
	e.w.WriteHeader(http.StatusOK)
	p.play(events)
}

// player is a stream under way.
type player struct {
	*exchange
	format  format
	flusher *http.ResponseController
	pending []byte
	frames  int // in pending
}

func (p *player) play(events []event) {
	f := p.wish.fault
	for i, ev := range events {
		if f.kind != "" && f.kind != faultCutInside && f.kind != faultBadCRC && i == f.frames {
			p.breakOff(nil)
			return
		}
		pause := p.wish.drip + ev.pause
		if ev.token {
			pause += p.pace
		}
		if wait(p.r.Context(), pause) != nil {
			return
		}
		// A fault inside a frame happens at the last one when there are fewer.
		inside := i == min(f.frames, len(events)-1)
		switch {
		case inside && (f.kind == faultCutInside || f.kind == faultBadCRC):
			p.breakOff(p.format.encode(ev))
			if f.kind == faultCutInside {
				return
			}
		default:
			p.write(p.format.encode(ev))
		}
	}
	if f.kind != "" && f.frames >= len(events) && f.kind != faultCutInside && f.kind != faultBadCRC {
		p.breakOff(nil)
	}
	p.flush()
}

// breakOff does what the directive wishes of the stream. next is the frame the
// fault damages, nil for faults between frames.
func (p *player) breakOff(next []byte) {
	switch f := p.wish.fault; f.kind {
	case faultException:
		p.write(p.format.exception(exceptionError(f.exception, 0, p.wish.message), f.exception))
	case faultCut:
		p.flush()
		abort()
	case faultCutInside:
		p.pending = append(p.pending, next[:len(next)/2]...)
		p.flush()
		abort()
	case faultBadCRC:
		p.write(p.format.spoil(next))
		return
	case faultEnd, faultEmpty:
	}
	p.flush()
}

// format is how a stream is written.
type format interface {
	contentType() string
	encode(event) []byte
	exception(e *apiError, kind string) []byte // an error after the reply has begun
	spoil(encoded []byte) []byte               // an event that was damaged on the way
}

// frames are AWS's.
type frames struct{ pads *rand.Rand }

func (frames) contentType() string { return eventStreamType }

// encode turns an event into a frame. Its payload gets the padding "p" that
// Bedrock adds to every event.
func (f frames) encode(ev event) []byte {
	ev.payload["p"] = padding[:1+f.pads.IntN(len(padding))]
	return frame{kind: ev.kind, payload: encode(ev.payload)}.appendTo(nil)
}

func (frames) exception(e *apiError, kind string) []byte {
	return frame{kind: lowerFirst(kind), exception: true, payload: encode(e.body())}.appendTo(nil)
}

func (frames) spoil(encoded []byte) []byte { return spoil(encoded) }

func (p *player) write(encoded []byte) {
	p.pending = append(p.pending, encoded...)
	p.frames++
	if p.frames >= max(1, p.wish.batch) {
		p.flush()
	}
}

// flush sends what is pending. A client that left shows at the next pause or
// write, so errors need no handling here.
func (p *player) flush() {
	if len(p.pending) > 0 {
		_, _ = p.w.Write(p.pending)
		p.pending, p.frames = p.pending[:0], 0
	}
	_ = p.flusher.Flush()
}

// padder chooses the lengths of the padding: at random for an observer, the same
// for the same request.
func padder(c *call) *rand.Rand {
	sum := sha256.Sum256(c.Raw)
	return rand.New(rand.NewPCG(binary.BigEndian.Uint64(sum[:]), binary.BigEndian.Uint64(sum[8:])))
}

// dripSize is how much of a plain reply one drip is.
const dripSize = 64

// drip writes a plain reply, in drops when the directive says so.
func (e *exchange) drip(raw []byte) {
	flusher := http.NewResponseController(e.w)
	reader := bytes.NewReader(raw)
	for reader.Len() > 0 {
		size := reader.Len()
		if e.wish.drip > 0 {
			size = min(size, dripSize)
		}
		if wait(e.r.Context(), e.wish.drip) != nil {
			return
		}
		drop := make([]byte, size)
		_, _ = reader.Read(drop) // a bytes.Reader fills it
		if _, err := e.w.Write(drop); err != nil {
			return // the client has left
		}
		if e.wish.drip > 0 || e.wish.fault.kind != "" {
			_ = flusher.Flush()
		}
	}
}

// abort tears the connection down, over HTTP/1.1 and HTTP/2 alike. A panic with
// this value is net/http's own way to say so; the server recovers from it.
func abort() {
	panic(http.ErrAbortHandler)
}

// exceptionError is a refusal of a given type, with the status and the text
// that Bedrock's API reference gives that type unless they are chosen.
func exceptionError(kind string, status int, message string) *apiError {
	e := exceptionOf(strings.ToUpper(kind[:1]) + kind[1:])
	if status != 0 {
		e.Status = status
	}
	if message != "" {
		e.Message = message
	}
	return e
}

// exceptionOf gives the defaults of a type: those of the refusal of that type.
func exceptionOf(kind string) *apiError {
	name := map[string]string{
		"ThrottlingException": "throttle-tokens", "ModelNotReadyException": "model-not-ready", "ModelTimeoutException": "model-timeout",
		"ModelErrorException": "model-error", "ModelStreamErrorException": "model-stream-error", "ValidationException": "validation",
		"InternalServerException": "internal", "ServiceUnavailableException": "unavailable", "AccessDeniedException": "no-model-access",
		"ResourceNotFoundException": "not-found", "ServiceQuotaExceededException": "quota", "ConflictException": "conflict",
		"UnrecognizedClientException": "unknown-key", "ExpiredTokenException": "expired-token", "InvalidSignatureException": "bad-signature",
	}[kind]
	if e, ok := refusal(name, &call{}); ok {
		return e
	}
	return &apiError{Status: http.StatusBadRequest, Type: kind, Message: "The sandbox was asked for this exception."}
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }
