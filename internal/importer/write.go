package importer

import (
	"regexp"
	"slices"
	"strings"
)

// A writer words values for one file.
type treeWriter struct {
	yaml  bool
	unit  string // one step of indentation
	nl    string
	tight bool // no space after a colon or comma
}

// longestLine is up to where a value of simple values stands on one line.
const longestLine = 96

// plainForm is a string that is itself in YAML, everywhere and to every reader.
var plainForm = regexp.MustCompile(`^[A-Za-z/]([A-Za-z0-9_./*() -]|:[A-Za-z0-9/])*$`)

func (w treeWriter) str(s string, flow bool) string {
	words := []string{"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
	if !w.yaml || !plainForm.MatchString(s) || strings.HasSuffix(s, " ") || slices.Contains(words, strings.ToLower(s)) || flow && strings.Contains(s, ":") {
		return quoted(s)
	}
	return s
}

func (w treeWriter) scalar(t *tree, flow bool) string {
	switch t.kind {
	case treeText:
		return w.str(t.text, flow)
	case treeNull:
		return "null"
	}
	return t.text
}

// inline is a value on one line.
func (w treeWriter) inline(t *tree) string {
	comma := ", "
	if w.tight {
		comma = ","
	}
	var parts []string
	switch t.kind {
	case treeObject:
		for _, m := range t.members {
			parts = append(parts, w.name(m.name, true)+w.inline(m.value))
		}
		return "{" + strings.Join(parts, comma) + "}"
	case treeList:
		for _, item := range t.items {
			parts = append(parts, w.inline(item))
		}
		return "[" + strings.Join(parts, comma) + "]"
	}
	return w.scalar(t, true)
}

// name is a name with its colon.
func (w treeWriter) name(s string, flow bool) string {
	colon := ": "
	if w.tight {
		colon = ":"
	}
	return w.str(s, flow) + colon
}

// short says whether a value may stand on one line: it holds simple values only, or nothing else than one
// such value.
func short(t *tree, depth int) bool {
	for _, item := range t.items {
		if item.kind >= treeList && (depth == 0 || !short(item, depth-1)) {
			return false
		}
	}
	for _, m := range t.members {
		if m.value.kind >= treeList && (depth == 0 || !short(m.value, depth-1)) {
			return false
		}
	}
	return true
}

// flow is a value in braces, which stands behind so much indentation.
func (w treeWriter) flow(t *tree, indent string) string {
	if line := w.inline(t); t.kind < treeList || short(t, 0) && len(indent)+len(line) <= longestLine || len(t.items)+len(t.members) == 0 {
		return line
	}
	if t.kind == treeObject && len(t.members) == 1 && short(t, 1) { // extraData of an upstream
		return w.inline(t)
	}
	inside := indent + w.unit
	var parts []string
	for _, m := range t.members {
		parts = append(parts, w.nl+inside+w.name(m.name, true)+w.flow(m.value, inside))
	}
	for _, item := range t.items {
		parts = append(parts, w.nl+inside+w.flow(item, inside))
	}
	open, closing := "{", "}"
	if t.kind == treeList {
		open, closing = "[", "]"
	}
	return open + strings.Join(parts, ",") + w.nl + indent + closing
}

// block is the members as lines of YAML, each with its line break.
func (w treeWriter) block(members []treeMember, indent string) string {
	var b strings.Builder
	for _, m := range members {
		b.WriteString(indent + strings.TrimSuffix(w.name(m.name, false), " "))
		b.WriteString(w.blockValue(m.value, indent))
	}
	return b.String()
}

func (w treeWriter) blockValue(t *tree, indent string) string {
	inside := indent + w.unit
	switch {
	case t.kind < treeList:
		return " " + w.scalar(t, false) + w.nl
	case len(t.items)+len(t.members) == 0, t.kind == treeList && short(t, 0) && len(inside)+len(w.inline(t)) <= longestLine:
		return " " + w.inline(t) + w.nl
	case t.kind == treeObject:
		return w.nl + w.block(t.members, inside)
	}
	var b strings.Builder
	b.WriteString(w.nl)
	for _, item := range t.items {
		b.WriteString(inside + "- ")
		if item.kind != treeObject || len(item.members) == 0 {
			b.WriteString(w.inline(item) + w.nl)
			continue
		}
		lines := w.block(item.members, inside+"  ")
		b.WriteString(strings.TrimPrefix(lines, inside+"  "))
	}
	return b.String()
}
