package importer

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"
)

// errNoDocument is for text that is no JSON or YAML; package config says why and where.
var errNoDocument = errors.New("this is no JSON or YAML")

// maxImportDepth is the deepest nesting that is edited.
const maxImportDepth = 500

// parseJSONTree reads JSON, which encoding/json has found to be valid, with the place of every value.
func parseJSONTree(data []byte) (*tree, error) {
	if !utf8.Valid(data) || !json.Valid(data) {
		return nil, errNoDocument
	}
	r := &jsonTree{data: data, line: 1}
	r.space()
	root := r.value(0)
	if r.deep {
		return nil, errNoDocument
	}
	return root, nil
}

type jsonTree struct {
	data  []byte
	off   int
	line  int
	begin int // of the line
	deep  bool
}

func (r *jsonTree) space() {
	for ; r.off < len(r.data); r.off++ {
		switch r.data[r.off] {
		case '\n':
			r.line, r.begin = r.line+1, r.off+1
		case ' ', '\t', '\r':
		default:
			return
		}
	}
}

func (r *jsonTree) here() *tree {
	return &tree{start: r.off, line: r.line, col: 1 + utf8.RuneCount(r.data[r.begin:r.off]), flow: true, inFlow: true}
}

func (r *jsonTree) value(depth int) *tree {
	t := r.here()
	if depth > maxImportDepth {
		r.deep = true
		r.off = len(r.data)
		return t
	}
	switch c := r.data[r.off]; c {
	case '{':
		t.kind = treeObject
		r.each('}', func() {
			m := treeMember{start: r.off, line: r.line, col: 1 + utf8.RuneCount(r.data[r.begin:r.off])}
			m.name = r.str() // which moves r.off
			r.space()
			r.off++ // the colon
			r.space()
			m.value = r.value(depth + 1)
			t.members = append(t.members, m)
		})
	case '[':
		t.kind = treeList
		r.each(']', func() { t.items = append(t.items, r.value(depth+1)) })
	case '"':
		t.kind, t.text = treeText, r.str()
	default:
		for r.off < len(r.data) && !strings.ContainsRune(",]} \t\r\n", rune(r.data[r.off])) {
			r.off++
		}
		t.text = string(r.data[t.start:r.off])
		t.kind = treeNumber
		switch c {
		case 't', 'f':
			t.kind = treeBool
		case 'n':
			t.kind, t.text = treeNull, ""
		}
	}
	t.end = r.off
	return t
}

// each calls item at the beginning of every item up to the bracket.
func (r *jsonTree) each(closing byte, item func()) {
	r.off++
	for r.space(); !r.deep && r.data[r.off] != closing; r.space() {
		item()
		if r.deep {
			return
		}
		if r.space(); r.data[r.off] == ',' {
			r.off++
		}
	}
	r.off++
	r.off = min(r.off, len(r.data))
}

func (r *jsonTree) str() string {
	start := r.off
	for r.off++; r.data[r.off] != '"'; r.off++ {
		if r.data[r.off] == '\\' {
			r.off++
		}
	}
	r.off++
	var out string
	if json.Unmarshal(r.data[start:r.off], &out) != nil { // not with text that is valid
		return ""
	}
	return out
}

// quoted is a string of JSON.
func quoted(s string) string {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(s) != nil { // a string always has a JSON form
		return `""`
	}
	return strings.TrimSuffix(b.String(), "\n")
}
