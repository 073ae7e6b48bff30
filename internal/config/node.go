package config

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

type kind uint8

const (
	null kind = iota
	boolean
	number
	text
	list
	object
)

// String names the kind as messages do.
func (k kind) String() string {
	return [...]string{"null", "a boolean", "a number", "a string", "a list", "an object"}[k]
}

// pos is where a value or a name begins; line and col count from 1.
type pos struct {
	file      string
	line, col int
}

// A node is a value of a file: encoding/json's maps would lose the order of
// names, which listings follow, and the place of values, which messages name.
type node struct {
	pos
	kind    kind
	text    string // boolean and number: the literal; text: the value
	plain   bool   // a YAML scalar without quotes
	changed bool   // text is a form of the YAML scalar that JSON has, not what the file says
	octal   bool   // a YAML number like 010: 8 in YAML 1.1, 10 in YAML 1.2
	members []member
	items   []*node
	chosen  bool // one of the versions of an object; it has no others
}

type member struct {
	pos   // of the name
	name  string
	value *node
	// lost: a later member of the same object and file has the same name, and
	// counts in place of this one.
	lost bool
}

// get is the value of the named member that counts, or nil.
func (n *node) get(name string) *node {
	if n == nil {
		return nil
	}
	for i := len(n.members) - 1; i >= 0; i-- {
		if n.members[i].name == name && !n.members[i].lost {
			return n.members[i].value
		}
	}
	return nil
}

// isDefault reports whether the value says no more than the default does.
func (n *node) isDefault(def string) bool {
	switch n.kind {
	case null:
		return true
	case list:
		return len(n.items) == 0
	case object:
		return len(n.members) == 0
	case number:
		stated, whole := n.whole()
		return n.text == def || whole && strconv.FormatInt(stated, 10) == def
	default:
		return n.text == def
	}
}

// whole is a whole number: 1 or "1", and of numbers also 1.0 and 1e3, up to where
// a float64 is exact.
func (n *node) whole() (int64, bool) {
	const exact = 1 << 53
	if i, err := strconv.ParseInt(n.text, 10, 64); err == nil || n.kind != number {
		return i, err == nil
	}
	f, err := strconv.ParseFloat(n.text, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > exact {
		return 0, false
	}
	return int64(f), true
}

// appendJSON appends the value as compact JSON, names in their order.
func (n *node) appendJSON(b []byte) []byte {
	switch n.kind {
	case null:
		return append(b, "null"...)
	case boolean, number:
		return append(b, n.text...)
	case text:
		return appendString(b, n.text)
	case list:
		b = append(b, '[')
		for i, item := range n.items {
			if i > 0 {
				b = append(b, ',')
			}
			b = item.appendJSON(b)
		}
		return append(b, ']')
	default:
		b = append(b, '{')
		some := false
		for _, m := range n.members {
			if m.lost {
				continue
			}
			if some {
				b = append(b, ',')
			}
			some = true
			b = append(appendString(b, m.name), ':')
			b = m.value.appendJSON(b)
		}
		return append(b, '}')
	}
}

func appendString(b []byte, s string) []byte {
	quoted, err := json.Marshal(s)
	if err != nil { // a string always has a JSON form
		return append(b, `""`...)
	}
	return append(b, quoted...)
}

// moveTo gives the whole tree one position: the one of the string it stood in.
func (n *node) moveTo(p pos) {
	n.pos = p
	for i := range n.members {
		n.members[i].pos = p
		n.members[i].value.moveTo(p)
	}
	for _, item := range n.items {
		item.moveTo(p)
	}
}

// A spot is a value with the path that names it in messages.
type spot struct {
	*node
	path string
	// remote says that the value is of a deployment of another server, which alone knows what its upstreams'
	// data mean.
	remote bool
	// entity is what the value is part of, as entityName names it, "" for none.
	entity string
}

// member is the i-th member of an object.
func (s spot) member(i int) spot {
	m := s.members[i]
	out := spot{node: m.value, remote: s.remote, entity: s.entity}
	switch {
	case s.path == "":
		out.path = rootLabel(m, i)
	case s.path == keysSection:
		out.path = keysSection + keyLabel(m, i)
	case s.besideSecrets() && !harmless(m.name) && !extraTable().has(m.name):
		out.path = fmt.Sprintf("%s[#%d]", s.path, i+1)
	default:
		out.path = s.path + segment(m.name)
	}
	if isEntitySection(s.path) {
		out.entity = entityName(s.path, m.name)
	}
	return out
}

// besideSecrets reports whether the object is one that holds keys, where a key
// may stand in the place of a name.
func (s spot) besideSecrets() bool {
	return strings.HasPrefix(s.path, keysSection+"[") || strings.Contains(s.path, ".upstreams[") || s.path == extraDataName
}

// find is the member with that name in camelCase or snake_case that counts.
func (s spot) find(name string) (spot, bool) {
	for i := len(s.members) - 1; i >= 0; i-- {
		if !s.members[i].lost && sameField(name, s.members[i].name) {
			return s.member(i), true
		}
	}
	return spot{}, false
}

// item is the i-th item of a list.
func (s spot) item(i int) spot {
	return spot{node: s.items[i], path: fmt.Sprintf("%s[%d]", s.path, i), remote: s.remote, entity: s.entity}
}

// namedAt is the spot with the position of its name instead of its value's.
func (s spot) namedAt(p pos) spot {
	at := *s.node
	at.pos = p
	s.node = &at
	return s
}

// segment is a name as a path goes on with it: .claude or ["claude.v1"].
func segment(name string) string {
	plain := name != ""
	for _, c := range name {
		plain = plain && (c == '_' || c == '-' || c == ':' || isLetter(c) || '0' <= c && c <= '9')
	}
	if plain {
		return "." + name
	}
	return fmt.Sprintf("[%q]", name)
}

// rootLabel names a member of the root. A section's name is public; anything
// else may be a key whose "keys" wrapper was forgotten, and is counted instead.
func rootLabel(m member, i int) string {
	if rootTable().has(m.name) || harmless(m.name) && !looksLikeKey(m.value) {
		return m.name
	}
	return fmt.Sprintf("[#%d]", i+1)
}

// keyLabel stands for a name of the keys map, which is the key itself.
func keyLabel(m member, i int) string {
	project := m.value.get("project")
	if project == nil || project.kind != text || project.text == "" || !isNamedKey(m.value) && strings.Contains(project.text, m.name) {
		return fmt.Sprintf("[#%d]", i+1)
	}
	return fmt.Sprintf("[#%d project %q]", i+1, project.text)
}

// looksLikeKey reports whether the value has the shape of an entry of keys.
func looksLikeKey(n *node) bool {
	return n.get("project") != nil || n.get("role") != nil || n.get("roles") != nil || n.get("secured") != nil
}

// harmless reports whether a name that nobody knows reads like a field's name:
// letters and underscores only. Keys and tokens have digits or dashes.
func harmless(name string) bool {
	if name == "" || len(name) > 40 {
		return false
	}
	return strings.IndexFunc(name, func(c rune) bool { return c != '_' && !isLetter(c) }) < 0
}

func isLetter(c rune) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
