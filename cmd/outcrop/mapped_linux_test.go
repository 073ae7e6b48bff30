package main

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const smapsText = `00400000-01611000 r-xp 00000000 fe:00 10274362                           /opt/outcrop
Size:              18500 kB
Rss:               12348 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
01611000-02753000 r--p 01211000 fe:00 10274362                           /opt/outcrop
Rss:               10908 kB
Anonymous:             8 kB
02852000-048a7000 rw-p 00000000 00:00 0 
Anonymous:             0 kB
7ffd0b3f6000-7ffd0b3f8000 r-xp 00000000 00:00 0                          [vdso]
Anonymous:             0 kB
`

func TestAreaLine(t *testing.T) {
	var areas []area
	for line := range strings.Lines(smapsText) {
		areas = areaLine(areas, line)
	}
	want := []area{
		{start: 0x400000, end: 0x1611000, rights: "r-xp", file: "/opt/outcrop", unwritten: true},
		{start: 0x1611000, end: 0x2753000, rights: "r--p", file: "/opt/outcrop"}, // a page was written to: relocations, a debugger
		{unwritten: true},
		{start: 0x7ffd0b3f6000, end: 0x7ffd0b3f8000, rights: "r-xp", file: "[vdso]", unwritten: true},
	}
	if diff := cmp.Diff(want, areas, cmp.AllowUnexported(area{})); diff != "" {
		t.Error(diff)
	}
}

// TestUnmapUnused: pages that only the start has touched are not the process's any more, and what it needs comes back.
func TestUnmapUnused(t *testing.T) {
	before := fileMemory(t)
	unmapUnused()
	after := fileMemory(t)
	if after > before*2/3 {
		t.Errorf("%d kB of files are in memory, of %d kB before", after, before)
	}
}

// fileMemory is RssFile of this process, in kB.
func fileMemory(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "RssFile:")
	kb, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kb
}
