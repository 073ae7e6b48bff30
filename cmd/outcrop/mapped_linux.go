package main

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// unmapUnused takes the pages of the program's own file out of this process's memory. Those that are in use come back,
// from the system's cache of the file; those that only the start has touched (the initialisation of every package, the
// reading of the configuration) do not, and were most. A file that cannot be read leaves things as they are.
func unmapUnused() {
	own, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	file, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	defer func() { _ = file.Close() }()
	var areas []area
	for lines := bufio.NewScanner(file); lines.Scan(); {
		areas = areaLine(areas, lines.Text())
	}
	for _, a := range areas {
		if a.file == own && a.unwritten && !strings.Contains(a.rights, "w") {
			// It gives advice: what becomes of it does not matter.
			_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, a.start, a.end-a.start, syscall.MADV_DONTNEED)
		}
	}
}

// area is one of a process's, as /proc/PID/smaps has it
// (https://www.kernel.org/doc/html/latest/filesystems/proc.html).
type area struct {
	start, end uintptr
	rights     string // r-xp
	file       string // "" for none
	unwritten  bool   // every page of it is the file's
}

// areaLine adds what a line says.
func areaLine(areas []area, line string) []area {
	words := strings.Fields(line)
	switch {
	case len(words) == 3 && words[0] == "Anonymous:" && len(areas) > 0:
		areas[len(areas)-1].unwritten = words[1] == "0"
	case len(words) == 6:
		from, to, ok := strings.Cut(words[0], "-")
		start, err := strconv.ParseUint(from, 16, 64)
		end, err2 := strconv.ParseUint(to, 16, 64)
		if ok && err == nil && err2 == nil {
			return append(areas, area{start: uintptr(start), end: uintptr(end), rights: words[1], file: words[5]})
		}
	case len(words) == 5 && strings.Contains(words[0], "-"): // of no file
		return append(areas, area{})
	}
	return areas
}
