package main

import (
	"io"
	"sync"
	"time"
)

// lines writes what it is given some moments later, many lines at once: under load a write for each line of the log costs as
// much as signing a request. What must not be lost is followed by Flush. An error of the writer comes with
// the next Write.
type lines struct {
	to io.Writer

	mu      sync.Mutex
	waiting []byte
	armed   bool // flush is on its way
	err     error
}

const (
	linesWait = 5 * time.Millisecond // for how long a line may wait: what a kill -9 takes with it
	linesRoom = 32 << 10             // bytes that wait at most
)

// Write implements io.Writer.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = append(l.waiting, p...)
	switch {
	case len(l.waiting) >= linesRoom:
		l.flush() // whoever writes faster than it is read waits here
	case !l.armed:
		l.armed = true
		time.AfterFunc(linesWait, l.late)
	}
	err := l.err
	l.err = nil
	return len(p), err // of an earlier line: this one waits
}

func (l *lines) late() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.armed = false
	l.flush()
}

// Flush writes what waits.
func (l *lines) Flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flush()
}

func (l *lines) flush() {
	if len(l.waiting) == 0 {
		return
	}
	if _, err := l.to.Write(l.waiting); err != nil {
		l.err = err
	}
	if l.waiting = l.waiting[:0]; cap(l.waiting) > 4*linesRoom {
		l.waiting = nil // a single line that was very long
	}
}

// flusher is a writer whose lines wait.
type flusher interface{ Flush() }
