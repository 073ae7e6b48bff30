package helm

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"outcrop/internal/config"
)

// maxRepairs bounds how many mistakes of one file are gone around.
const maxRepairs = 40

// read is the document that the file holds, after as many repairs as it takes; nil when there is none.
func (l *linter) read(s *source) *yaml.Node {
	l.checkText(s)
	for range maxRepairs {
		doc, rest := parseFirst(s.text())
		if doc != nil && rest == nil {
			return doc
		}
		if !l.repair(s, doc != nil) {
			return l.unreadable(s, doc)
		}
	}
	doc, _ := parseFirst(s.text())
	return doc
}

// parseFirst is the first document, which is what Helm reads, and what is wrong behind it. A text without
// a document gives an empty mapping.
func parseFirst(text []byte) (doc *yaml.Node, rest error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var first, second yaml.Node
	switch err := decoder.Decode(&first); {
	case errors.Is(err, io.EOF):
		return &yaml.Node{Kind: yaml.MappingNode, Line: 1, Column: 1}, nil
	case err != nil || len(first.Content) == 0:
		return nil, err
	}
	switch err := decoder.Decode(&second); {
	case errors.Is(err, io.EOF):
		return first.Content[0], nil
	case err != nil:
		return first.Content[0], err
	}
	return first.Content[0], errSecond
}

var errSecond = errors.New("a second document")

// unreadable says why the text is no YAML when its indentation does not tell, and reads the part before.
func (l *linter) unreadable(s *source, doc *yaml.Node) *yaml.Node {
	if doc != nil { // Helm reads it too, and not what follows
		l.partial = true
		line := documentEnd(s)
		l.at(s.place(line, 1), Error, unread, "", "Helm reads only what stands above this line, and says nothing: a values file is one document", "put the rest into a file of its own (helm … -f first.yaml -f second.yaml), or delete the line")
		return doc
	}
	l.partial = true
	line, message, remedy := config.YAMLMistake(s.text())
	l.at(s.place(line, 1), Error, notYAML, "", message+": Helm refuses the file", remedy)
	for line > 1 {
		line--
		text := strings.Join(s.lines[:line], "\n")
		if part, rest := parseFirst([]byte(text)); part != nil && rest == nil {
			return part
		}
		line -= line / 20 // a long file is not read once for every line
	}
	return nil
}

// documentEnd is the line of the second document's start.
func documentEnd(s *source) int {
	begun := false
	for i, t := range scanLines(s.lines) {
		marker := strings.HasPrefix(s.lines[i], "---") || strings.HasPrefix(s.lines[i], "...")
		if marker && begun {
			return i + 1
		}
		begun = begun || t.kind == content && !marker
	}
	return len(s.lines)
}

// repair explains the first line that does not fit and changes it, so that the rest can be read; false
// when no line's indentation is to blame. Helm accepts the file (and drops the rest) when accepted.
func (l *linter) repair(s *source, accepted bool) bool {
	scanned := scanLines(s.lines)
	if l.repairBraces(s, scanned) {
		return true
	}
	f, ok := findFault(scanned)
	if !ok {
		return false
	}
	switch {
	case f.top < 0:
		l.repairRoot(s, scanned, f, accepted)
	case f.over:
		l.repairOver(s, scanned, f)
	default:
		l.repairBetween(s, scanned, f)
	}
	return true
}

// repairBraces removes {} or [] that was left in front of keys or items.
func (l *linter) repairBraces(s *source, scanned []textLine) bool {
	for i, t := range scanned {
		if t.kind != content || t.value != "{}" && t.value != "[]" {
			continue
		}
		next := nextContent(scanned, i)
		if next < 0 || scanned[next].key == "" && !scanned[next].item {
			continue
		}
		alone := t.key == "" && !t.item
		if alone && scanned[next].indent != t.indent || !alone && scanned[next].indent <= t.inner {
			continue
		}
		path := t.key
		if alone {
			path = keyAbove(scanned, i)
		}
		remedy := fmt.Sprintf("delete %s on line %d", t.value, i+1)
		l.at(s.place(i+1, strings.Index(s.lines[i], t.value)+1), Error, leftBraces, path, fmt.Sprintf("%s says that nothing is in here, and line %d puts something in: Helm refuses the file", t.value, next+1), remedy)
		s.lines[i] = strings.Replace(s.lines[i], t.value, "  ", 1)
		return true
	}
	return false
}

// keyAbove is the key that the line belongs to.
func keyAbove(scanned []textLine, line int) string {
	for i := line - 1; i >= 0; i-- {
		if t := scanned[i]; t.kind == content && t.key != "" && t.inner < scanned[line].indent {
			return t.key
		}
	}
	return ""
}

func nextContent(scanned []textLine, after int) int {
	for i := after + 1; i < len(scanned); i++ {
		if scanned[i].kind == content {
			return i
		}
	}
	return -1
}

