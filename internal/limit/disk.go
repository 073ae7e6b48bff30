package limit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"outcrop/internal/journal"
)

// DiskOptions of a Disk; all may be left out.
type DiskOptions struct {
	// Lost marks the note of a ticket whose process was killed; nil leaves it as it is.
	Lost func(note []byte) []byte
	// Snapshot is how often the counters are written as a whole; 0 is half a minute.
	Snapshot time.Duration
	// Journal are those of the journal.
	Journal journal.Options
}

const (
	usualSnapshot = 30 * time.Second
	// maxPending is how many settlements, and maxPendingBytes how many bytes of them, wait for a disk that takes nothing.
	maxPending      = 200_000
	maxPendingBytes = 256 << 20
	// retryPending is how often they are tried again.
	retryPending = time.Second
)

// Disk is a Store in a directory of this process alone: counters in memory, each change in a journal, and now and then
// a snapshot of all. What was admitted and settled is there again after a kill, but for what was being written in that
// moment; requests that were running then are settled with what they had reserved.
type Disk struct {
	memory  *Memory
	journal *journal.Journal
	dir     string
	options DiskOptions

	// whole keeps changes away while a snapshot is made of memory and journal together.
	whole sync.RWMutex
	mu    sync.Mutex // of what follows
	open  map[string]ticketRecord
	// pending are records that the disk did not take.
	pending      [][]byte
	pendingBytes int
	changed      bool // since the last snapshot
	snapped      string
	read         string // as far as the ledger has it
	closed       bool

	stop chan struct{}
	work sync.WaitGroup
}

// OpenDisk opens the store of a directory, which it makes if it is not there.
func OpenDisk(dir string, o DiskOptions) (*Disk, error) {
	if o.Snapshot == 0 {
		o.Snapshot = usualSnapshot
	}
	if o.Lost == nil {
		o.Lost = func(note []byte) []byte { return note }
	}
	j, err := journal.Open(filepath.Join(dir, "journal"), o.Journal)
	if err != nil {
		return nil, err
	}
	d := &Disk{memory: NewMemory(nil), journal: j, dir: dir, options: o, open: map[string]ticketRecord{}, stop: make(chan struct{})}
	if err := d.restore(); err != nil {
		return nil, errors.Join(err, j.Close())
	}
	d.work.Go(d.keep)
	return d, nil
}

// restore is the snapshot, what came after it, and an end for what was running.
func (d *Disk) restore() error {
	at, err := d.load()
	if err != nil {
		return err
	}
	d.snapped = at
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // what is there now
	for {
		notes, err := d.journal.Read(ctx, at, 10_000)
		if err != nil {
			return fmt.Errorf("the journal of limits: %w", err)
		}
		if len(notes) == 0 {
			break
		}
		for _, n := range notes {
			d.replay(n.Data)
			at = n.Position
		}
	}
	for id, t := range d.open {
		delete(d.open, id)
		lost := t.lost(d.options.Lost)
		if last := d.memory.last(); last.After(lost.Moment.Now) { // a time long ago would turn the windows back
			lost.Moment.Now = last
		}
		d.memory.count(&lost)
		if err := d.journal.Append(appendSettlement(nil, &lost)); err != nil {
			return fmt.Errorf("settling the requests that were running when the process was killed: %w", err)
		}
	}
	d.changed = true
	return nil
}

// replay counts a record again. One that cannot be read is of a later version, or damaged: its note is kept.
func (d *Disk) replay(data []byte) {
	r, ok := readRecord(data)
	switch {
	case !ok:
	case r.kind == recordOpen:
		d.open[r.ticket.id] = r.ticket
		d.memory.take(&r.ticket)
	default:
		delete(d.open, r.settlement.Ticket)
		d.memory.count(&r.settlement)
	}
}

// Admit implements Store. The error is that of the disk.
func (d *Disk) Admit(ctx context.Context, a *Admission) (Verdict, error) {
	d.whole.RLock()
	defer d.whole.RUnlock()
	v, err := d.memory.Admit(ctx, a)
	if err != nil || !v.Admitted {
		return v, err
	}
	t := ticketOf(a)
	d.mu.Lock()
	d.open[a.Ticket], d.changed = t, true
	d.mu.Unlock()
	if err := d.journal.Append(appendOpen(nil, &t)); err != nil {
		d.mu.Lock()
		delete(d.open, a.Ticket)
		d.mu.Unlock()
		d.memory.giveBack(&t)
		return Verdict{}, err
	}
	return v, nil
}

