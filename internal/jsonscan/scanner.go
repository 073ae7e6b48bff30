package jsonscan

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"strconv"
	"unicode/utf8"
	"unsafe"
)

// MaxDepth is how deeply objects and arrays may be nested. Real chat requests, JSON Schemas
// included, stay under 64; the limit bounds the stack that hostile input can take.
const MaxDepth = 512

// Error says what is wrong with a document and where.
type Error struct {
	Offset int    // bytes from the start of the document
	Reason string // "unexpected end of input", "expected a string, got a number"
	// Mismatch is true when the document is JSON and only the type of a value is not the expected
	// one: the caller then names the field rather than the line.
	Mismatch bool
}

func (e *Error) Error() string { return fmt.Sprintf("offset %d: %s", e.Offset, e.Reason) }

// Scanner walks one document from front to back. The first mistake sticks: from then on every
// method returns a zero value and every loop ends, so a caller checks Err once, at its end.
//
//	s.Object()
//	for key, ok := s.Member(); ok; key, ok = s.Member() {
//		switch key {
//		case "name":
//			name = s.String()
//		default:
//			s.Skip()
//		}
//	}
//
// The strings it returns alias the document unless they held escapes.
type Scanner struct {
	data    []byte
	pos     int
	depth   int
	fresh   bool // a container was opened and holds nothing yet
	inPlace bool
	err     *Error
}

// New returns a scanner of data, which must not change while strings taken from it are in use.
func New(data []byte) Scanner { return Scanner{data: data} }

// NewInPlace returns a scanner that resolves escapes by overwriting data: no string is ever
// copied, and the document cannot be read a second time.
func NewInPlace(data []byte) Scanner { return Scanner{data: data, inPlace: true} }

// Err returns the first mistake, or nil.
func (s *Scanner) Err() error {
	if s.err == nil {
		return nil
	}
	return s.err
}

// Offset is where the next token starts.
func (s *Scanner) Offset() int {
	s.space()
	return s.pos
}

// Kind peeks at the next value: '{', '[', '"', 't' (either boolean), 'n' (null), '0' (a number),
// or 0 when there is none.
func (s *Scanner) Kind() byte {
	s.space()
	if s.err != nil || s.pos >= len(s.data) {
		return 0
	}
	switch c := s.data[s.pos]; {
	case c == '{' || c == '[' || c == '"' || c == 'n':
		return c
	case c == 't' || c == 'f':
		return 't'
	case c == '-' || c >= '0' && c <= '9':
		return '0'
	default:
		return 0
	}
}

// Object opens an object; its members follow through Member.
func (s *Scanner) Object() { s.open('{', "an object") }

// Array opens an array; its elements follow through Element.
func (s *Scanner) Array() { s.open('[', "an array") }

func (s *Scanner) open(c byte, want string) {
	if !s.expect(c, want) {
		return
	}
	s.pos++
	s.depth++
	s.fresh = true
	if s.depth > MaxDepth {
		s.fail(s.pos-1, "nested more than "+strconv.Itoa(MaxDepth)+" levels deep")
	}
}

// Member moves to the next member of the open object and returns its key, or false at the end.
// Its value must be consumed before the next call.
func (s *Scanner) Member() (key string, ok bool) {
	if !s.next('}') {
		return "", false
	}
	if s.pos >= len(s.data) || s.data[s.pos] != '"' {
		s.unexpected("a member name in quotes")
		return "", false
	}
	key = s.str()
	s.space()
	if s.err != nil {
		return "", false
	}
	if s.pos >= len(s.data) || s.data[s.pos] != ':' {
		s.unexpected("':' after a member name")
		return "", false
	}
	s.pos++
	return key, true
}

// Element moves to the next element of the open array, or returns false at the end.
// The element must be consumed before the next call.
func (s *Scanner) Element() bool { return s.next(']') }

func (s *Scanner) next(end byte) bool {
	s.space()
	if s.err != nil {
		return false
	}
	if s.pos < len(s.data) && s.data[s.pos] == end {
		s.pos++
		s.depth--
		s.fresh = false
		return false
	}
	if !s.fresh {
		if s.pos >= len(s.data) || s.data[s.pos] != ',' {
			s.unexpected("',' or '" + string(end) + "'")
			return false
		}
		s.pos++
		s.space()
	}
	s.fresh = false
	return true
}

