package doctor

import (
	"context"
	"fmt"
)

// Limits are the process's own.
type Limits struct {
	Files  uint64 // that may be open; 0 is not known
	Memory uint64 // bytes that the container may use; 0 is not known, or none
}

// fewFiles is less than some thousand streams need: each has two connections.
const fewFiles = 4096

// limits compares them with what many streams need.
func (e *Env) limits(context.Context) []Finding {
	var out []Finding
	l := e.Limits
	if l.Files > 0 && l.Files < fewFiles {
		out = append(out, Finding{
			Code: "LIMIT-001", Severity: Warning, Message: fmt.Sprintf("%d files may be open, and a stream takes two", l.Files),
			Remedy: "ulimit -n 65536 (LimitNOFILE=65536 in a systemd unit)",
		})
	}
	if len(out) > 0 {
		return out
	}
	words := "files that may be open: not known"
	if l.Files > 0 {
		words = fmt.Sprintf("%d files may be open", l.Files)
	}
	if l.Memory > 0 {
		words += fmt.Sprintf(", %d MiB of memory, of which serve and adapter keep to nine tenths", l.Memory>>20)
	}
	return []Finding{{Code: "LIMIT-000", Message: words}}
}
