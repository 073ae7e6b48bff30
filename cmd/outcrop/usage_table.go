package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"outcrop/internal/usage"
)

// printUsage prints a report as a table for people, with a line of totals.
func printUsage(w io.Writer, r *usage.Report) error {
	rows := make([][]string, 0, len(r.Rows)+2)
	head := make([]string, 0, len(r.By)+11)
	for _, g := range r.By {
		head = append(head, strings.ToUpper(g.String()))
	}
	head = append(head, "REQUESTS", "ERRORS", "INPUT", "OUTPUT", "CACHED", "COST $", "SAVED $", "AVERAGE", "P50", "P95", "FIRST")
	rows = append(rows, head)
	for i := range r.Rows {
		rows = append(rows, usageLine(r.Rows[i].Keys, &r.Rows[i]))
	}
	if len(r.By) > 0 {
		keys := make([]string, len(r.By))
		keys[0] = "total"
		rows = append(rows, usageLine(keys, &r.Total))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "From %s to %s\n\n", r.From.Format(time.RFC3339), r.To.Format(time.RFC3339))
	writeAligned(&b, rows, len(r.By))
	if r.More {
		b.WriteString("\nThere are more rows, which the total has too: see --limit.\n")
	}
	if n := r.Total.Unpriced; n > 0 {
		fmt.Fprintf(&b, "\nThe cost is without what has no price that is known (%d requests): give their models a pricing.\n", n)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func usageLine(keys []string, r *usage.Row) []string {
	line := make([]string, 0, len(keys)+11)
	for _, k := range keys {
		line = append(line, strings.Join(strings.Fields(printable(k)), " ")) // in one line
	}
	l := &r.Latency
	return append(line,
		strconv.FormatInt(r.Requests, 10), strconv.FormatInt(r.Errors, 10),
		strconv.FormatInt(r.Input+r.CacheRead+r.CacheWrite, 10), strconv.FormatInt(r.Output, 10), fmt.Sprintf("%.1f%%", 100*r.CachedShare),
		dollarsOf(r.Cost), dollarsOf(r.Saved), seconds(l.Average), seconds(l.P50), seconds(l.P95), seconds(l.FirstToken))
}

// dollarsOf is a sum to a hundredth of a cent, halves away from zero.
func dollarsOf(m usage.Money) string {
	const hundredth = 100 // micro-dollars
	micros, sign := m.Micros+m.Picos/1_000_000, ""
	if micros < 0 {
		micros, sign = -micros, "-"
	}
	n := (micros + hundredth/2) / hundredth
	if n == 0 {
		sign = ""
	}
	return fmt.Sprintf("%s%d.%04d", sign, n/10_000, n%10_000)
}

// seconds are milliseconds for people, "-" for none.
func seconds(ms float64) string {
	if ms == 0 {
		return "-"
	}
	return strconv.FormatFloat(ms/1000, 'f', 2, 64) + "s"
}

// writeAligned writes rows of the same length: the first columns are names, the others numbers.
func writeAligned(b *strings.Builder, rows [][]string, names int) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			blank := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i >= names {
				cell, blank = blank+cell, ""
			}
			line.WriteString(cell + blank + "  ")
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}
