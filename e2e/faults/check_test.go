//go:build faults

package faults

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the table, here and in the documentation")

// checkTable compares what was seen with the table.
func checkTable(t *testing.T, l *lab, b books) {
	t.Helper()
	var got []entry
	for i, c := range l.cases {
		if c.second {
			continue
		}
		second := l.cases[i+1]
		e := entry{c.name, c.kind, outcome{c.saw(), second.saw(), b.of(c, l.well[c.kind])}}
		b.of(second, l.well[c.kind])
		got = append(got, e)
	}
	if *update {
		write(t, got)
	}
	want := map[string]entry{}
	for _, e := range readTable(t) {
		want[e.fault+"/"+string(e.kind)] = e
	}
	for i, at := 0, 0; i < len(l.cases); i += 2 {
		c, e := l.cases[i], got[at]
		at++
		t.Run(c.name+"/"+string(c.kind), func(t *testing.T) {
			for _, text := range append(c.errs, l.cases[i+1].errs...) {
				t.Error(text)
			}
			if e != want[c.name+"/"+string(c.kind)] {
				t.Errorf("got  %+v\nwant %+v", e.outcome, want[c.name+"/"+string(c.kind)].outcome)
			}
			delete(want, c.name+"/"+string(c.kind))
		})
	}
	for name := range want {
		t.Errorf("the table has a row that nobody tests: %s", name)
	}
}

func write(t testing.TB, entries []entry) {
	t.Helper()
	var b strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&b, "%s\t%s\t%s\t%s\t%s\n", e.fault, e.kind, e.Sees, e.Second, e.Accounted)
	}
	put(t, tableFile, b.String())
}

// checkRecords compares what was seen with one of the other tables.
func checkRecords(t *testing.T, name string, got []record) {
	t.Helper()
	if *update {
		var b strings.Builder
		for _, r := range got {
			fmt.Fprintf(&b, "%s\t%s\t%s\t%s\n", r.fault, r.with, r.sees, r.accounted)
		}
		put(t, "testdata/"+name+".tsv", b.String())
	}
	if diff := cmp.Diff(readRecords(t, name), got, cmp.AllowUnexported(record{})); diff != "" {
		t.Errorf("testdata/%s.tsv is not what was seen (-want, +got):\n%s", name, diff)
	}
}

// put writes a table, and then the documentation with all that there are.
func put(t testing.TB, path, table string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(table), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(document, []byte(documented(t, string(text), renderAll(t))), 0o600); err != nil {
		t.Fatal(err)
	}
}
