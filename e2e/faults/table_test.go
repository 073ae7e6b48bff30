package faults

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// The table as it was seen is in testdata/table.tsv: a line for each fault and kind of request. make faults compares it
// with what it sees (-update writes it); this test compares the documentation with it.
const (
	tableFile = "testdata/table.tsv"
	document  = "../../docs/reliability.md"
	begins    = "<!-- faults:begin -->\n"
	ends      = "<!-- faults:end -->"
)

// entry is a line of the table.
type entry struct {
	fault string
	kind  kind
	outcome
}

func readTable(t testing.TB) (entries []entry) {
	t.Helper()
	text, err := os.ReadFile(tableFile)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 5 {
			t.Fatalf("%s: %q has %d fields", tableFile, line, len(f))
		}
		entries = append(entries, entry{f[0], kind(f[1]), outcome{f[2], f[3], f[4]}})
	}
	return entries
}

// render is the table as the documentation has it: kinds of one outcome share a line.
func render(entries []entry) string {
	var b strings.Builder
	b.WriteString("| fault | kinds of request | the client sees | with another upstream | accounted |\n|---|---|---|---|---|\n")
	for len(entries) > 0 {
		n := 0
		for n < len(entries) && entries[n].fault == entries[0].fault {
			n++
		}
		renderFault(&b, entries[:n])
		entries = entries[n:]
	}
	return b.String()
}

func renderFault(b *strings.Builder, of []entry) {
	name := of[0].fault
	var shown []outcome
	for _, e := range of {
		if slices.Contains(shown, e.outcome) {
			continue
		}
		shown = append(shown, e.outcome)
		var same []string
		for _, other := range of {
			if other.outcome == e.outcome {
				same = append(same, string(other.kind))
			}
		}
		whose := strings.Join(same, ", ")
		if len(same) == len(of) && len(of) == len(kinds()) {
			whose = "all"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", name, whose, e.Sees, e.Second, e.Accounted)
		name = ""
	}
}

// others are the tables of what breaks beside the upstreams, in the order of the documentation: files of testdata, with
// the fault, the circumstances, what the client sees and what is accounted.
func others() []string { return []string{"clients", "stores", "machine"} }

// record is a line of such a table.
type record struct{ fault, with, sees, accounted string }

func readRecords(t testing.TB, name string) (records []record) {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name + ".tsv")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 4 {
			t.Fatalf("%s: %q has %d fields", name, line, len(f))
		}
		records = append(records, record{f[0], f[1], f[2], f[3]})
	}
	return records
}

// renderAll is all that stands between the marks.
func renderAll(t testing.TB) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(render(readTable(t)))
	b.WriteString("\n| fault | of | the client sees | accounted |\n|---|---|---|---|\n")
	for _, name := range others() {
		last := ""
		for _, r := range readRecords(t, name) {
			shown := r.fault
			if shown == last {
				shown = ""
			}
			last = r.fault
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", shown, r.with, r.sees, r.accounted)
		}
	}
	return b.String()
}

// documented replaces the table in the text of the documentation.
func documented(t testing.TB, text, table string) string {
	t.Helper()
	before, rest, ok := strings.Cut(text, begins)
	_, after, ok2 := strings.Cut(rest, ends)
	if !ok || !ok2 {
		t.Fatalf("%s has no %s", document, begins)
	}
	return before + begins + table + ends + after
}

// TestDocumentation: docs/reliability.md has the table.
func TestDocumentation(t *testing.T) {
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	if documented(t, string(text), renderAll(t)) != string(text) {
		t.Errorf("%s has another table than %s: make faults UPDATE=-update writes both", document, tableFile)
	}
}

// TestNoBrokenStreamLooksWhole: whatever is in the table, a stream that broke has an error event or is cut, and nothing
// that another upstream says follows what a client has read.
func TestNoBrokenStreamLooksWhole(t *testing.T) {
	broken := 0
	for _, e := range readTable(t) {
		if strings.Contains(e.Sees, "LOOKS WHOLE") || strings.Contains(e.Second, "LOOKS WHOLE") {
			t.Errorf("%s, %s: %s; %s", e.fault, e.kind, e.Sees, e.Second)
		}
		if strings.HasPrefix(e.Sees, "text, then ") {
			broken++
			if e.Second != e.Sees {
				t.Errorf("%s, %s: the client sees %q, and with another upstream %q", e.fault, e.kind, e.Sees, e.Second)
			}
		}
		if e.Sees != "whole answer" && !strings.Contains(e.Accounted, "an error") {
			t.Errorf("%s, %s: the client sees %q, and %q is accounted", e.fault, e.kind, e.Sees, e.Accounted)
		}
	}
	if broken < 10 {
		t.Errorf("%d broken streams: is %s read right?", broken, tableFile)
	}
}
