package importer

import (
	"bytes"
	"errors"
	"io"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxImportNodes bounds what aliases may blow a file up to, as package config does.
const maxImportNodes = 1 << 20

// yamlTree reads YAML with the place of every value.
type yamlTree struct {
	data   []byte
	lines  []int // where each line begins
	left   int
	open   map[*yaml.Node]bool
	used   map[*yaml.Node]bool // by an alias
	events []int               // the lines on which names and values begin, in the order of the file
	ends   map[*tree]int       // how many events were before the end of a value
}

func parseYAMLTree(data []byte) (*tree, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	if decoder.Decode(&doc) != nil || !errors.Is(decoder.Decode(&second), io.EOF) {
		return nil, errNoDocument
	}
	r := &yamlTree{
		data: data, lines: lineStarts(data), left: maxImportNodes,
		open: map[*yaml.Node]bool{}, used: map[*yaml.Node]bool{}, ends: map[*tree]int{},
	}
	r.findAliases(&doc)
	root := r.value(doc.Content[0], yamlPlace{})
	if r.left < 0 {
		return nil, errNoDocument
	}
	for t, end := range r.ends {
		t.last, t.next = r.events[end-1], len(r.lines)+1
		if end < len(r.events) {
			t.next = r.events[end]
		}
	}
	return root, nil
}

// A yamlPlace is what a value must know of where it stands.
type yamlPlace struct {
	flow   bool
	shared string
	depth  int
	ghost  bool // it stands elsewhere in the file
}

func (r *yamlTree) value(y *yaml.Node, at yamlPlace) *tree {
	t := &tree{line: y.Line, col: y.Column, start: r.offset(y.Line, y.Column), inFlow: at.flow, shared: at.shared}
	if r.left--; r.left < 0 || at.depth > maxImportDepth {
		r.left = -1
		return t
	}
	if !at.ghost {
		r.events = append(r.events, y.Line)
		defer func() { r.ends[t] = len(r.events) }()
	}
	if r.used[y] && t.shared == "" {
		t.shared = "the anchor &" + y.Anchor
	}
	at.shared, at.depth = t.shared, at.depth+1
	switch y.Kind {
	case yaml.AliasNode:
		r.follow(y, t, at)
	case yaml.MappingNode:
		t.kind, t.flow = treeObject, y.Style&yaml.FlowStyle != 0
		at.flow = at.flow || t.flow
		r.mapping(y, t, at)
	case yaml.SequenceNode:
		t.kind, t.flow = treeList, y.Style&yaml.FlowStyle != 0
		at.flow = at.flow || t.flow
		for _, c := range y.Content {
			t.items = append(t.items, r.value(c, at))
		}
	default:
		r.scalar(y, t)
	}
	if t.flow || at.flow || y.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 {
		t.end = flowEnd(r.data, t.start)
	}
	return t
}

// follow puts what an alias stands for in its place.
func (r *yamlTree) follow(y *yaml.Node, t *tree, at yamlPlace) {
	if r.open[y.Alias] {
		r.left = -1
		return
	}
	r.open[y.Alias] = true
	defer delete(r.open, y.Alias)
	at.ghost, at.shared = true, "the anchor &"+y.Value
	there := r.value(y.Alias, at)
	t.kind, t.text, t.members, t.items = there.kind, there.text, there.members, there.items
	t.shared, t.alias = at.shared, true
	t.end = t.start + 1 + len(y.Value)
}

func (r *yamlTree) mapping(y *yaml.Node, t *tree, at yamlPlace) {
	var merged []treeMember
	for i := 0; i+1 < len(y.Content) && r.left >= 0; i += 2 {
		name := y.Content[i]
		if !at.ghost {
			r.events = append(r.events, name.Line)
		}
		if name.ShortTag() == "!!merge" {
			inside := at
			inside.shared = "the merge key (<<)"
			from := r.value(y.Content[i+1], inside)
			merged = append(merged, from.members...)
			for _, item := range from.items {
				merged = append(merged, item.members...)
			}
			continue
		}
		if name.Kind != yaml.ScalarNode { // config check refuses it
			r.left = -1
			return
		}
		t.members = append(t.members, treeMember{
			name: name.Value, line: name.Line, col: name.Column, start: r.offset(name.Line, name.Column), value: r.value(y.Content[i+1], at),
		})
	}
	for _, m := range merged {
		if m.merged = true; t.exact(m.name) < 0 {
			t.members = append(t.members, m)
		}
	}
}

func (r *yamlTree) scalar(y *yaml.Node, t *tree) {
	t.text = y.Value
	switch y.ShortTag() {
	case "!!null":
		t.kind, t.implicit, t.text = treeNull, y.Value == "", ""
	case "!!bool":
		t.kind = treeBool
	case "!!int", "!!float":
		t.kind = treeNumber
	default:
		t.kind = treeText
	}
	if y.Style == 0 && bytes.HasPrefix(r.data[t.start:], []byte(y.Value)) {
		t.end = t.start + len(y.Value)
	}
}

func (r *yamlTree) findAliases(y *yaml.Node) {
	if y.Kind == yaml.AliasNode {
		r.used[y.Alias] = true
		return
	}
	for _, c := range y.Content {
		r.findAliases(c)
	}
}

// lineStarts is where the lines begin, as YAML counts them.
func lineStarts(data []byte) []int {
	starts := []int{0}
	for i := 0; i < len(data); {
		c, size := utf8.DecodeRune(data[i:])
		i += size
		switch c {
		case '\r':
			if i < len(data) && data[i] == '\n' {
				i++
			}
			starts = append(starts, i)
		case '\n', '\u0085', '\u2028', '\u2029':
			starts = append(starts, i)
		}
	}
	return starts
}

// offset is the byte of a line and a column, which counts characters.
func (r *yamlTree) offset(line, col int) int {
	if line < 1 || line > len(r.lines) {
		return len(r.data)
	}
	at := r.lines[line-1]
	for range col - 1 {
		if at >= len(r.data) {
			break
		}
		_, size := utf8.DecodeRune(r.data[at:])
		at += size
	}
	return at
}

// flowEnd is the end of a value that begins at the byte and is quoted, in brackets, or stands inside of them.
func flowEnd(data []byte, at int) int {
	for at < len(data) && (data[at] == '&' || data[at] == '!') { // an anchor, a tag
		for at < len(data) && !isBlank(data[at]) {
			at++
		}
		for at < len(data) && isBlank(data[at]) {
			at++
		}
	}
	if at >= len(data) {
		return len(data)
	}
	switch data[at] {
	case '"', '\'':
		return quoteEnd(data, at)
	case '{', '[':
		return bracketEnd(data, at)
	}
	end := at
	for i := at; i < len(data); i++ {
		switch c := data[i]; {
		case c == ',' || c == '}' || c == ']' || c == '{' || c == '[':
			return end
		case c == '#' && i > at && isBlank(data[i-1]):
			return end
		case c == ':' && (i+1 == len(data) || isBlank(data[i+1]) || data[i+1] == ','):
			return end
		case !isBlank(c):
			end = i + 1
		}
	}
	return end
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func quoteEnd(data []byte, at int) int {
	quote := data[at]
	for i := at + 1; i < len(data); i++ {
		switch {
		case data[i] == '\\' && quote == '"':
			i++
		case data[i] == quote && quote == '\'' && i+1 < len(data) && data[i+1] == quote:
			i++
		case data[i] == quote:
			return i + 1
		}
	}
	return len(data)
}

// bracketEnd is behind the bracket that closes the one at the byte.
func bracketEnd(data []byte, at int) int {
	depth, before := 0, byte(' ')
	for i := at; i < len(data); i++ {
		switch c := data[i]; {
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return i + 1
			}
		case c == '#' && isBlank(data[i-1]):
			for i < len(data) && data[i] != '\n' {
				i++
			}
			continue
		case (c == '"' || c == '\'') && bytes.IndexByte([]byte("{[,:?"), before) >= 0:
			i = quoteEnd(data, i) - 1
		}
		if i < len(data) && !isBlank(data[i]) {
			before = data[i]
		}
	}
	return len(data)
}
