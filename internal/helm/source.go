package helm

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// A File is a values file, or a DIAL configuration: its name for messages, and its bytes.
type File struct {
	Name string
	Data []byte
}

// source is a file being read: its lines as they are repaired, and where their text stood before.
type source struct {
	name     string
	original []string
	lines    []string // repaired; the same number
	moved    []int    // by how many columns a line was moved to the right
}

func newSource(f File) *source {
	text := strings.TrimPrefix(string(f.Data), "\ufeff")
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	return &source{name: f.Name, original: lines, lines: append([]string{}, lines...), moved: make([]int, len(lines))}
}

func (s *source) text() []byte { return []byte(strings.Join(s.lines, "\n")) }

// indent moves the lines from..to (from 0, to excluded) by n columns; blank lines stay.
func (s *source) indent(from, to, n int) {
	for i := from; i < to && i < len(s.lines); i++ {
		line := s.lines[i]
		trimmed := strings.TrimLeft(line, " ")
		if strings.TrimSpace(trimmed) == "" {
			continue
		}
		width := max(len(line)-len(trimmed)+n, 0)
		s.moved[i] += width - (len(line) - len(trimmed))
		s.lines[i] = strings.Repeat(" ", width) + trimmed
	}
}

// place is a position of the repaired text in the file as it is.
func (s *source) place(line, column int) place {
	line = min(max(line, 1), len(s.lines))
	column -= s.moved[line-1]
	return place{s.name, line, min(max(column, 1), utf8.RuneCountInString(s.original[line-1])+1)}
}

// place is where something stands; the zero value is nowhere.
type place struct {
	file         string
	line, column int
}

// checkText reports what no YAML reader likes, and repairs it: tabs become spaces, other bytes go.
func (l *linter) checkText(s *source) {
	before := len(l.found)
	for i, line := range s.lines {
		if !utf8.ValidString(line) {
			at := len([]rune(line[:invalidAt(line)])) + 1
			l.at(s.place(i+1, at), Error, badText, "", "bytes that are not UTF-8: Helm refuses the file", "save the file as UTF-8")
			line = strings.ToValidUTF8(line, "?")
		}
		if at := strings.IndexFunc(line, isControl); at >= 0 {
			l.at(s.place(i+1, len([]rune(line[:at]))+1), Error, badText, "", "a control character: Helm refuses the file", "delete it")
			line = strings.Map(func(r rune) rune {
				if isControl(r) {
					return ' '
				}
				return r
			}, line)
		}
		lead := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
		if at := strings.IndexByte(lead, '\t'); at >= 0 && strings.TrimSpace(line) != "" {
			l.at(s.place(i+1, at+1), Error, badText, "", "a tab in the indentation: YAML is indented with spaces", "replace the tab by two spaces")
			spaces := strings.ReplaceAll(lead, "\t", "  ")
			s.moved[i] += len(spaces) - len(lead)
			line = spaces + line[len(lead):]
		}
		s.lines[i] = line
	}
	l.found = l.found[:min(len(l.found), before+maxRepairs)] // more is a file of another kind
}

func invalidAt(line string) int {
	for i := 0; i < len(line); {
		r, n := utf8.DecodeRuneInString(line[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(line)
}

// isControl: YAML's printable characters are the others.
func isControl(r rune) bool {
	return r < ' ' && r != '\t' || r == 0x7f || r >= 0x80 && r < 0xa0 && r != 0x85 || r == 0xfffe || r == 0xffff
}

// isBlankFile says that nothing is in the file but comments.
func isBlankFile(data []byte) bool { return len(bytes.TrimSpace(data)) == 0 }
