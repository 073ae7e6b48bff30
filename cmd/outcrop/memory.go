package main

import (
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// memoryShare is how much of a container's memory the garbage collector may let the heap grow into, in percent:
// the rest is for what it does not count, and for being late.
const memoryShare = 90

// limitMemory keeps the heap within the container's limit, as Go does by itself for the number of CPUs but not for
// memory (https://pkg.go.dev/runtime/debug#SetMemoryLimit). GOMEMLIMIT goes first.
func limitMemory() {
	if getenv("GOMEMLIMIT") != "" {
		return
	}
	limit, ok := containerMemory(os.ReadFile)
	if !ok {
		return
	}
	limit = limit / 100 * memoryShare
	debug.SetMemoryLimit(limit)
}

// containerMemory is the limit of this process's own control group, in bytes
// (https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files, and version 1's).
func containerMemory(read func(string) ([]byte, error)) (limit int64, ok bool) {
	for _, file := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		text, err := read(file)
		if err != nil {
			continue
		}
		limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		return limit, err == nil && limit > 0 && limit < math.MaxInt64/2 // "max", or version 1's 2^63 less a page, is none
	}
	return 0, false
}

// memoryLimit is what the heap keeps within, for the log.
func memoryLimit() string {
	if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64 {
		return strconv.FormatInt(limit>>20, 10) + " MiB"
	}
	return "no limit"
}
