package sandbox

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// The readers below take a decoded body apart without complaint: what is absent
// or of another type reads as the zero value. checkConstraints has refused
// wrong types before any rule reads them.

func object(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func array(v any) []any {
	a, _ := v.([]any)
	return a
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

// number reads a JSON number; what a float64 cannot hold is an infinity.
func number(v any) float64 {
	n, _ := v.(json.Number)
	f, _ := strconv.ParseFloat(n.String(), 64) // on a range error f is ±Inf, on a syntax error 0
	return f
}

// dig follows member names downwards; nil when one is missing.
func dig(v any, path ...string) any {
	for _, name := range path {
		v = object(v)[name]
	}
	return v
}

// turn is one message of a conversation.
type turn struct {
	index   int // in messages, from 0
	role    string
	content []any
}

// turns lists the messages of a Converse body.
func turns(body map[string]any) []turn {
	messages := array(body["messages"])
	out := make([]turn, 0, len(messages))
	for i, m := range messages {
		out = append(out, turn{index: i, role: text(object(m)["role"]), content: array(object(m)["content"])})
	}
	return out
}

// merged joins neighbours of one role, as the service does since 2025, and
// leaves out system turns. A joined turn has the index of its first message.
func merged(all []turn) []turn {
	var out []turn
	for _, t := range all {
		last := len(out) - 1
		switch {
		case t.role == "system":
		case last >= 0 && out[last].role == t.role:
			out[last].content = append(out[last].content, t.content...)
		default:
			// clipped, so that the first append copies and the body stays as it is
			t.content = slices.Clip(t.content)
			out = append(out, t)
		}
	}
	return out
}

// place writes a path as Converse's own rules do: messages.1.content.0.
type place []any // strings and indices from 0

func (p place) String() string {
	var b strings.Builder
	for i, step := range p {
		if i > 0 {
			b.WriteByte('.')
		}
		switch step := step.(type) {
		case string:
			b.WriteString(step)
		case int:
			b.WriteString(strconv.Itoa(step))
		}
	}
	return b.String()
}

// in is the place of something below p; p is not changed.
func (p place) in(steps ...any) place {
	return append(p[:len(p):len(p)], steps...)
}

// base64Size is the number of bytes behind a base64 text, false when it is not
// one. Padding may be missing, and both alphabets pass, as the service's decoder
// lets them.
func base64Size(s string) (int, bool) {
	digits := strings.TrimRight(s, "=")
	for i := range len(digits) {
		if c := digits[i]; (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (c < '0' || c > '9') &&
			c != '+' && c != '/' && c != '-' && c != '_' {
			return 0, false
		}
	}
	return decodedSize(s), len(digits)%4 != 1
}

// decodedSize is that number without a look at the text.
func decodedSize(s string) int { return len(strings.TrimRight(s, "=")) * 3 / 4 }

// decodeObject decodes a JSON object with exact numbers; nil when data is none.
func decodeObject(data []byte) map[string]any {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var out map[string]any
	if d.Decode(&out) != nil {
		return nil
	}
	return out
}