// String reads a string.
func (s *Scanner) String() string {
	if !s.expect('"', "a string") {
		return ""
	}
	return s.str()
}

// Bool reads true or false.
func (s *Scanner) Bool() bool {
	if !s.expect('t', "true or false") {
		return false
	}
	if s.data[s.pos] == 't' {
		s.word("true")
		return true
	}
	s.word("false")
	return false
}

// Null consumes a null and reports whether there was one.
func (s *Scanner) Null() bool {
	if s.Kind() != 'n' {
		return false
	}
	s.word("null")
	return s.err == nil
}

// Float reads a number.
func (s *Scanner) Float() float64 {
	at := s.Offset()
	raw := s.number("a number")
	if s.err != nil {
		return 0
	}
	f, err := strconv.ParseFloat(raw, 64)
	if err != nil {
		s.mismatch(at, "expected a number within the range of a float64")
		return 0
	}
	return f
}

// Int reads a whole number; 1.0 and 1e3 are whole.
func (s *Scanner) Int() int64 {
	at := s.Offset()
	raw := s.number("an integer")
	if s.err != nil {
		return 0
	}
	if n, err := strconv.ParseInt(raw, 10, 64); err == nil {
		return n
	}
	f, err := strconv.ParseFloat(raw, 64)
	if err != nil || f != float64(int64(f)) || f > 1<<53 || f < -1<<53 {
		s.mismatch(at, "expected an integer, got a number with a fraction or out of range")
		return 0
	}
	return int64(f)
}

func (s *Scanner) number(want string) string {
	if !s.expect('0', want) {
		return ""
	}
	start := s.pos
	s.skipNumber()
	return alias(s.data[start:s.pos])
}

// Raw checks the next value, skips it and returns its text. With an in-place scanner the text of a
// value that holds escapes is not JSON any more: use New where Raw is needed.
func (s *Scanner) Raw() []byte {
	start := s.Offset()
	s.Skip()
	if s.err != nil {
		return nil
	}
	return s.data[start:s.pos]
}

// Skip checks the next value and moves past it.
func (s *Scanner) Skip() {
	if s.err == nil {
		if end := pass(s.data, s.pos, MaxDepth-s.depth); end >= 0 {
			s.pos = end
			return
		}
	}
	s.find()
}

// find is Skip by the scanner's own steps, which say what is wrong and where.
func (s *Scanner) find() {
	switch s.Kind() {
	case '{':
		for s.Object(); ; s.find() {
			if _, ok := s.Member(); !ok {
				return
			}
		}
	case '[':
		for s.Array(); s.Element(); {
			s.find()
		}
	case '"':
		s.skipString()
	case 't':
		s.Bool()
	case 'n':
		s.word("null")
	case '0':
		s.skipNumber()
	default:
		s.unexpected("a value")
	}
}

// End checks that nothing but white space is left.
func (s *Scanner) End() {
	s.space()
	if s.err == nil && s.pos < len(s.data) {
		s.fail(s.pos, "unexpected "+describe(s.data[s.pos])+" after the end of the document")
	}
}

// Mismatch records that the value at offset is JSON but not what the caller needs; want completes
// the sentence "expected …".
func (s *Scanner) Mismatch(offset int, want string) { s.mismatch(offset, "expected "+want) }

func (s *Scanner) mismatch(offset int, reason string) {
	if s.err == nil {
		s.err = &Error{Offset: offset, Reason: reason, Mismatch: true}
	}
}

func (s *Scanner) fail(offset int, reason string) {
	if s.err == nil {
		s.err = &Error{Offset: offset, Reason: reason}
	}
}

func (s *Scanner) unexpected(want string) {
	if s.err != nil {
		return
	}
	if s.pos >= len(s.data) {
		s.fail(len(s.data), "unexpected end of input, expected "+want)
		return
	}
	s.fail(s.pos, "unexpected "+describe(s.data[s.pos])+", expected "+want)
}

// expect checks that a value of the kind is next. A value of another kind is a mismatch; anything
// else is a syntax error.
func (s *Scanner) expect(kind byte, want string) bool {
	got := s.Kind()
	switch {
	case s.err != nil:
		return false
	case got == kind:
		return true
	case got == 0:
		s.unexpected(want)
	default:
		s.mismatch(s.pos, "expected "+want+", got "+kindName(got))
	}
	return false
}

