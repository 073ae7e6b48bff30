package importer

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// A document is a file that is changed by putting text between its bytes: what is not changed stays as it
// was, to the byte.
type document struct {
	name  string
	data  []byte // without a byte order mark
	bom   bool
	root  *tree
	lines []int
	w     treeWriter
	edits []splice
}

// A splice is text in the place of some bytes.
type splice struct {
	start, end int
	text       string
	depth      int
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// openDocument reads the text of a file. What is no JSON or YAML, or holds a name twice, is an error.
func openDocument(name string, data []byte) (*document, error) {
	d := &document{name: name}
	d.data, d.bom = bytes.CutPrefix(data, byteOrderMark)
	d.w = treeWriter{yaml: isYAMLFile(name, d.data), unit: "  ", nl: "\n"}
	if len(bytes.TrimSpace(d.data)) == 0 {
		d.data = []byte("{}\n")
	}
	if i := bytes.IndexByte(d.data, '\n'); i > 0 && d.data[i-1] == '\r' {
		d.w.nl = "\r\n"
	}
	if err := d.parse(); err != nil {
		return nil, err
	}
	d.style(d.root)
	return d, nil
}

func (d *document) parse() (err error) {
	read := parseJSONTree
	if d.w.yaml {
		read = parseYAMLTree
	}
	d.root, err = read(d.data)
	d.lines = lineStarts(d.data)
	if !d.w.yaml { // where a line ends with \n alone
		d.lines = []int{0}
		for i, c := range d.data {
			if c == '\n' {
				d.lines = append(d.lines, i+1)
			}
		}
	}
	return err
}

// isYAMLFile goes by the name, as package config does, and without a telling one by the first character.
func isYAMLFile(name string, data []byte) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".json":
		return false
	case ".yaml", ".yml":
		return true
	}
	data = bytes.TrimLeft(data, " \t\r\n")
	return len(data) > 0 && data[0] != '{'
}

// style learns from the file how it is indented, and whether it has spaces after colons.
func (d *document) style(t *tree) bool {
	for i, m := range t.members {
		if m.merged || m.value.shared != "" {
			continue
		}
		if t.flow && !d.w.yaml && i == 0 && m.start < m.value.start {
			d.w.tight = m.value.start > 0 && d.data[m.value.start-1] == ':'
		}
		inner := m.value
		if inner.kind == treeObject && len(inner.members) > 0 && inner.members[0].line > m.line && !inner.members[0].merged {
			outside, inside := d.indent(m.line), d.indent(inner.members[0].line)
			if step, ok := strings.CutPrefix(inside, outside); ok && step != "" {
				d.w.unit = step
				return true
			}
		}
		if d.style(inner) {
			return true
		}
	}
	return false
}

// indent is what a line begins with.
func (d *document) indent(line int) string {
	text := d.line(line)
	return string(text[:len(text)-len(bytes.TrimLeft(text, " \t"))])
}

func (d *document) line(n int) []byte {
	if n < 1 || n > len(d.lines) {
		return nil
	}
	end := len(d.data)
	if n < len(d.lines) {
		end = d.lines[n]
	}
	return d.data[d.lines[n-1]:end]
}

// insert puts members at the end of an object.
func (d *document) insert(path []string, t *tree, members []treeMember) {
	s := splice{depth: len(path)}
	if t.flow {
		s = d.insertFlow(t, members)
	} else {
		indent := d.indentOf(t)
		s.start = d.blockEnd(t)
		s.end, s.text = s.start, d.w.block(members, indent)
		if s.start > 0 && d.data[s.start-1] != '\n' { // the file has no line break at its end
			s.text = d.w.nl + strings.TrimSuffix(s.text, d.w.nl)
		}
	}
	s.depth = len(path)
	d.edits = append(d.edits, s)
	t.members = slices.DeleteFunc(t.members, func(m treeMember) bool {
		return m.merged && slices.ContainsFunc(members, func(n treeMember) bool { return n.name == m.name })
	})
	t.members = append(t.members, members...)
}

// indentOf is the indentation of the names in a block of YAML.
func (d *document) indentOf(t *tree) string {
	for _, m := range t.members {
		if !m.merged {
			return strings.Repeat(" ", m.col-1)
		}
	}
	return d.indent(t.line) // nothing but a merge key
}

// blockEnd is the end of the last line of a block of YAML, behind its line break.
func (d *document) blockEnd(t *tree) int {
	last, indent := t.last, len(d.indentOf(t))
	for n := t.last + 1; n < t.next && n <= len(d.lines); n++ {
		text := bytes.TrimRight(d.line(n), " \t\r\n")
		switch trimmed := bytes.TrimLeft(text, " \t"); {
		case len(trimmed) == 0:
			continue
		case len(text)-len(trimmed) < indent || bytes.Equal(text, []byte("...")) || bytes.Equal(text, []byte("---")):
			n = t.next
			continue
		}
		last = n
	}
	if last < len(d.lines) {
		return d.lines[last]
	}
	return len(d.data)
}

func (d *document) insertFlow(t *tree, members []treeMember) splice {
	own := slices.DeleteFunc(slices.Clone(t.members), func(m treeMember) bool { return m.merged || m.line == 0 })
	base := d.indent(t.line)
	if len(own) == 0 {
		return d.fill(t, members, base)
	}
	first, last := own[0], own[len(own)-1]
	at := last.value.end
	if last.value.implicit {
		at = max(at, flowEnd(d.data, last.start))
	}
	s := splice{start: at, end: at}
	between := ", "
	if d.w.tight {
		between = ","
	}
	indent := base
	if first.line > t.line {
		indent = d.indent(first.line)
		between = "," + d.w.nl + indent
	}
	for _, m := range members {
		value := d.w.inline(m.value)
		if first.line > t.line {
			value = d.w.flow(m.value, indent)
		}
		s.text += between + d.w.name(m.name, true) + value
	}
	return s
}

