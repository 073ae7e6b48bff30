package helm

import "slices"

// fault is a line whose indentation does not fit.
type fault struct {
	line, previous, root int   // indices of lines: this one, the content before it, the first of the document
	top                  int   // the indentation that it would have to have at most; -1: it stands left of the root
	levels               []int // the indentations that were open
	over                 bool  // it is indented more than what is above, which cannot have children
}

// level is an open block.
type level struct {
	indent int
	list   bool
}

// findFault is the first line that fits no open block.
func findFault(scanned []textLine) (fault, bool) {
	var open []level
	previous, root := -1, -1
	for i, t := range scanned {
		if t.kind != content || isMarker(t) {
			continue
		}
		if root < 0 {
			root = i
			open = push(open[:0], t)
			previous = i
			continue
		}
		f := fault{line: i, previous: previous, root: root}
		next, ok := f.fit(open, t, scanned[previous])
		if !ok {
			return f, true
		}
		open, previous = next, i
	}
	return fault{}, false
}

func isMarker(t textLine) bool {
	return t.indent == 0 && (t.text == "---" || t.text == "..." || len(t.text) > 0 && t.text[0] == '%')
}

// fit closes the blocks that end before the line and opens its own.
func (f *fault) fit(open []level, t, before textLine) ([]level, bool) {
	rest := slices.Clone(open)
	for len(rest) > 0 && rest[len(rest)-1].indent > t.indent {
		rest = rest[:len(rest)-1]
	}
	closed := len(rest) < len(open)
	for _, o := range open {
		if !o.list || t.item { // a key stands beside keys only
			f.levels = append(f.levels, o.indent)
		}
	}
	f.levels = slices.Compact(f.levels)
	if len(rest) == 0 {
		f.top = -1
		return nil, false
	}
	top := rest[len(rest)-1]
	f.top = top.indent
	if top.indent < t.indent {
		if closed {
			return nil, false
		}
		if before.opens() {
			return push(rest, t), true
		}
		f.over = t.key != "" || t.item
		return rest, !f.over // the plain text before goes on
	}
	switch {
	case top.list && !t.item: // the list ended without dedent
		rest = rest[:len(rest)-1]
		if len(rest) == 0 || rest[len(rest)-1].indent != t.indent {
			return nil, false
		}
	case !top.list && t.item:
		if !before.opens() || before.inner != t.indent {
			return nil, false
		}
		return push(rest, t), true
	case top.list:
		return push(rest[:len(rest)-1], t), true
	}
	return rest, true
}

// push opens the blocks that the line begins.
func push(open []level, t textLine) []level {
	open = append(open, level{t.indent, t.item})
	if t.item && t.key != "" {
		open = append(open, level{t.inner, false})
	}
	return open
}
