package gateway

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"

	"outcrop/internal/auth"
)

var errNoFiles = errors.New("the request names a file of DIAL's storage, which this server does not have")

// trace is what a request says of the trace that it belongs to (https://www.w3.org/TR/trace-context/).
type trace struct {
	id     string // 32 hex digits, or "" when it says nothing that can be believed
	parent string // the span of who asks, 16 hex digits
	flags  string // 2 hex digits
	state  []string
}

// traceOf reads the header traceparent.
func traceOf(h http.Header) trace {
	none := trace{flags: "01"} // or servers that sample as their callers do would see nothing
	value := h.Get("Traceparent")
	if value == "" {
		return none
	}
	parts := strings.Split(value, "-")
	if len(value) > 256 || len(parts) < 4 || parts[0] == "ff" || parts[0] == "00" && len(parts) != 4 ||
		!isHex(parts[0], 2) || !isHex(parts[1], 32) || !isHex(parts[2], 16) || !isHex(parts[3], 2) ||
		strings.Trim(parts[1], "0") == "" || strings.Trim(parts[2], "0") == "" {
		return none
	}
	return trace{id: parts[1], parent: parts[2], flags: parts[3], state: h["Tracestate"]}
}

// enter gives a call its place in the trace, and says so in its headers.
func (t trace) enter(pass *auth.Pass, header http.Header) {
	pass.Trace, pass.Span = t.continued(pass.Trace), newSpan()
	header["Traceparent"] = []string{"00-" + pass.Trace + "-" + pass.Span + "-" + t.flags}
	if t.id == pass.Trace && len(t.state) > 0 {
		header["Tracestate"] = t.state
	}
}

// continued is the id of the trace that a call belongs to: that of the calls that it came through, that of the
// client, or a new one.
func (t trace) continued(before string) string {
	switch {
	case before != "":
		return before
	case t.id != "":
		return t.id
	default:
		return randomHex(16)
	}
}

// newSpan is the id of a call.
func newSpan() string { return randomHex(8) }

// randomHex is up to 16 random bytes in hexadecimal digits.
func randomHex(bytes int) string {
	var id [16]byte
	var text [2 * len(id)]byte
	_, _ = rand.Read(id[:bytes]) // never fails
	return string(hex.AppendEncode(text[:0], id[:bytes]))
}

func isHex(text string, length int) bool {
	return len(text) == length && strings.Trim(text, "0123456789abcdef") == ""
}
