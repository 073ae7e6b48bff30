package config

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is encoding/json's: what it reads, this reader reads.
const maxDepth = 10000

// A syntaxError is why a file is no JSON or YAML. It never quotes the file:
// what stands around a missing comma may be a key.
type syntaxError struct {
	pos
	message, remedy string
}

// jsonReader reads strict JSON (RFC 8259, UTF-8 only) into nodes.
//
// encoding/json reports offsets of syntax errors but neither the position of
// values nor names that occur twice, and says what it found by quoting it.
type jsonReader struct {
	data  []byte
	off   int
	depth int
	// mark is the position of data[marked]; it moves forward only.
	mark   pos
	marked int
}

func parseJSON(file string, data []byte) (*node, *syntaxError) {
	r := &jsonReader{data: data, mark: pos{file, 1, 1}}
	if !utf8.Valid(data) {
		r.off = invalidAt(data)
		return nil, r.fail("this is not UTF-8 text", "save the file as UTF-8")
	}
	r.space()
	if r.off == len(data) {
		return nil, r.fail("the file is empty", "an empty configuration is {}")
	}
	n, err := r.value()
	if err != nil {
		return nil, err
	}
	r.space()
	if r.off < len(data) {
		return nil, r.fail("something follows the end of the document", "a file holds one value; look for a brace too many")
	}
	return n, nil
}

