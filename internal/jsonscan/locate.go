package jsonscan

import (
	"bytes"
	"strconv"
	"unicode/utf8"
	"unsafe"
)

// Position turns an offset into a line and a column, both from 1; a column counts characters.
func Position(data []byte, offset int) (line, col int) {
	before := data[:min(offset, len(data))]
	start := bytes.LastIndexByte(before, '\n') + 1
	return 1 + bytes.Count(before, []byte{'\n'}), 1 + utf8.RuneCount(before[start:])
}

// Paths names the values that start at the given offsets, which must ascend: "messages[3].content",
// "tools[0].function['x y']". It walks the document a second time, which is for the cold path only:
// a decoder keeps offsets and asks for names when it has to report them. An offset at which no
// value starts gets the path of the value around it.
func Paths(data []byte, offsets []int) []string {
	w := walker{s: New(data), want: offsets}
	w.value()
	for len(w.found) < len(offsets) {
		w.found = append(w.found, string(w.last))
	}
	return w.found
}

// Path is Paths for one offset.
func Path(data []byte, offset int) string { return Paths(data, []int{offset})[0] }

type walker struct {
	s     Scanner
	want  []int
	found []string
	path  []byte
	last  []byte // path of the innermost value that began before the error
}

func (w *walker) done() bool { return w.s.err != nil || len(w.found) == len(w.want) }

func (w *walker) value() {
	at := w.s.Offset()
	w.last = append(w.last[:0], w.path...)
	for !w.done() && w.want[len(w.found)] <= at {
		w.found = append(w.found, string(w.path))
	}
	size := len(w.path)
	switch w.s.Kind() {
	case '{':
		w.s.Object()
		for key, ok := w.s.Member(); ok && !w.done(); key, ok = w.s.Member() {
			w.path = appendKey(w.path, key)
			w.value()
			w.path = w.path[:size]
		}
	case '[':
		w.s.Array()
		for i := 0; w.s.Element() && !w.done(); i++ {
			w.path = append(strconv.AppendInt(append(w.path, '['), int64(i), 10), ']')
			w.value()
			w.path = w.path[:size]
		}
	default:
		w.s.Skip()
	}
	for !w.done() && w.want[len(w.found)] < w.s.pos {
		w.found = append(w.found, string(w.path))
	}
}

// longestKey bounds what a stranger's member name can add to an error message.
const longestKey = 64

func appendKey(path []byte, key string) []byte {
	if len(key) > longestKey {
		cut := longestKey
		for !utf8.RuneStart(key[cut]) {
			cut--
		}
		key = key[:cut] + "…"
	}
	if isName(key) {
		if len(path) > 0 {
			path = append(path, '.')
		}
		return append(path, key...)
	}
	path = append(path, '[')
	path = AppendString(path, key)
	return append(path, ']')
}

func isName(key string) bool {
	for i := range len(key) {
		c := key[i]
		if c != '_' && c != '-' && c != '$' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return key != ""
}

func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
