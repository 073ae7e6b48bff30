package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// quiet is how long a check may take before a terminal shows how far it is.
const quiet = time.Second

// doctorProgress writes one line over and over to a terminal; to anything else it writes nothing.
type doctorProgress struct {
	mu    sync.Mutex
	to    io.Writer // nil for nowhere
	begin time.Time
	wrote bool
}

func newDoctorProgress(stderr io.Writer) *doctorProgress {
	p := &doctorProgress{begin: time.Now()}
	if isTerminal(stderr) {
		p.to = stderr
	}
	return p
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// tell shows how far the checks are.
func (p *doctorProgress) tell(done, total int, running string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.to == nil || time.Since(p.begin) < quiet {
		return
	}
	p.wrote = true
	_, _ = fmt.Fprintf(p.to, "\r\033[K%d of %d checks, now %.70s", done, total, printable(running))
}

// end takes the line away.
func (p *doctorProgress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wrote {
		_, _ = fmt.Fprint(p.to, "\r\033[K")
	}
	p.to = nil
}
