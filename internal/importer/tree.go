package importer

import (
	"math/big"
	"slices"
	"strings"
)

type treeKind uint8

const (
	treeNull treeKind = iota
	treeBool
	treeNumber
	treeText
	treeList
	treeObject
)

func (k treeKind) String() string {
	return [...]string{"null", "a boolean", "a number", "a string", "a list", "an object"}[k]
}

// A tree is a value of a file, with the place where it stands, or one that is to be written. Package config
// reads the same files for what they mean; here it matters which bytes say it.
type tree struct {
	kind    treeKind
	text    string // of a scalar: as it is compared; of a number its digits
	members []treeMember
	items   []*tree

	start, end int // bytes of the file; end is 0 where a block of YAML ends by its indentation
	line, col  int // from 1
	last       int // the line on which the last value inside begins
	next       int // the line on which the next value behind it begins
	flow       bool
	inFlow     bool   // it stands inside of a flow collection
	implicit   bool   // a null of YAML that nobody wrote
	shared     string // the anchor or merge key of YAML that gives the value to other places too
	alias      bool   // an alias stands here
}

type treeMember struct {
	name   string
	start  int // of the name
	line   int
	col    int
	value  *tree
	merged bool // by a merge key of YAML (<<)
}

func object(members ...treeMember) *tree {
	return &tree{kind: treeObject, members: slices.DeleteFunc(members, func(m treeMember) bool { return m.value == nil })}
}

func field(name string, value *tree) treeMember { return treeMember{name: name, value: value} }

func text(s string) *tree { return &tree{kind: treeText, text: s} }

func texts(words []string) *tree {
	out := &tree{kind: treeList}
	for _, w := range words {
		out.items = append(out.items, text(w))
	}
	return out
}

// find is the place of the member with that name, in camelCase or snake_case as DIAL takes both; -1 for none.
func (t *tree) find(name string) int {
	return slices.IndexFunc(t.members, func(m treeMember) bool { return m.name == name || fold(m.name) == fold(name) })
}

// exact is the place of the member with exactly that name: names of models and sections have one spelling.
func (t *tree) exact(name string) int {
	return slices.IndexFunc(t.members, func(m treeMember) bool { return m.name == name })
}

func (t *tree) get(name string) *tree {
	if t == nil {
		return nil
	}
	if i := t.find(name); i >= 0 {
		return t.members[i].value
	}
	return nil
}

func fold(name string) string { return strings.ToLower(strings.ReplaceAll(name, "_", "")) }

// same says whether two values mean the same to DIAL: 1.0 is 1, and a number may stand in a string.
func (t *tree) same(o *tree) bool {
	switch {
	case t.kind == treeList && o.kind == treeList:
		return slices.EqualFunc(t.items, o.items, (*tree).same)
	case t.kind == treeObject && o.kind == treeObject:
		return len(t.members) == len(o.members) && !slices.ContainsFunc(t.members, func(m treeMember) bool {
			other := o.get(m.name)
			return other == nil || !m.value.same(other)
		})
	case t.kind >= treeList || o.kind >= treeList || (t.kind == treeNull) != (o.kind == treeNull):
		return false
	case t.text == o.text:
		return true
	case t.kind == treeNumber || o.kind == treeNumber:
		a, ok := rational(t.text)
		b, fine := rational(o.text)
		return ok && fine && a.Cmp(b) == 0
	}
	return false
}

// rational reads a number of a size that a price or a limit has.
func rational(s string) (*big.Rat, bool) {
	if len(s) > 40 {
		return nil, false
	}
	if _, exponent, has := strings.Cut(strings.ToLower(s), "e"); has && len(exponent) > 3 {
		return nil, false
	}
	return new(big.Rat).SetString(s)
}

// identical says whether two values are written with the same words in the same order; what merge keys
// bring has no order.
func (t *tree) identical(o *tree) bool {
	if t.kind != o.kind || t.text != o.text || len(t.members) != len(o.members) {
		return false
	}
	own := func(m treeMember) bool { return m.merged }
	a, b := slices.DeleteFunc(slices.Clone(t.members), own), slices.DeleteFunc(slices.Clone(o.members), own)
	if !slices.EqualFunc(a, b, func(m, n treeMember) bool { return m.name == n.name && m.value.identical(n.value) }) {
		return false
	}
	for _, m := range t.members {
		if i := o.exact(m.name); i < 0 || m.merged && !m.value.identical(o.members[i].value) {
			return false
		}
	}
	return slices.EqualFunc(t.items, o.items, (*tree).identical)
}

// brief is a value for a message. What may hold a secret is not shown: an object has none here.
func (t *tree) brief() string {
	switch t.kind {
	case treeObject:
		return "{…}"
	case treeList:
		var words []string
		for _, item := range t.items {
			words = append(words, item.brief())
		}
		return "[" + strings.Join(words, ", ") + "]"
	case treeNull:
		return "null"
	case treeText:
		return quoted(t.text)
	}
	return t.text
}
