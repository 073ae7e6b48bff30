package fixturetest

import (
	"bytes"
	"sync"
)

// Log is what a handler writes while it is played, also what its goroutines write after the reply: a bubble's clock
// brings them to an end, but orders nothing for the race detector.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *Log) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

// take is what was written since it was taken last.
func (l *Log) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.text.Reset()
	return l.text.String()
}
