package anthropic

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// How much of a kind a request may hold: whatever a decoded request takes beside its body grows with one
// of these counts.
const (
	maxMessages = 50_000
	maxBlocks   = 5_000 // of one message, system prompt or result
	maxTools    = 1_000
	maxStops    = 2_500
	maxFiles    = 5_000  // of the whole request
	maxMarks    = 10_000 // cache breakpoints of the whole request
	// maxMembers is of one object whose members are looked at; none of the wire has half as many.
	maxMembers = 64
	// maxIgnored is how many members are reported by name: the list goes into a header.
	maxIgnored = 64
	// maxToldPath is how many bytes of a member's path are repeated in a message.
	maxToldPath = 200
)

// fault is a mistake that the scanner does not know of: at the value that starts at offset, or at its
// absent member.
type fault struct {
	at     int
	member string
	reason string
}

// fail records the first mistake and stops the scanner.
func (d *decoder) fail(at int, member, reason string) {
	if d.s.Err() != nil {
		return
	}
	d.fault = fault{at, member, reason}
	d.s.Mismatch(at, reason)
}

// wrongType reports that the next value, whatever it is, is not what the member takes.
func (d *decoder) wrongType(want string) {
	if d.s.Kind() == 0 {
		d.s.Skip() // not a value at all: the scanner says so
		return
	}
	d.s.Mismatch(d.s.Offset(), want)
}

// tooMany refuses the list or member at offset.
func (d *decoder) tooMany(at int, things string, most int) {
	d.fail(at, "", "too many "+things+"; at most "+strconv.Itoa(most)+" are accepted")
}

func (d *decoder) err() error {
	scan, ok := errors.AsType[*jsonscan.Error](d.s.Err())
	if !ok {
		return nil
	}
	if !scan.Mismatch {
		return malformed(d.body, scan)
	}
	f := d.fault
	if f.reason == "" {
		f = fault{at: scan.Offset, reason: scan.Reason}
	}
	param := jsonscan.Path(d.body, f.at)
	switch {
	case f.member == "":
	case param == "":
		param = f.member
	default:
		param += "." + f.member
	}
	if param == "" {
		return llm.Invalid("", "The body is not a Messages request: "+f.reason+".")
	}
	return llm.Invalid(param, cut(param)+": "+f.reason+".")
}

// malformed is the error of a body that is not JSON.
func malformed(body []byte, scan *jsonscan.Error) error {
	line, col := jsonscan.Position(body, scan.Offset)
	return llm.Invalid("", fmt.Sprintf("The body is not valid JSON: line %d, column %d: %s.", line, col, scan.Reason))
}

// cut shortens a path for a message.
func cut(path string) string {
	if len(path) <= maxToldPath {
		return path
	}
	size := maxToldPath
	for !utf8.RuneStart(path[size]) {
		size--
	}
	return path[:size] + "…"
}

// ignore skips a value and lists it, unless it says nothing.
func (d *decoder) ignore() {
	at := d.s.Offset()
	if !saysNothing(d.s.Raw()) {
		d.ignored.add(at)
	}
}

// saysNothing reports whether raw is null or an empty string, array or object.
func saysNothing(raw []byte) bool {
	switch string(raw) {
	case "", "null", `""`, "[]", "{}":
		return true
	}
	return (raw[0] == '[' || raw[0] == '{') && len(bytes.TrimSpace(raw[1:len(raw)-1])) == 0
}

// told is a list of members that are to be told.
type told struct {
	at   []int // offsets, the first maxIgnored of them
	more int   // how many followed
}

func (l *told) add(at int) {
	if len(l.at) == maxIgnored {
		l.more++
		return
	}
	l.at = append(l.at, at)
}

func (l *told) paths(body []byte) []string {
	if len(l.at) == 0 {
		return nil
	}
	slices.Sort(l.at)
	paths := jsonscan.Paths(body, slices.Compact(l.at))
	if l.more > 0 {
		paths = append(paths, fmt.Sprintf("…and %d more", l.more))
	}
	return paths
}

// array iterates over the elements of one JSON array.
type array struct {
	d      *decoder
	at     int // its offset
	n      int // how many elements there were so far
	most   int
	things string // what the elements are, for a message
}

func (d *decoder) array(most int, things string) array {
	a := array{d: d, at: d.s.Offset(), most: most, things: things}
	d.s.Array()
	return a
}

// more moves to the next element, or returns false at the end or where there are too many.
func (a *array) more() bool {
	if !a.d.s.Element() {
		return false
	}
	if a.n == a.most {
		a.d.tooMany(a.at, a.things, a.most)
		return false
	}
	a.n++
	return true
}

// object iterates over the members of one JSON object.
type object struct {
	d     *decoder
	base  int // its first name in d.names
	value int // offset of the current member's value
}

func (d *decoder) object() object {
	d.s.Object()
	return object{d: d, base: len(d.names)}
}

// next moves to the next member that is not null. Two members of one name end the decoding: readers
// disagree about which one counts.
func (o *object) next() (key string, ok bool) {
	d := o.d
	for {
		key, ok = d.s.Member()
		if !ok {
			d.names = d.names[:o.base]
			return "", false
		}
		o.value = d.s.Offset()
		names := d.names[o.base:]
		if slices.Contains(names, key) {
			d.fail(o.value, "", "given twice")
			return "", false
		}
		if len(names) == maxMembers {
			d.tooMany(o.value, "members in its object", maxMembers)
			return "", false
		}
		d.names = append(d.names, key)
		if !d.s.Null() {
			return key, true
		}
	}
}

// kind looks ahead for the type of the object that is next, which may stand anywhere in it.
func (d *decoder) kind() (kind string, at int) {
	saved := d.s
	defer func() { d.s = saved }()
	if d.s.Kind() != '{' {
		return "", 0
	}
	d.s.Object()
	for key, ok := d.s.Member(); ok; key, ok = d.s.Member() {
		if key != "type" {
			d.s.Skip()
			continue
		}
		if at = d.s.Offset(); d.s.Kind() == '"' {
			kind = d.s.String()
		}
		return kind, at
	}
	return "", 0
}
