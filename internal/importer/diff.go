package importer

import (
	"fmt"
	"slices"
	"strings"
)

// diffContext is how many lines stand around a change.
const diffContext = 3

// A lineEdit is a line of a diff: ' ' in both, '-' in the old text, '+' in the new.
type lineEdit struct {
	op   byte
	line string
}

// Diff is the unified diff of two texts, "" for equal ones.
func Diff(name string, before, after []byte) string {
	if string(before) == string(after) {
		return ""
	}
	edits := editLines(splitLines(before), splitLines(after))
	var b strings.Builder
	fmt.Fprintf(&b, "--- %s\n+++ %s\n", name, name)
	old, fresh := 1, 1
	for i := 0; i < len(edits); {
		if edits[i].op == ' ' {
			i, old, fresh = i+1, old+1, fresh+1
			continue
		}
		start := max(0, i-diffContext)
		end := hunkEnd(edits, i)
		writeHunk(&b, edits[start:end], old-(i-start), fresh-(i-start))
		for ; i < end; i++ {
			if edits[i].op != '+' {
				old++
			}
			if edits[i].op != '-' {
				fresh++
			}
		}
	}
	return b.String()
}

func splitLines(data []byte) []string {
	lines := strings.SplitAfter(string(data), "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// hunkEnd is behind the context of the last change that is near enough.
func hunkEnd(edits []lineEdit, i int) int {
	end, quiet := i, 0
	for ; i < len(edits) && quiet <= 2*diffContext; i++ {
		if quiet++; edits[i].op != ' ' {
			end, quiet = i+1, 0
		}
	}
	return min(len(edits), end+diffContext)
}

func writeHunk(b *strings.Builder, edits []lineEdit, old, fresh int) {
	var olds, news int
	for _, e := range edits {
		if e.op != '+' {
			olds++
		}
		if e.op != '-' {
			news++
		}
	}
	if olds == 0 {
		old--
	}
	if news == 0 {
		fresh--
	}
	fmt.Fprintf(b, "@@ -%d,%d +%d,%d @@\n", old, olds, fresh, news)
	for _, e := range edits {
		b.WriteByte(e.op)
		b.WriteString(e.line)
		if !strings.HasSuffix(e.line, "\n") {
			b.WriteString("\n\\ No newline at end of file\n")
		}
	}
}

// farthest is how many changed lines are told apart one by one; a text with more of them is shown as replaced.
const farthest = 2500

// editLines is the shortest way from one text to the other.
func editLines(a, b []string) []lineEdit {
	start := 0
	for start < len(a) && start < len(b) && a[start] == b[start] {
		start++
	}
	end := 0
	for end < len(a)-start && end < len(b)-start && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	out := all(' ', a[:start])
	out = append(out, shortest(a[start:len(a)-end], b[start:len(b)-end])...)
	return append(out, all(' ', a[len(a)-end:])...)
}

func all(op byte, lines []string) []lineEdit {
	out := make([]lineEdit, len(lines))
	for i, line := range lines {
		out[i] = lineEdit{op, line}
	}
	return out
}

// shortest is E. W. Myers, "An O(ND) Difference Algorithm and Its Variations", 1986.
func shortest(a, b []string) []lineEdit {
	bound := min(len(a)+len(b), farthest)
	if len(a) == 0 || len(b) == 0 {
		bound = -1
	}
	reach := make([]int, 2*max(bound, 0)+3) // by diagonal: how far in a
	zero := bound + 1
	var trace [][]int
	for d := 0; d <= bound; d++ {
		trace = append(trace, slices.Clone(reach[zero-d:zero+d+1]))
		for k := -d; k <= d; k += 2 {
			x := 0
			switch {
			case d == 0:
			case k == -d || k != d && reach[zero+k-1] < reach[zero+k+1]:
				x = reach[zero+k+1]
			default:
				x = reach[zero+k-1] + 1
			}
			for x < len(a) && x-k < len(b) && a[x] == b[x-k] {
				x++
			}
			reach[zero+k] = x
			if x >= len(a) && x-k >= len(b) {
				return backtrack(a, b, trace)
			}
		}
	}
	return append(all('-', a), all('+', b)...)
}

// backtrack goes the way back; trace[d] is how far the diagonals had come before step d.
func backtrack(a, b []string, trace [][]int) []lineEdit {
	var out []lineEdit
	x, y := len(a), len(b)
	for d := len(trace) - 1; d > 0; d-- {
		before := func(k int) int { return trace[d][k+d] }
		k := x - y
		from := k - 1
		if k == -d || k != d && before(k-1) < before(k+1) {
			from = k + 1
		}
		for fromX := before(from); x > fromX && y > fromX-from; x, y = x-1, y-1 {
			out = append(out, lineEdit{' ', a[x-1]})
		}
		if from == k+1 {
			y--
			out = append(out, lineEdit{'+', b[y]})
		} else {
			x--
			out = append(out, lineEdit{'-', a[x]})
		}
	}
	for ; x > 0; x-- {
		out = append(out, lineEdit{' ', a[x-1]})
	}
	slices.Reverse(out)
	return out
}
