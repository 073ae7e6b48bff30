package balance

import (
	"bytes"
	"slices"
)

// bodyPrompt is the prompt of a JSON body of any dialect, nil when none of it is worth caching, or the body is not what
// it should be.
func (g *Group) bodyPrompt(caller string, body []byte) *Prompt {
	if !g.remembers() || g.cache == ExplicitCache && !bytes.Contains(body, []byte(`"cache_`)) {
		return nil
	}
	w := walk{data: body, to: newPrompting(caller)}
	found := map[string]int{}
	w.object(func(name string) {
		found[name] = w.at
		w.value()
	})
	for _, list := range [...]string{"tools", "system", "instructions", "messages", "input"} {
		at, ok := found[list]
		if !ok || w.bad {
			continue
		}
		w.at, w.hashed = at, true
		w.list(list)
	}
	points := slices.ContainsFunc(w.to.ends, func(e promptEnd) bool { return e.point })
	if w.bad || g.cache == ExplicitCache && !points {
		return nil
	}
	return &Prompt{ends: w.to.ends}
}

// walk goes through JSON, and digests it without the space between its parts, and without what says only how to cache.
type walk struct {
	data   []byte
	at     int
	bad    bool
	hashed bool
	point  bool // the client says to cache what was there
	depth  int
	to     *prompting
}

// deepest is how deep the values of a body may be nested.
const deepest = 256

// list digests a value, each of its elements by itself.
func (w *walk) list(name string) {
	if w.space() != '[' {
		w.point = false
		w.value()
		w.to.end(promptEnd{list: name, index: -1, point: w.point})
		return
	}
	index := 0
	w.array(func() {
		w.point = false
		w.value()
		w.to.end(promptEnd{list: name, index: index, point: w.point})
		index++
	})
}

// space is the next byte that is none, 0 at the end.
func (w *walk) space() byte {
	for w.at < len(w.data) {
		switch c := w.data[w.at]; c {
		case ' ', '\t', '\r', '\n':
			w.at++
		default:
			return c
		}
	}
	w.bad = true
	return 0
}

func (w *walk) write(text []byte) {
	if w.hashed {
		_, _ = w.to.text.Write(text) // a digest takes everything
	}
}

func (w *walk) value() {
	w.depth++
	defer func() { w.depth-- }()
	if w.bad = w.bad || w.depth > deepest; w.bad {
		return
	}
	switch w.space() {
	case '{':
		w.write([]byte{'{'})
		w.object(w.member)
		w.write([]byte{'}'})
	case '[':
		w.write([]byte{'['})
		w.array(func() {
			w.value()
			w.write([]byte{','})
		})
		w.write([]byte{']'})
	case '"':
		w.write(w.text())
	default:
		from := w.at
		for w.at < len(w.data) && bytes.IndexByte([]byte(" \t\r\n,]}"), w.data[w.at]) < 0 {
			w.at++
		}
		w.bad = w.bad || w.at == from
		w.write(w.data[from:w.at])
	}
}

// member takes one of an object that is digested.
func (w *walk) member(name string) {
	before := w.hashed
	switch name {
	case "cache_control", "cache_breakpoint":
		w.hashed, w.point = false, w.point || w.space() != 'n' // null
	case "custom_fields":
		w.hashed = false
	case "custom_content":
		w.hashed = false
		if w.space() == '{' {
			w.object(func(inner string) {
				w.hashed = before && inner == "attachments"
				w.value()
			})
			w.hashed = before
			return
		}
	default:
		w.write([]byte(name))
		w.write([]byte{':'})
	}
	w.value()
	w.hashed = before
}

// text is a string with its quotes.
func (w *walk) text() []byte {
	from := w.at
	for w.at++; w.at < len(w.data); w.at++ {
		switch w.data[w.at] {
		case '\\':
			w.at++
		case '"':
			w.at++
			return w.data[from:w.at]
		}
	}
	w.bad = true
	return nil
}

// object calls member where the value of each stands.
func (w *walk) object(member func(name string)) {
	w.each('{', '}', func() {
		if w.space() != '"' {
			w.bad = true
			return
		}
		name := string(bytes.Trim(w.text(), `"`))
		if w.space() != ':' {
			w.bad = true
			return
		}
		w.at++
		w.space()
		member(name)
	})
}

func (w *walk) array(element func()) { w.each('[', ']', element) }

// each calls element for what stands between the brackets.
func (w *walk) each(open, shut byte, element func()) {
	if w.space() != open {
		w.bad = true
		return
	}
	w.at++
	if w.space() == shut {
		w.at++
		return
	}
	for !w.bad {
		element()
		switch c := w.space(); c {
		case ',':
			w.at++
		case shut:
			w.at++
			return
		default:
			w.bad = true
		}
	}
}
