package importer

import (
	"fmt"
	"slices"
	"strings"

	"outcrop/internal/config"
)

// What an import says of one place of the file.
const (
	ImportAdded   = "added"   // the file did not have it
	ImportChanged = "changed" // the file had another value, which --overwrite replaced
	ImportKept    = "kept"    // the file has another value, which stays
	ImportGone    = "gone"    // a model that can no longer be called; --prune removes it
	ImportRemoved = "removed" // the same, removed
	ImportSkipped = "skipped" // a model that was asked for and is not written
	ImportNote    = "note"    // what an operator should know
)

// An Change is one line of the report of an import.
type Change struct {
	What string `json:"what"` // one of the constants Import…
	Path string `json:"path,omitempty"`
	// Line is where the file says it, from 1; 0 for what it does not say.
	Line int `json:"line,omitempty"`
	// Value is what the file says afterwards, Other what the import would say, or what it said before.
	Value string `json:"value,omitempty"`
	Other string `json:"other,omitempty"`
	Why   string `json:"why,omitempty"`
}

// String is the change in one line.
func (c Change) String() string {
	s := c.What + ": " + c.Path
	if c.Path == "" {
		s = strings.TrimSuffix(s, " ")
		return s + " " + c.Why
	}
	if c.Value != "" {
		s += " = " + c.Value
	}
	switch {
	case c.What == ImportKept && c.Other != "":
		s += " (the import would write " + c.Other + ")"
	case c.What == ImportChanged:
		s += " (was " + c.Other + ")"
	}
	if c.Why != "" {
		s += ": " + c.Why
	}
	return s
}

// An importEntry is a model as the import would write it.
type importEntry struct {
	name, id, endpoint string
	value              *tree
}

// A merger merges entries into one document.
type merger struct {
	*document
	overwrite []string // fields, or all
	prune     bool
	gone      func(id string, regions []string) string // why a model can no longer be called; "" if it can
	roles     []string
	keys      []string // projects
	newKey    func(project string) string
	changes   []Change
	mistakes  []string
	sections  []treeMember // that the root lacks
}

// An ImportConflict is what keeps a file from being merged with. Nothing is written.
type ImportConflict struct{ Mistakes []string }

// Error is one mistake per line.
func (e *ImportConflict) Error() string { return strings.Join(e.Mistakes, "\n") }

func (m *merger) mistake(line int, format string, args ...any) {
	m.mistakes = append(m.mistakes, m.at(line)+": "+fmt.Sprintf(format, args...))
}

func (m *merger) note(c Change) { m.changes = append(m.changes, c) }

// merge writes the entries into the document.
func (m *merger) merge(entries []importEntry) error {
	if m.root.kind != treeObject {
		m.mistake(m.root.line, "a configuration is an object, this is %s: start with {\"models\": {}}", m.root.kind)
		return &ImportConflict{m.mistakes}
	}
	m.checkTwice(m.root, "")
	models := m.section("models")
	if len(m.mistakes) > 0 {
		return &ImportConflict{m.mistakes}
	}
	if err := m.pruneModels(models); err != nil {
		return err
	}
	models = m.root.section("models") // read again after removals
	var added []treeMember
	names := m.match(models, entries)
	for i, e := range entries {
		if names[i] == "" {
			continue
		}
		if at := models.existing(names[i]); at >= 0 {
			m.model(models.members[at], e)
			continue
		}
		added = append(added, field(e.name, e.value))
		m.note(Change{What: ImportAdded, Path: "models" + segment(e.name)})
	}
	if len(added) > 0 {
		m.add(nil, "models", models, added)
	}
	m.stubs(names)
	if len(m.mistakes) > 0 {
		return &ImportConflict{m.mistakes}
	}
	if len(m.sections) > 0 {
		m.insert(nil, m.root, m.sections)
	}
	if err := m.apply(); err != nil {
		return fmt.Errorf("%s: %w: write the models as a plain block, each on lines of its own, or print them with -o - and paste them", m.name, err)
	}
	return nil
}

// section is a member of the root by its one spelling.
func (t *tree) section(name string) *tree {
	if i := t.exact(name); i >= 0 {
		return t.members[i].value
	}
	return nil
}

