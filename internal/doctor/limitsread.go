//go:build unix

package doctor

import (
	"os"
	"strconv"
	"strings"
	"syscall"
)

// ReadLimits are the process's, as Linux tells them; zero where it does not.
func ReadLimits() Limits {
	var l Limits
	var files syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files) == nil {
		l.Files = files.Cur
	}
	for _, file := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
		if err == nil && n < 1<<46 { // "max", or version 1's largest number, is no limit
			l.Memory = n
		}
		break
	}
	return l
}
