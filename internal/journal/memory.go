package journal

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"sync"
)

// Limits of Memory.
const (
	maxNotes = 1 << 20
	maxBytes = 256 << 20
)

// ErrFull is the error of an outbox that can keep no more.
var ErrFull = errors.New("the outbox is full: nobody reads it")

// Memory is an Outbox of this process, with which its notes go. It is bounded: a note for which there is no room is
// refused. It is safe for concurrent use.
type Memory struct {
	id    string
	mu    sync.Mutex
	notes []Note
	first uint64 // the number of notes[0]
	bytes int
	came  chan struct{} // closed when there is another note
}

// NewMemory returns an outbox without notes.
func NewMemory() *Memory {
	return &Memory{id: "memory:" + rand.Text(), first: 1, came: make(chan struct{})}
}

// Append adds a note. The error is ErrFull.
func (m *Memory) Append(data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.notes) >= maxNotes || m.bytes+len(data) > maxBytes {
		return ErrFull
	}
	m.notes = append(m.notes, Note{strconv.FormatUint(m.first+uint64(len(m.notes)), 10), data})
	m.bytes += len(data)
	close(m.came)
	m.came = make(chan struct{})
	return nil
}

// ID implements Outbox: it is another one in each process, to which the positions of others mean nothing.
func (m *Memory) ID() string { return m.id }

// Read implements Outbox.
func (m *Memory) Read(ctx context.Context, after string, most int) ([]Note, error) {
	last := uint64(0)
	if after != "" {
		var err error
		if last, err = strconv.ParseUint(after, 10, 64); err != nil {
			return nil, err
		}
	}
	for {
		m.mu.Lock()
		skip := 0
		if last >= m.first {
			skip = int(min(last-m.first+1, uint64(len(m.notes))))
		}
		notes := append([]Note(nil), m.notes[skip:min(len(m.notes), skip+most)]...)
		came := m.came
		m.mu.Unlock()
		if len(notes) > 0 {
			return notes, nil
		}
		select {
		case <-came:
		case <-ctx.Done():
			return nil, nil
		}
	}
}

// Trim implements Outbox.
func (m *Memory) Trim(_ context.Context, upTo string) error {
	last, err := strconv.ParseUint(upTo, 10, 64)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.notes) > 0 && m.first <= last {
		m.bytes -= len(m.notes[0].Data)
		m.notes, m.first = m.notes[1:], m.first+1
	}
	if len(m.notes) == 0 {
		m.notes = nil // or what was read stays
	}
	return nil
}