func (t *tree) existing(name string) int {
	if t == nil {
		return -1
	}
	return t.exact(name)
}

// add puts members into a section of the root, which is made if it is not there.
func (m *merger) add(path []string, name string, section *tree, members []treeMember) {
	if section == nil {
		m.sections = append(m.sections, field(name, object(members...)))
		return
	}
	if section.shared != "" {
		m.mistake(section.line, "%s is given by %s: nothing can be added without changing other places; write the names out here", name, section.shared)
		return
	}
	m.insert(append(path, name), section, members)
}

// section is a member of the root, nil when it is not there; it must be an object.
func (m *merger) section(name string) *tree {
	i := m.root.exact(name)
	if i < 0 {
		return nil
	}
	at := m.root.members[i]
	if at.value.kind != treeObject {
		m.mistake(at.line, "%s is %s, and should be an object: write %s, or remove the line", name, at.value.kind, m.empty(name))
		return nil
	}
	return at.value
}

func (m *merger) empty(name string) string {
	if m.w.yaml {
		return name + ": {}"
	}
	return fmt.Sprintf("%q: {}", name)
}

// checkTwice finds names that stand twice in one object. Names under keys are secrets.
func (m *merger) checkTwice(t *tree, path string) {
	if t.shared != "" {
		return
	}
	first := map[string]int{}
	for i, one := range t.members {
		at := path + segment(one.name)
		if path == ".keys" {
			at = fmt.Sprintf(".keys[#%d]", i+1)
		}
		if line, twice := first[one.name]; twice {
			m.mistake(one.line, "%s: the same name twice, on line %d and on line %d: only the last would count; remove one", strings.TrimPrefix(at, "."), line, one.line)
		}
		first[one.name] = one.line
		m.checkTwice(one.value, at)
	}
	for i, item := range t.items {
		m.checkTwice(item, fmt.Sprintf("%s[%d]", path, i))
	}
}

// match finds for each entry the name of the model in the file that it is: the one of its name, else the one
// that has the same endpoint. "" is an entry that cannot be written.
func (m *merger) match(models *tree, entries []importEntry) []string {
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.name
		if models.existing(e.name) >= 0 {
			continue
		}
		var same []string
		if models != nil {
			for _, other := range models.members {
				if at := other.value.get("endpoint"); at != nil && at.kind == treeText && at.text == e.endpoint {
					same = append(same, other.name)
				}
			}
		}
		switch len(same) {
		case 0:
		case 1:
			names[i] = same[0]
		default:
			names[i] = ""
			m.note(Change{What: ImportSkipped, Path: "models" + segment(e.name), Why: "the file has its endpoint already, under the names " + strings.Join(same, ", ")})
		}
	}
	return names
}

// model merges one entry into the model of the file.
func (m *merger) model(there treeMember, e importEntry) {
	path := []string{"models", there.name}
	t := there.value
	switch {
	case t.kind != treeObject:
		m.mistake(there.line, "%s is %s, and should be an object: remove it, or write %s", pathText(path), t.kind, m.empty(there.name))
		return
	case t.shared != "":
		m.note(Change{What: ImportKept, Path: pathText(path), Line: there.line, Why: "the whole model is given by " + t.shared + ", so nothing was added"})
		return
	}
	for _, name := range []string{"endpoint", "type"} {
		if !m.agrees(path, t, e, name) {
			return
		}
	}
	m.object(path, t, e.value)
}

// agrees says whether the model is the same one; with --overwrite it becomes that.
func (m *merger) agrees(path []string, t *tree, e importEntry, name string) bool {
	i, wanted := t.find(name), e.value.get(name)
	if i < 0 || t.members[i].value.same(wanted) || m.overwrites(append(slices.Clone(path), name)) {
		return true
	}
	value := t.members[i].value
	m.mistake(t.members[i].line, "%s is %s, and the import would write %s: is it the same model? Type --overwrite %s to replace it, --name-template '{id}-2' to import under another name, or --exclude %s",
		pathText(append(slices.Clone(path), name)), value.brief(), wanted.brief(), name, e.id)
	return false
}

