package helm

import (
	"regexp"
	"strings"
)

// lineKind is what a line of YAML is, as far as its indentation matters.
type lineKind uint8

const (
	blank    lineKind = iota
	comment           // nothing but a comment
	content           // a key, an item of a list, or a value
	inScalar          // text of a block scalar, or what goes on inside quotes or brackets
)

// A textLine is one line as the eye sees it.
type textLine struct {
	kind   lineKind
	indent int    // spaces before the first other character
	text   string // from there on, without a comment behind it
	note   string // the comment, without #
	key    string // of a content line that has one, unquoted
	value  string // behind the key's colon; the whole text of a line without key
	item   bool   // starts with "- "
	inner  int    // the column at which the item's content stands; indent for other lines
}

// opens says that what follows may be indented more.
func (l textLine) opens() bool {
	return l.key != "" && l.value == "" || l.item && l.text == "-" || l.key != "" && (strings.HasPrefix(l.value, "&") || strings.HasPrefix(l.value, "!")) && !strings.Contains(l.value, " ")
}

// keyForm is a key in front of a value: plain or quoted, then a colon and a space or the end.
var keyForm = regexp.MustCompile(`^("(?:[^"\\]|\\.)*"|'[^']*'|[^\s"'#\[\]{},&*!|>%@` + "`" + `-][^#"\[{]*?|-[^\s:#]+)\s*:(?:\s+|$)`)

// blockForm is the beginning of a block scalar.
var blockForm = regexp.MustCompile(`^(?:[&!]\S+\s+)*[|>][-+0-9]*$`)

// scanLines takes the lines apart. It is no parser: it follows block scalars, quotes and brackets well
// enough to know which lines have an indentation that means something.
func scanLines(lines []string) []textLine {
	out := make([]textLine, len(lines))
	s := lineScanner{scalar: -1}
	for i, text := range lines {
		out[i] = s.line(strings.TrimSuffix(text, "\r"))
	}
	return out
}

type lineScanner struct {
	scalar int  // indentation that the text of a block scalar exceeds; -1 outside of one
	quote  byte // the quote that is open
	depth  int  // of brackets
}

func (s *lineScanner) line(raw string) textLine {
	trimmed := strings.TrimLeft(raw, " ")
	l := textLine{kind: content, indent: len(raw) - len(trimmed)}
	l.inner = l.indent
	inside := s.quote != 0 || s.depth > 0
	switch {
	case s.scalar >= 0 && (strings.TrimSpace(raw) == "" || l.indent > s.scalar):
		l.kind = inScalar
		return l
	case !inside && strings.TrimSpace(trimmed) == "":
		l.kind = blank
		return l
	case !inside && trimmed[0] == '#':
		s.scalar = -1
		l.kind, l.note = comment, strings.TrimSpace(trimmed[1:])
		return l
	}
	s.scalar = -1
	l.text, l.note = s.cut(trimmed)
	if inside {
		l.kind = inScalar
		return l
	}
	l.split()
	if blockForm.MatchString(l.value) {
		s.scalar = l.inner
		if l.key == "" && l.item {
			s.scalar = l.indent
		}
	}
	return l
}

// cut takes the comment from the end, and follows quotes and brackets.
func (s *lineScanner) cut(text string) (code, note string) {
	var before byte = ' '
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case s.quote == '"' && c == '\\':
			i++
		case s.quote != 0:
			if c == s.quote {
				s.quote = 0
			}
		case c == '#' && (before == ' ' || before == '\t'):
			return strings.TrimRight(text[:i], " \t"), strings.TrimSpace(text[i+1:])
		case (c == '"' || c == '\'') && startsValue(text[:i], s.depth):
			s.quote = c
		case (c == '[' || c == '{') && (s.depth > 0 || startsValue(text[:i], 0)):
			s.depth++
		case (c == ']' || c == '}') && s.depth > 0:
			s.depth--
		}
		before = c
	}
	return strings.TrimRight(text, " \t"), ""
}

// startsValue says whether a value may begin behind this text.
func startsValue(before string, depth int) bool {
	trimmed := strings.TrimRight(before, " ")
	if trimmed == "" {
		return true
	}
	last := trimmed[len(trimmed)-1]
	spaced := len(trimmed) < len(before)
	return spaced && (last == ':' || last == '-' || last == '|') || depth > 0 && strings.IndexByte(":,[{", last) >= 0
}

// split finds the item's dash and the key.
func (l *textLine) split() {
	rest := l.text
	for rest == "-" || strings.HasPrefix(rest, "- ") {
		l.item = true
		trimmed := strings.TrimLeft(rest[1:], " ")
		l.inner += len(rest) - len(trimmed)
		rest = trimmed
	}
	l.value = rest
	m := keyForm.FindStringSubmatch(rest)
	if m == nil {
		return
	}
	l.key = strings.Trim(strings.TrimSpace(m[1]), `"'`)
	l.value = rest[len(m[0]):]
}