// repairRoot: the line stands left of the first key, so the document ends before it.
func (l *linter) repairRoot(s *source, scanned []textLine, f fault, accepted bool) {
	t, before := scanned[f.line], scanned[f.previous]
	root := scanned[f.root]
	loses := "Helm refuses the file"
	if accepted {
		loses = fmt.Sprintf("Helm reads the file up to line %d, drops the rest, and says nothing", f.line)
	}
	at, code := s.place(f.line+1, t.indent+1), unread
	if before.opens() {
		name := before.key
		remedy := fmt.Sprintf("line %d: start `%s:` in column 1 (remove %s), or indent line %d and what follows by %d more", f.previous+1, name, spaces(before.indent), f.line+1, before.indent+2-t.indent)
		l.at(at, Error, code, name, fmt.Sprintf("this line is indented by %s and `%s:` on line %d, the section it belongs to, by %d: %s, so that `%s` is null", spaces(t.indent), name, f.previous+1, before.indent, loses, name), remedy)
		if accepted && isSection(name) {
			l.at(s.place(f.previous+1, before.indent+1), Error, nullSection, name, nullSectionText(name), fmt.Sprintf("see the finding of line %d", f.line+1))
		}
		s.indent(0, f.line, -root.indent)
		if t.indent == 0 {
			s.indent(f.line, sectionEnd(scanned, f.line), 2)
		}
		return
	}
	l.at(at, Error, code, "", fmt.Sprintf("this line is indented by %s and the first key of the file (`%s`, line %d) by %d: %s", spaces(t.indent), root.key, f.root+1, root.indent, loses), fmt.Sprintf("let all keys of the first level start in column 1: remove %s from line %d and those below it", spaces(root.indent-t.indent), f.root+1))
	s.indent(0, f.line, t.indent-root.indent)
}

// sectionEnd is the line of the next key of the first level that is a section of some chart.
func sectionEnd(scanned []textLine, from int) int {
	for i := from + 1; i < len(scanned); i++ {
		if t := scanned[i]; t.kind == content && t.indent == 0 && isSection(t.key) {
			return i
		}
	}
	return len(scanned)
}

// repairOver: the line is indented more than one that has a value already.
func (l *linter) repairOver(s *source, scanned []textLine, f fault) {
	t, before := scanned[f.line], scanned[f.previous]
	target := f.top
	if isSection(t.key) && t.opens() {
		target = 0
	}
	what := fmt.Sprintf("`%s:`", before.key)
	if before.key == "" {
		what = "it"
	}
	l.at(s.place(f.line+1, t.indent+1), Error, indentation, t.key,
		fmt.Sprintf("this line is indented more than line %d, where %s has a value already and cannot have keys below it: Helm refuses the file", f.previous+1, what),
		startIn(target)+fmt.Sprintf(", as line %d does", lineAt(scanned, f.line, target)+1))
	s.indent(f.line, blockEnd(scanned, f), target-t.indent)
}

// repairBetween: the line's indentation is that of no line above it which is still open.
func (l *linter) repairBetween(s *source, scanned []textLine, f fault) {
	t, before := scanned[f.line], scanned[f.previous]
	target := f.top
	message := fmt.Sprintf("this line is indented by %s, and nothing above it is: the levels in reach are %s", spaces(t.indent), levels(f.levels))
	remedy := ""
	if before.opens() && before.inner >= t.indent {
		target = before.inner + 2
		message = fmt.Sprintf("this line is less indented than line %d, `%s:`, to which it seems to belong", f.previous+1, before.key)
		remedy = fmt.Sprintf("indent it, and the lines that belong to it, by %d more", target-t.indent)
	} else {
		for _, level := range f.levels {
			if abs(level-t.indent) <= abs(target-t.indent) {
				target = level
			}
		}
		if target == t.indent {
			l.dropLine(s, scanned, f)
			return
		}
		verb, n := "indent it by %s more, to stand beside line %d", target-t.indent
		if n < 0 {
			verb, n = "remove %s, so that it stands beside line %d", -n
		}
		remedy = fmt.Sprintf(verb, spaces(n), lineAt(scanned, f.line, target)+1)
	}
	l.at(s.place(f.line+1, t.indent+1), Error, indentation, t.key, message+": Helm refuses the file", remedy)
	s.indent(f.line, blockEnd(scanned, f), target-t.indent)
}

// dropLine: the indentation is that of a line above, and what stands there is of another kind. The line is
// left out, so that the rest can be read.
func (l *linter) dropLine(s *source, scanned []textLine, f fault) {
	t := scanned[f.line]
	message, remedy := "a key stands here where the lines above are items of a list", "begin it with a dash, or indent it as the key above the list"
	if t.item {
		message, remedy = "an item of a list stands here where the lines above are keys", "take the dash away, or give the list a key of its own"
	}
	l.partial = true
	l.at(s.place(f.line+1, t.indent+1), Error, indentation, t.key, message+": Helm refuses the file", remedy)
	s.lines[f.line] = ""
}

// lineAt is the nearest line above with this indentation.
func lineAt(scanned []textLine, below, indent int) int {
	for i := below - 1; i >= 0; i-- {
		if scanned[i].kind == content && (scanned[i].indent == indent || scanned[i].inner == indent) {
			return i
		}
	}
	return 0
}

// blockEnd is the first line behind this one that does not belong to it: one that is indented less, or as
// a line above that is still open.
func blockEnd(scanned []textLine, f fault) int {
	own, before := scanned[f.line].indent, scanned[f.line]
	for i := f.line + 1; i < len(scanned); i++ {
		t := scanned[i]
		if t.kind != content {
			continue
		}
		if t.indent < own || t.indent != own && !f.over && slices.Contains(f.levels, t.indent) && !before.opens() {
			return i
		}
		before = t
	}
	return len(scanned)
}

func levels(columns []int) string {
	var out []string
	for _, c := range columns {
		out = append(out, fmt.Sprint(c))
	}
	return strings.Join(out, ", ")
}

// startIn tells where a line should begin.
func startIn(indent int) string {
	if indent == 0 {
		return "let it start in column 1"
	}
	return "indent it by " + spaces(indent)
}

func spaces(n int) string {
	switch n {
	case 0:
		return "no space"
	case 1:
		return "1 space"
	}
	return fmt.Sprintf("%d spaces", n)
}

func abs(n int) int { return max(n, -n) }