func invalidAt(data []byte) int {
	for i := 0; i < len(data); {
		c, size := utf8.DecodeRune(data[i:])
		if c == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return len(data)
}

// here is the position of the next byte.
func (r *jsonReader) here() pos {
	for ; r.marked < r.off; r.marked++ {
		switch c := r.data[r.marked]; {
		case c == '\n':
			r.mark.line, r.mark.col = r.mark.line+1, 1
		case utf8.RuneStart(c):
			r.mark.col++
		}
	}
	return r.mark
}

func (r *jsonReader) fail(message, remedy string) *syntaxError {
	return &syntaxError{r.here(), message, remedy}
}

func (r *jsonReader) space() {
	for r.off < len(r.data) {
		switch r.data[r.off] {
		case ' ', '\t', '\r', '\n':
			r.off++
		default:
			return
		}
	}
}

// peek is the next byte, or 0 at the end. A NUL byte starts nothing either.
func (r *jsonReader) peek() byte {
	if r.off == len(r.data) {
		return 0
	}
	return r.data[r.off]
}

func (r *jsonReader) value() (*node, *syntaxError) {
	n := &node{pos: r.here()}
	var err *syntaxError
	switch c := r.peek(); {
	case c == '{':
		n.kind = object
		err = r.object(n)
	case c == '[':
		n.kind = list
		err = r.list(n)
	case c == '"':
		n.kind = text
		n.text, err = r.str()
	case c == '-' || '0' <= c && c <= '9':
		n.kind = number
		n.text, err = r.number()
	default:
		err = r.literal(n)
	}
	return n, err
}

func (r *jsonReader) literal(n *node) *syntaxError {
	for _, l := range []struct {
		text string
		kind kind
	}{{"true", boolean}, {"false", boolean}, {"null", null}} {
		if bytes.HasPrefix(r.data[r.off:], []byte(l.text)) {
			n.kind, n.text = l.kind, l.text
			r.off += len(l.text)
			return nil
		}
	}
	if r.off == len(r.data) {
		return r.fail("the file ends where a value should stand", "is the file complete?")
	}
	switch r.peek() {
	case '/', '#':
		return r.fail("JSON has no comments", "remove it, or write the file as YAML and name it .yaml")
	case '\'', '`':
		return r.fail("a string needs double quotes", "")
	case ',', '}', ']':
		return r.fail("a value is missing here", "")
	}
	return r.fail("no JSON value starts like this", "a string needs double quotes; otherwise a number, true, false, null, a list or an object")
}

func (r *jsonReader) enter() *syntaxError {
	r.depth++
	if r.depth > maxDepth {
		return r.fail(fmt.Sprintf("more than %d levels of nesting", maxDepth), "")
	}
	r.off++
	r.space()
	return nil
}

func (r *jsonReader) object(n *node) *syntaxError {
	if err := r.enter(); err != nil {
		return err
	}
	for first := true; ; first = false {
		done, err := r.next(n.pos, '}', first)
		if err != nil || done {
			return err
		}
		m := member{pos: r.here()}
		if m.name, err = r.name(); err != nil {
			return err
		}
		if m.value, err = r.value(); err != nil {
			return err
		}
		n.members = append(n.members, m)
	}
}

// name reads a member's name and the colon after it.
func (r *jsonReader) name() (string, *syntaxError) {
	if r.peek() != '"' {
		if c := r.peek(); c == '/' || c == '#' {
			return "", r.fail("JSON has no comments", "remove it, or write the file as YAML and name it .yaml")
		}
		return "", r.fail("a name in double quotes should stand here", "")
	}
	name, err := r.str()
	if err != nil {
		return "", err
	}
	r.space()
	if r.peek() != ':' {
		return "", r.fail("a colon should stand between a name and its value", "")
	}
	r.off++
	r.space()
	return name, nil
}

func (r *jsonReader) list(n *node) *syntaxError {
	if err := r.enter(); err != nil {
		return err
	}
	for first := true; ; first = false {
		done, err := r.next(n.pos, ']', first)
		if err != nil || done {
			return err
		}
		item, err := r.value()
		if err != nil {
			return err
		}
		n.items = append(n.items, item)
	}
}

// next goes to the next member or item of what opened at open; done when it
// closed instead.
func (r *jsonReader) next(open pos, closing byte, first bool) (done bool, err *syntaxError) {
	r.space()
	what := "object"
	if closing == ']' {
		what = "list"
	}
	switch {
	case r.off == len(r.data):
		return false, r.fail(fmt.Sprintf("the %s that opens on line %d is never closed", what, open.line), fmt.Sprintf("add %q", string(closing)))
	case r.peek() == closing:
		r.off++
		r.depth--
		return true, nil
	case first:
		return false, nil
	case r.peek() != ',':
		return false, r.fail(fmt.Sprintf("a comma or %q should stand here", string(closing)), "is a comma missing before?")
	}
	comma := r.here()
	r.off++
	r.space()
	if r.peek() == closing {
		return false, &syntaxError{comma, "a comma before the end of the " + what, "remove the comma"}
	}
	return false, nil
}

func (r *jsonReader) str() (string, *syntaxError) {
	open := r.here()
	r.off++
	var out []byte
	for start := r.off; ; {
		if r.off == len(r.data) {
			return "", &syntaxError{open, "the string that starts here never ends", "add the closing quote"}
		}
		switch c := r.data[r.off]; {
		case c == '"':
			out = append(out, r.data[start:r.off]...)
			r.off++
			return string(out), nil
		case c == '\n' || c == '\r':
			return "", &syntaxError{open, "the string that starts here does not end on its line", `add the closing quote; a line break in a string is written \n`}
		case c < ' ':
			return "", r.fail("a control character inside a string", `write it as an escape: \t, \u0001`)
		case c == '\\':
			out = append(out, r.data[start:r.off]...)
			char, err := r.escape()
			if err != nil {
				return "", err
			}
			out = utf8.AppendRune(out, char)
			start = r.off
		default:
			r.off++
		}
	}
}

// escape reads one escape; a surrogate without its partner is U+FFFD, as in
// encoding/json.
func (r *jsonReader) escape() (rune, *syntaxError) {
	bad := &syntaxError{r.here(), "an escape that JSON does not have", `a backslash in a string is written \\`}
	r.off++
	c := r.peek()
	if i := bytes.IndexByte([]byte(`"\/bfnrt`), c); i >= 0 {
		r.off++
		return rune("\"\\/\b\f\n\r\t"[i]), nil
	}
	if c != 'u' {
		return 0, bad
	}
	first, ok := r.hex()
	if !ok {
		return 0, bad
	}
	if !utf16.IsSurrogate(first) {
		return first, nil
	}
	after := r.off
	if bytes.HasPrefix(r.data[r.off:], []byte(`\u`)) {
		r.off++
		if second, ok := r.hex(); ok {
			if char := utf16.DecodeRune(first, second); char != utf8.RuneError {
				return char, nil
			}
		}
	}
	r.off = after
	return utf8.RuneError, nil
}

// hex reads the u and four digits of \uXXXX.
func (r *jsonReader) hex() (rune, bool) {
	if len(r.data)-r.off < 5 {
		return 0, false
	}
	digits := r.data[r.off+1 : r.off+5]
	v, err := strconv.ParseUint(string(digits), 16, 16)
	if err != nil {
		return 0, false
	}
	r.off += 5
	return rune(v), true
}

func (r *jsonReader) number() (string, *syntaxError) {
	start := r.off
	bad := &syntaxError{r.here(), "this is not a JSON number", "no leading zero or plus, digits on both sides of the point; a string needs double quotes"}
	if r.peek() == '-' {
		r.off++
	}
	if r.peek() == '0' {
		r.off++
	} else if r.digits() == 0 {
		return "", bad
	}
	if r.peek() == '.' {
		r.off++
		if r.digits() == 0 {
			return "", bad
		}
	}
	if c := r.peek(); c == 'e' || c == 'E' {
		r.off++
		if c := r.peek(); c == '+' || c == '-' {
			r.off++
		}
		if r.digits() == 0 {
			return "", bad
		}
	}
	if c := r.peek(); '0' <= c && c <= '9' || c == '.' || isLetter(rune(c)) {
		return "", bad
	}
	return string(r.data[start:r.off]), nil
}

func (r *jsonReader) digits() int {
	start := r.off
	for c := r.peek(); '0' <= c && c <= '9'; c = r.peek() {
		r.off++
	}
	return r.off - start
}