// fill writes an object that is empty.
func (d *document) fill(t *tree, members []treeMember, base string) splice {
	s := splice{start: t.start, end: t.end}
	from := len(bytes.TrimRight(d.data[:t.start], " \t"))
	rest := d.line(t.line)[t.start-d.lines[t.line-1]:]
	alone := t.end-t.start <= len(rest) && len(bytes.TrimSpace(rest[min(t.end-t.start, len(rest)):])) == 0
	if !d.w.yaml || t.inFlow || !alone || len(t.members) > 0 {
		s.text = d.w.flow(&tree{kind: treeObject, members: members}, base)
		return s
	}
	switch {
	case t == d.root:
		s.text = d.w.block(members, "")
	case from > 0 && d.data[from-1] == ':':
		s.start, s.text = from, d.w.nl+d.w.block(members, base+d.w.unit)
	case from == 0 || d.data[from-1] == '\n':
		s.start, s.text = from, d.w.block(members, base)
	default:
		s.text = d.w.flow(&tree{kind: treeObject, members: members}, base)
		return s
	}
	s.text = strings.TrimSuffix(s.text, d.w.nl)
	return s
}

// replace writes another value for a member.
func (d *document) replace(path []string, parent *tree, i int, value *tree) {
	m := &parent.members[i]
	old, s := m.value, splice{depth: len(path)}
	switch {
	case parent.flow:
		s.start, s.end = old.start, old.end
		s.text = d.w.flow(value, d.indent(m.line))
		if m.line == parent.line {
			s.text = d.w.inline(value)
		}
	case old.end > 0 && !old.implicit && old.line == m.line && value.kind < treeList:
		s.start, s.end, s.text = old.start, old.end, d.w.scalar(value, false)
	default:
		s.start, s.end = d.wholeMember(parent, i)
		s.text = d.w.block([]treeMember{{name: m.name, value: value}}, strings.Repeat(" ", m.col-1))
		s.text = strings.TrimPrefix(s.text, strings.Repeat(" ", m.col-1))
		if s.end == len(d.data) && d.data[s.end-1] != '\n' {
			s.text = strings.TrimSuffix(s.text, d.w.nl)
		}
	}
	d.edits = append(d.edits, s)
	written := *value // in the place of the old one, after which others may be put
	written.start, written.end, written.line, written.col, written.last, written.next = old.start, old.end, old.line, old.col, old.last, old.next
	m.value = &written
}

// wholeMember is a member of a block of YAML with its lines.
func (d *document) wholeMember(parent *tree, i int) (start, end int) {
	m := parent.members[i]
	span := &tree{kind: treeObject, members: []treeMember{{col: m.col + 1}}, last: m.value.last, next: m.value.next}
	if m.value.kind == treeList && !m.value.flow && m.value.col == m.col { // a list may stand as far left as its name
		span.members[0].col = m.col
	}
	return m.start, d.blockEnd(span)
}

// remove takes a member out, and in YAML the comments right above it.
func (d *document) remove(path []string, parent *tree, i int) {
	m := parent.members[i]
	s := splice{depth: len(path)}
	switch {
	case parent.flow && len(parent.members) == 1:
		s.start, s.end, s.text = parent.start, parent.end, "{}"
	case parent.flow && i+1 < len(parent.members):
		s.start, s.end = m.start, parent.members[i+1].start
	case parent.flow:
		s.start, s.end = parent.members[i-1].value.end, m.value.end
	default:
		s.start, s.end = d.wholeMember(parent, i)
		line := m.line
		for line > 1 && d.indent(line-1) == d.indent(m.line) && bytes.HasPrefix(bytes.TrimSpace(d.line(line-1)), []byte("#")) {
			line--
		}
		s.start = d.lines[line-1]
		if len(parent.members) == 1 {
			s.text = strings.Repeat(" ", m.col-1) + "{}" + d.w.nl
			if before := bytes.TrimRight(d.data[:s.start], "\r\n"); bytes.HasSuffix(before, []byte(":")) {
				s.start, s.text = len(before), " {}"+d.w.nl
			}
		}
	}
	d.edits = append(d.edits, s)
	parent.members = slices.Delete(parent.members, i, i+1)
}

// errNotInPlace is for a file whose form the edit would break.
var errNotInPlace = errors.New("the file cannot be changed in place")

// apply is the file with the edits made, which is read again: it must say what was meant, and nothing else
// than that may have changed.
func (d *document) apply() error {
	slices.SortStableFunc(d.edits, func(a, b splice) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(b.depth, a.depth))
	})
	var out []byte
	at := 0
	for _, s := range d.edits {
		if s.start < at || s.end < s.start || s.end > len(d.data) {
			return errNotInPlace
		}
		out = append(append(out, d.data[at:s.start]...), s.text...)
		at = s.end
	}
	meant := d.root
	d.data, d.edits = append(out, d.data[at:]...), nil
	if err := d.parse(); err != nil || !d.root.identical(meant) {
		return errNotInPlace
	}
	return nil
}

// bytes is the whole file.
func (d *document) bytes() []byte {
	if d.bom {
		return slices.Concat(byteOrderMark, d.data)
	}
	return d.data
}

func (d *document) at(line int) string { return fmt.Sprintf("%s:%d", d.name, line) }
