package proxy

import (
	"bytes"
	"mime"
	"net/http"
	"strings"
)

// ending follows the events of a stream to tell whether it came to its end. One that only stops is cut:
// where the other server's connection marks no end, or its process gave up between two events, nothing but
// the missing [DONE] says so.
type ending struct {
	stream bool
	line   []byte // the beginning of the current line
	last   []byte // of the last line with data
}

// lineKept is how much of a line is looked at.
const lineKept = 64

// endingOf is for an answer with that header.
func endingOf(resp *http.Response) *ending {
	media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	encoded := resp.Header.Get("Content-Encoding") != ""
	return &ending{stream: err == nil && media == "text/event-stream" && !encoded && resp.StatusCode == http.StatusOK}
}

// take looks at a piece of the answer.
func (e *ending) take(piece []byte) {
	for e.stream && len(piece) > 0 {
		line, rest, whole := bytes.Cut(piece, []byte("\n"))
		e.line = append(e.line, line[:min(len(line), lineKept-len(e.line))]...)
		if whole {
			e.endLine()
		}
		piece = rest
	}
}

func (e *ending) endLine() {
	if data, ok := bytes.CutPrefix(e.line, []byte("data:")); ok {
		e.last = append(e.last[:0], bytes.TrimSpace(data)...)
	}
	e.line = e.line[:0]
}

// reached says, at the end of the answer, whether it was told to be one: by [DONE], or by an error, which is
// the last that a stream of ours says.
func (e *ending) reached() bool {
	if !e.stream {
		return true
	}
	e.endLine()
	return string(e.last) == "[DONE]" || strings.HasPrefix(strings.ReplaceAll(string(e.last), " ", ""), `{"error":`)
}
