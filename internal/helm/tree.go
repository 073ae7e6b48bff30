package helm

import (
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxNodes bounds what aliases may blow a file up to.
const maxNodes = 1 << 18

// maxLevels bounds how deep a file may nest.
const maxLevels = 200

type kind uint8

const (
	null kind = iota
	text
	boolean
	number
	object
	list
)

// String is the kind with its article.
func (k kind) String() string {
	return [...]string{"null", "text", "a boolean", "a number", "a mapping", "a list"}[k]
}

// A node is a value and where it stands. Merging makes new ones; what was read is not changed after.
type node struct {
	kind kind
	at   place
	// value is the text of a scalar.
	value   string
	members []member
	items   []*node
	// block is the first line of a literal block scalar, and the column at which its text begins; 0 for others.
	block, column int
	source        *source
}

// member is one key of a mapping.
type member struct {
	name  string
	at    place
	value *node
}

// get is the value of a key; nil without.
func (n *node) get(name string) *node {
	if m := n.member(name); m != nil {
		return m.value
	}
	return nil
}

func (n *node) member(name string) *member {
	if n == nil {
		return nil
	}
	for i := range n.members {
		if n.members[i].name == name {
			return &n.members[i]
		}
	}
	return nil
}

// find follows keys; nil when one is missing.
func (n *node) find(names ...string) *node {
	for _, name := range names {
		n = n.get(name)
	}
	return n
}

// text is a scalar's text, "" for all else.
func (n *node) text() string {
	if n == nil || n.kind != text && n.kind != number && n.kind != boolean {
		return ""
	}
	return n.value
}

// isNull says that the key is there and its value is null.
func (n *node) isNull() bool { return n != nil && n.kind == null }

// empty says that there is nothing in it.
func (n *node) empty() bool {
	return n == nil || n.kind == null || len(n.members) == 0 && len(n.items) == 0 && n.value == ""
}

// builder turns YAML's nodes into ours.
type builder struct {
	*source
	lint  *linter
	left  int
	depth int
}

func (b *builder) node(y *yaml.Node) *node {
	n := &node{at: b.place(y.Line, y.Column), source: b.source}
	b.left--
	if b.left < 0 || b.depth > maxLevels {
		return n
	}
	b.depth++
	defer func() { b.depth-- }()
	switch y.Kind {
	case yaml.AliasNode:
		return b.node(y.Alias)
	case yaml.MappingNode:
		n.kind = object
		b.members(n, y)
	case yaml.SequenceNode:
		n.kind = list
		for _, c := range y.Content {
			n.items = append(n.items, b.node(c))
		}
	default:
		b.scalar(n, y)
	}
	return n
}

func (b *builder) members(n *node, y *yaml.Node) {
	var merged []member
	for i := 0; i+1 < len(y.Content); i += 2 {
		name, value := y.Content[i], b.node(y.Content[i+1])
		if name.ShortTag() == "!!merge" {
			merged = append(merged, value.members...)
			for _, item := range value.items {
				merged = append(merged, item.members...)
			}
			continue
		}
		at := b.place(name.Line, name.Column)
		if before := n.member(name.Value); before != nil {
			b.lint.at(at, Error, twice, name.Value, fmt.Sprintf("this key stands here and on line %d: Helm takes this one, drops the other, and says nothing", before.at.line), "make one of them")
			before.value, before.at = value, at // the last one wins
			continue
		}
		n.members = append(n.members, member{name.Value, at, value})
	}
	for _, m := range merged {
		if n.member(m.name) == nil {
			n.members = append(n.members, m)
		}
	}
}

func (b *builder) scalar(n *node, y *yaml.Node) {
	n.value = y.Value
	switch y.ShortTag() {
	case "!!null":
		n.kind, n.value = null, ""
	case "!!bool":
		n.kind = boolean
	case "!!int", "!!float":
		n.kind = number
	default:
		n.kind = text
	}
	if y.Style == yaml.LiteralStyle && y.Line <= len(b.lines) {
		n.block = y.Line + 1
		for _, line := range b.lines[y.Line:] {
			if trimmed := strings.TrimLeft(line, " "); trimmed != "" {
				n.column = len(line) - len(trimmed) + 1
				break
			}
		}
	}
}

// inside is the place of a position in the text of a scalar.
func (n *node) inside(line, column int) place {
	if n.block == 0 {
		return n.at
	}
	return n.source.place(n.block+line-1, n.column+column-1)
}

// plain is the value as encoding/json would give it.
func (n *node) plain() any {
	switch n.kind {
	case object:
		m := make(map[string]any, len(n.members))
		for _, member := range n.members {
			m[member.name] = member.value.plain()
		}
		return m
	case list:
		l := make([]any, 0, len(n.items))
		for _, item := range n.items {
			l = append(l, item.plain())
		}
		return l
	case boolean:
		return strings.EqualFold(n.value, "true")
	case number:
		var v any
		if yaml.Unmarshal([]byte(n.value), &v) == nil {
			switch v.(type) {
			case int, int64, uint64, float64:
				return v
			}
		}
		return n.value
	case text:
		return n.value
	default:
		return nil
	}
}

// merge is Helm's: a mapping is merged key by key, all else is replaced. A null stays: it deletes the
// chart's default.
func merge(a, b *node) *node {
	if a == nil || b == nil || a.kind != object || b.kind != object {
		if b == nil {
			return a
		}
		return b
	}
	out := &node{kind: object, at: b.at, source: b.source, members: append([]member{}, a.members...)}
	for _, m := range b.members {
		if before := out.member(m.name); before != nil {
			*before = member{m.name, m.at, merge(before.value, m.value)}
		} else {
			out.members = append(out.members, m)
		}
	}
	return out
}

// each calls f for every scalar of the tree with its path.
func (n *node) each(path string, f func(path string, key string, n *node)) { n.walk(path, "", f) }

func (n *node) walk(path, key string, f func(string, string, *node)) {
	switch n.kind {
	case object:
		for _, m := range n.members {
			m.value.walk(join(path, m.name), m.name, f)
		}
	case list:
		for i, item := range n.items {
			item.walk(path+"["+strconv.Itoa(i)+"]", key, f)
		}
	default:
		f(path, key, n)
	}
}

// join adds a key to a path. One with dots is put into brackets: env["aidial.config.files"].
func join(path, name string) string {
	switch {
	case strings.ContainsAny(name, ". /\"\n") || name == "":
		return path + "[" + strconv.Quote(name) + "]"
	case path == "":
		return name
	}
	return path + "." + name
}
