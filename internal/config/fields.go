package config

import (
	"fmt"
	"slices"
	"strings"
)

// use is what this version does with a field.
type use uint8

const (
	// enforced: it decides what happens to a request.
	enforced use = iota
	// listed: listings show it, it decides nothing.
	listed
	// notServed: read; what it configures does not exist here yet. A warning.
	notServed
	// meaningless: it has no effect where the models run in the same process.
	meaningless
	// removed: DIAL itself has dropped or moved it. A warning.
	removed
)

// String is the word of docs/config.md.
func (u use) String() string {
	return [...]string{"yes", "listed", "not served yet", "no effect", "removed"}[u]
}

// A field is one row of a table: what docs/config.md prints and what
// readObject does.
type field[T any] struct {
	name  string
	kind  string // what a value is, in words
	def   string // the default, "" for none
	use   use
	about string
	// remedy says what happens instead, when use is not what the file asks for.
	remedy string
	// read takes a value that is not null; nil when nothing is kept of it.
	read func(l *loader, v spot, into *T)
}

// A table is the fields of one kind of object.
type table[T any] struct {
	// exact: snake_case aliases are not accepted. DIAL accepts them for
	// entities, not for the root; the fields of extraData are snake_case.
	exact  bool
	fields []field[T]
	// elsewhere says where a member belongs that is none of this object's.
	elsewhere func(m member) string
}

func (t table[T]) lookup(name string) (field[T], bool) {
	for _, f := range t.fields {
		if f.name == name || !t.exact && sameField(f.name, name) {
			return f, true
		}
	}
	return field[T]{}, false
}

func (t table[T]) has(name string) bool {
	_, ok := t.lookup(name)
	return ok
}

// readObject reads the members that the table knows and reports the others. Of
// members of one name it reads all and keeps the one that counts.
func readObject[T any](l *loader, s spot, t table[T], into *T) {
	if !l.want(s, object) {
		return
	}
	before := *into
	for version := range s.versions() {
		*into = before
		readFields(l, version, t, into)
	}
}

// readFields is readObject for one version of the object.
func readFields[T any](l *loader, s spot, t table[T], into *T) {
	seen := make(map[string]pos, len(s.members))
	for i, m := range s.members {
		if m.lost {
			continue
		}
		v := s.member(i)
		f, ok := t.lookup(m.name)
		if !ok {
			l.unknown(v.namedAt(m.pos), t.remedy(m))
			continue
		}
		if first, twice := seen[f.name]; twice {
			l.twoNames(v.namedAt(m.pos), f.name, first)
		}
		seen[f.name] = m.pos
		if v.kind == null {
			continue // DIAL: the same as not given
		}
		before := len(l.problems)
		if f.read != nil {
			f.read(l, v, into)
		}
		wrong := slices.ContainsFunc(l.problems[before:], func(f finding) bool { return f.Path == v.path })
		if !wrong && !v.isDefault(f.def) {
			l.reportUse(v, f.use, f.remedy)
		}
	}
}

func (l *loader) unknown(s spot, remedy string) {
	l.warn(s, "unknown field, ignored", remedy)
}

// twoNames reports a field under both its names: a mistake in one file, an
// override that merging cannot see between two.
func (l *loader) twoNames(s spot, name string, first pos) {
	message := fmt.Sprintf("the field %s stands here a second time, first at %s:%d", name, first.file, first.line)
	if first.file == s.file {
		l.err(s, message, "remove one of the two spellings")
		return
	}
	l.warn(s, message+"; they are not merged, the later one counts", "spell it the same way in both files")
}

func (l *loader) reportUse(s spot, u use, remedy string) {
	switch u {
	case notServed:
		l.warn(s, "not served yet", remedy)
	case removed:
		l.warn(s, "DIAL has removed this, ignored", remedy)
	}
}

// remedy proposes the known name that an unknown one was probably meant to be.
func (t table[T]) remedy(m member) string {
	if t.elsewhere != nil {
		if where := t.elsewhere(m); where != "" {
			return where
		}
	}
	name := m.name
	best, distance := "", len(name)/3+1
	for _, f := range t.fields {
		d := editDistance(strings.ToLower(strings.ReplaceAll(name, "_", "")), strings.ToLower(strings.ReplaceAll(f.name, "_", "")))
		if d < distance || d == distance && best == "" {
			best, distance = f.name, d
		}
	}
	if best == "" {
		return "docs/config.md lists the fields"
	}
	return "did you mean " + best + "?"
}

// sameField reports whether name is the field's name, in camelCase or in
// snake_case: iconUrl, icon_url.
func sameField(field, name string) bool {
	if field == name {
		return true
	}
	j := 0
	for i := range len(field) {
		c := field[i]
		if 'A' <= c && c <= 'Z' {
			if j >= len(name) || name[j] != '_' {
				return false
			}
			j, c = j+1, c+'a'-'A'
		}
		if j >= len(name) || name[j] != c {
			return false
		}
		j++
	}
	return j == len(name)
}

// editDistance counts the insertions, deletions and replacements (Levenshtein)
// between two short names.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
