package onboard

import (
	"strings"
	"unicode/utf8"
)

// table is columns of text; a cell may have several lines.
type table struct {
	head []string
	rows [][][]string
}

func (t *table) row(cells ...[]string) { t.rows = append(t.rows, cells) }

// String lays the columns out, each as wide as its widest line.
func (t *table) String() string {
	width := make([]int, len(t.head))
	measure := func(column int, s string) { width[column] = max(width[column], utf8.RuneCountInString(s)) }
	for i, h := range t.head {
		measure(i, h)
	}
	for _, row := range t.rows {
		for i, cell := range row {
			for _, line := range cell {
				measure(i, line)
			}
		}
	}
	var b strings.Builder
	write := func(cells []string) {
		var line strings.Builder
		for i, c := range cells {
			line.WriteString(c + strings.Repeat(" ", width[i]-utf8.RuneCountInString(c)+2))
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	write(t.head)
	for _, row := range t.rows {
		for n := range tallest(row) {
			cells := make([]string, len(t.head))
			for i, cell := range row {
				if n < len(cell) {
					cells[i] = cell[n]
				}
			}
			write(cells)
		}
	}
	return b.String()
}

func tallest(row [][]string) int {
	n := 0
	for _, cell := range row {
		n = max(n, len(cell))
	}
	return n
}

// foldWords breaks words into lines of a width; a word that is longer has a line of its own.
func foldWords(words []string, separator string, width int) []string {
	var lines []string
	for _, w := range words {
		last := len(lines) - 1
		if last >= 0 && utf8.RuneCountInString(lines[last]+separator+w) <= width {
			lines[last] += separator + w
			continue
		}
		if last >= 0 {
			lines[last] += strings.TrimRight(separator, " ")
		}
		lines = append(lines, w)
	}
	return lines
}