func (s *Scanner) word(w string) {
	for i := range len(w) {
		if s.pos+i >= len(s.data) || s.data[s.pos+i] != w[i] {
			s.fail(s.pos, "unexpected word, expected "+w)
			return
		}
	}
	s.pos += len(w)
}

func (s *Scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\n', '\r', '\t':
			s.pos++
		default:
			return
		}
	}
}

func (s *Scanner) skipNumber() {
	d, i := s.data, s.pos
	if i < len(d) && d[i] == '-' {
		i++
	}
	switch {
	case i < len(d) && d[i] == '0':
		i++
	default:
		if i = s.digits(i); i < 0 {
			return
		}
	}
	if i < len(d) && d[i] == '.' {
		if i = s.digits(i + 1); i < 0 {
			return
		}
	}
	if i < len(d) && (d[i] == 'e' || d[i] == 'E') {
		i++
		if i < len(d) && (d[i] == '+' || d[i] == '-') {
			i++
		}
		if i = s.digits(i); i < 0 {
			return
		}
	}
	s.pos = i
}

// digits skips one or more digits from i; -1 when there is none.
func (s *Scanner) digits(i int) int {
	start := i
	for i < len(s.data) && s.data[i]-'0' <= 9 {
		i++
	}
	if i == start {
		s.pos = i
		s.unexpected("a digit")
		return -1
	}
	return i
}

// str reads the string whose opening quote is at pos.
func (s *Scanner) str() string {
	start := s.pos + 1
	end, escaped := s.skipString()
	if s.err != nil {
		return ""
	}
	body := s.data[start:end]
	switch {
	case !escaped:
		return alias(body)
	case s.inPlace:
		return alias(unescape(body[:0], body))
	default:
		return alias(unescape(make([]byte, 0, len(body)), body))
	}
}

// skipString checks the string at pos and moves past it. It returns the offset of the closing quote
// and whether there are escapes.
func (s *Scanner) skipString() (end int, escaped bool) {
	if end, escaped = passString(s.data, s.pos+1); end >= 0 {
		s.pos = end
		return end - 1, escaped
	}
	return s.findString()
}

// findString is skipString by steps that say what is wrong and where.
func (s *Scanner) findString() (end int, escaped bool) {
	d, i, wide := s.data, s.pos+1, false
	start := i
	for {
		i = plainRun(d, i)
		if i >= len(d) {
			s.fail(len(d), "unexpected end of input inside a string")
			return 0, false
		}
		switch c := d[i]; {
		case c == '"':
			if wide && !utf8.Valid(d[start:i]) {
				s.fail(start-1, "a string is not valid UTF-8")
				return 0, false
			}
			s.pos = i + 1
			return i, escaped
		case c == '\\':
			escaped = true
			n := escapeLen(d[i:])
			if n == 0 {
				s.fail(i, "invalid escape in a string")
				return 0, false
			}
			i += n
		case c < 0x20:
			s.fail(i, "unescaped control character in a string")
			return 0, false
		default:
			wide = true
			i++
		}
	}
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// plainRun returns the offset of the first byte from i on that is a quote, a backslash, a control
// character or not ASCII: eight bytes at a time, since most of a large body is base64.
func plainRun(d []byte, i int) int {
	for i+8 <= len(d) {
		x := binary.LittleEndian.Uint64(d[i:])
		m := (x | (x - 0x20*ones) | ((x ^ '"'*ones) - ones) | ((x ^ '\\'*ones) - ones)) & highs
		if m != 0 {
			return i + bits.TrailingZeros64(m)/8
		}
		i += 8
	}
	for i < len(d) && d[i] >= 0x20 && d[i] < 0x80 && d[i] != '"' && d[i] != '\\' {
		i++
	}
	return i
}

// alias views bytes as a string without a copy; the bytes must not change afterwards.
func alias(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func describe(c byte) string {
	if c > 0x20 && c < 0x7f {
		return "'" + string(c) + "'"
	}
	return fmt.Sprintf("byte 0x%02x", c)
}

func kindName(kind byte) string {
	switch kind {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't':
		return "a boolean"
	case 'n':
		return "null"
	default:
		return "a number"
	}
}