// Settle implements Store.
func (d *Disk) Settle(s *Settlement) bool {
	d.whole.RLock()
	defer d.whole.RUnlock()
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return false
	}
	delete(d.open, s.Ticket)
	d.changed = true
	d.mu.Unlock()
	d.memory.count(s)
	record := appendSettlement(nil, s)
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.pending) == 0 && d.journal.Append(record) == nil {
		return true
	}
	if len(d.pending) >= maxPending || d.pendingBytes+len(record) > maxPendingBytes {
		return false
	}
	d.pending, d.pendingBytes = append(d.pending, record), d.pendingBytes+len(record)
	return true
}

// Pending is how many settlements wait for a disk that takes nothing.
func (d *Disk) Pending() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.pending)
}

// flush writes what the disk did not take before.
func (d *Disk) flush() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.pending) > 0 {
		if err := d.journal.Append(d.pending[0]); err != nil {
			return err
		}
		d.pendingBytes -= len(d.pending[0])
		d.pending = d.pending[1:]
	}
	d.pending = nil
	return nil
}

// Read implements Store.
func (d *Disk) Read(ctx context.Context, at Moment, accounts []Account) ([]Used, error) {
	return d.memory.Read(ctx, at, accounts)
}

// keep writes what waits, and snapshots, until the store is closed.
func (d *Disk) keep() {
	retry, snapshot := time.NewTicker(retryPending), time.NewTicker(d.options.Snapshot)
	defer retry.Stop()
	defer snapshot.Stop()
	for {
		select {
		case <-d.stop:
			return
		case <-retry.C:
			_ = d.flush() // a full disk is told to those who want to be admitted
		case <-snapshot.C:
			_ = d.snapshot() // as that one: the one before is good, with a longer journal
		}
	}
}

// Close implements Store: what waits is written, if the disk takes it, and a last snapshot.
func (d *Disk) Close(context.Context) error {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return nil
	}
	d.closed = true
	d.mu.Unlock()
	close(d.stop)
	d.work.Wait()
	err := d.flush()
	if left := d.Pending(); err != nil {
		err = fmt.Errorf("%d settlements could not be written: %w", left, err)
	}
	return errors.Join(err, d.snapshot(), d.journal.Close())
}

// Notes are those of the settlements, for the ledger.
func (d *Disk) Notes() journal.Outbox { return diskNotes{d} }

type diskNotes struct{ disk *Disk }

func (n diskNotes) ID() string { return n.disk.journal.ID() }

// Read implements journal.Outbox.
func (n diskNotes) Read(ctx context.Context, after string, most int) ([]journal.Note, error) {
	for {
		records, err := n.disk.journal.Read(ctx, after, most)
		if err != nil || len(records) == 0 {
			return nil, err
		}
		var notes []journal.Note
		for _, r := range records {
			after = r.Position
			if note := noteOf(r.Data); len(note) > 0 {
				notes = append(notes, journal.Note{Position: r.Position, Data: note})
			}
		}
		if len(notes) > 0 {
			return notes, nil
		}
	}
}

// Trim implements journal.Outbox. What no snapshot has yet stays.
func (n diskNotes) Trim(ctx context.Context, upTo string) error {
	d := n.disk
	d.mu.Lock()
	d.read = upTo
	d.mu.Unlock()
	return d.trim(ctx)
}

// trim forgets what both the ledger and a snapshot have.
func (d *Disk) trim(ctx context.Context) error {
	d.mu.Lock()
	upTo := d.read
	if before(d.snapped, upTo) {
		upTo = d.snapped
	}
	d.mu.Unlock()
	if upTo == "" {
		return nil
	}
	return d.journal.Trim(ctx, upTo)
}

// before says whether a position comes before another.
func before(a, b string) bool { return journal.Compare(a, b) < 0 }

// writeFile puts a file in the place of one before, whole or not at all.
func writeFile(path string, data []byte) error {
	file, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	err = errors.Join(err, file.Sync(), file.Close())
	if err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
