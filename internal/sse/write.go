package sse

import "strings"

// ContentType is the media type of an event stream.
const ContentType = "text/event-stream"

// Done is the frame that ends an OpenAI stream.
const Done = "data: [DONE]\n\n"

// AppendData appends one frame whose data is payload. Payload must not contain a line break, which
// JSON written on one line never does.
func AppendData(dst []byte, payload []byte) []byte {
	dst = append(dst, "data: "...)
	dst = append(dst, payload...)
	return append(dst, "\n\n"...)
}

// AppendComment appends a comment frame, which clients skip: it keeps an idle stream open.
func AppendComment(dst []byte, text string) []byte {
	dst = append(dst, ": "...)
	dst = append(dst, strings.NewReplacer("\r", " ", "\n", " ").Replace(text)...)
	return append(dst, "\n\n"...)
}
