package sandbox

import "bytes"

// sse writes the events of OpenAI's streams: chat completions as data alone,
// responses with the name of each event, its type and its number.
type sse struct {
	named bool
	sent  int
}

// endOfChat is the kind of the last event of a stream of chat completions.
const endOfChat = "[DONE]"

func (*sse) contentType() string { return "text/event-stream; charset=utf-8" }

func (s *sse) encode(ev event) []byte {
	if ev.kind == endOfChat {
		return []byte("data: [DONE]\n\n")
	}
	if !s.named {
		return append(append([]byte("data: "), encode(ev.payload)...), "\n\n"...)
	}
	ev.payload["type"], ev.payload["sequence_number"] = ev.kind, s.sent
	s.sent++
	out := append([]byte("event: "+ev.kind+"\ndata: "), encode(ev.payload)...)
	return append(out, "\n\n"...)
}

// exception is an error in the middle: an event of its own among responses, a
// chunk with nothing but the error among chat completions.
func (s *sse) exception(e *apiError, _ string) []byte {
	body := openaiErrorBody(e)
	if s.named {
		return s.encode(event{kind: "error", payload: object(body["error"])})
	}
	return s.encode(event{payload: body})
}

// spoil takes the last brace away: these streams have no checksum.
func (*sse) spoil(encoded []byte) []byte {
	at := bytes.LastIndexByte(encoded, '}')
	if at < 0 {
		return encoded
	}
	return append(encoded[:at:at], encoded[at+1:]...)
}