// overwrites says whether a field is one of those that --overwrite names: by its name, its section's, or the
// two with a point.
func (m *merger) overwrites(path []string) bool {
	fields := path[2:]
	for _, f := range m.overwrite {
		if f == "all" || fold(f) == fold(fields[0]) || fold(f) == fold(strings.Join(fields, ".")) || fold(f) == fold(fields[len(fields)-1]) {
			return true
		}
	}
	return false
}

// object adds to an object of the file what it lacks, and keeps what it has.
func (m *merger) object(path []string, t, wanted *tree) {
	var added []treeMember
	explicit := slices.Contains(m.overwrite, "upstreams")
	for _, w := range wanted.members {
		at := append(slices.Clone(path), w.name)
		i := t.find(w.name)
		if i < 0 {
			if t.shared == "" {
				added = append(added, w)
			}
			m.missing(at, t, w.value)
			continue
		}
		there := t.members[i]
		switch {
		case there.value.kind == treeObject && w.value.kind == treeObject:
			m.object(at, there.value, w.value)
		case there.value.same(w.value):
		case w.name == "upstreams" && !explicit && show(w.name, there.value) == show(w.name, w.value): // and weights, roles
		case w.name == "upstreams" && !explicit && !plainUpstreams(there.value) && m.overwrites(at):
			m.note(Change{
				What: ImportKept, Path: pathText(at), Line: there.line, Value: show(w.name, there.value), Other: show(w.name, w.value),
				Why: "it says more than regions; --overwrite upstreams replaces it whole",
			})
		case !m.overwrites(at):
			m.note(Change{What: ImportKept, Path: pathText(at), Line: there.line, Value: show(w.name, there.value), Other: show(w.name, w.value)})
		case t.shared != "" || there.value.shared != "" && !there.value.alias && !there.merged:
			m.note(Change{
				What: ImportKept, Path: pathText(at), Line: there.line, Value: show(w.name, there.value), Other: show(w.name, w.value),
				Why: "it belongs to " + there.value.shared + " too; change it by hand",
			})
		case there.merged: // a member of its own goes before that of the merge key
			added = append(added, w)
			m.note(Change{What: ImportChanged, Path: pathText(at), Value: show(w.name, w.value), Other: show(w.name, there.value)})
		default:
			m.note(Change{What: ImportChanged, Path: pathText(at), Line: there.line, Value: show(w.name, w.value), Other: show(w.name, there.value)})
			m.replace(at, t, i, w.value)
		}
	}
	if len(added) > 0 {
		m.insert(path, t, added)
	}
}

func (m *merger) missing(path []string, t, value *tree) {
	c := Change{What: ImportAdded, Path: pathText(path), Value: show(path[len(path)-1], value)}
	if t.shared != "" {
		c.What, c.Value, c.Other, c.Why = ImportKept, "", show(path[len(path)-1], value), "it belongs to "+t.shared+", so nothing was added"
	}
	m.note(c)
}

// plainUpstreams says whether a list of upstreams has nothing but regions, as an import writes it.
func plainUpstreams(t *tree) bool {
	return !slices.ContainsFunc(t.items, func(u *tree) bool {
		return u.kind != treeObject || len(u.members) != 1 || u.get("extraData") == nil || len(u.get("extraData").members) > 1
	})
}

// show is a value for the report. Upstreams may hold credentials: only their regions are shown.
func show(name string, t *tree) string {
	if t.kind == treeObject || name != "upstreams" || t.kind != treeList {
		return t.brief()
	}
	var regions []string
	for _, u := range t.items {
		if r := u.get("extraData").get("region"); r != nil && isRegion(r.text) {
			regions = append(regions, r.text)
		} else {
			regions = append(regions, "(no region)")
		}
	}
	return fmt.Sprintf("%d in %s", len(t.items), strings.Join(regions, ", "))
}

// pathText is a path as config check writes it.
func pathText(path []string) string {
	var b strings.Builder
	for _, name := range path {
		b.WriteString(segment(name))
	}
	return strings.TrimPrefix(b.String(), ".")
}

func segment(name string) string {
	plain := name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-:") == ""
	if plain {
		return "." + name
	}
	return fmt.Sprintf("[%q]", name)
}

// nearest ends a message about an unknown name.
func nearest(name string, known []string) string {
	if near := config.Nearest(name, slices.Values(known)); near != "" {
		return fmt.Sprintf("; did you mean %s?", near)
	}
	return ""
}
