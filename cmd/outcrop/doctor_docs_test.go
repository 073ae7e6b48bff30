package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/doctor"
)

const doctorFile = "../../docs/doctor.md"

// The table of docs/doctor.md is printed from the codes.
func TestDoctorDocs(t *testing.T) {
	const begin, end = "<!-- codes: printed by go test ./cmd/outcrop -run TestDoctorDocs -update -->\n", "<!-- end of codes -->"
	data, err := os.ReadFile(doctorFile)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s has no place for the codes", doctorFile)
	}
	var b strings.Builder
	b.WriteString("| code | what it says | what to do |\n|---|---|---|\n")
	for _, c := range doctor.Codes() {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", c.ID, c.Meaning, c.Remedy)
	}
	want := before + begin + b.String() + end + after
	if *update {
		if err := os.WriteFile(doctorFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(data)); diff != "" {
		t.Errorf("docs/doctor.md is out of date, run go test ./cmd/outcrop -run TestDoctorDocs -update (-want +got):\n%s", diff)
	}
}
