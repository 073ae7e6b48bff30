package limit

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// snapshotVersion is that of the file's form. One of a later version is refused: what it counts would be forgotten.
const snapshotVersion = 1

// snapshotFile is what a Disk's memory holds at a position of its journal.
type snapshotFile struct {
	Version  int
	Position string
	Accounts []snapAccount
	Callers  []snapCaller
	Open     []snapTicket
}

type snapRolling struct {
	Counts []int64 // 60, or none
	Last   int64
}

type snapCalendar struct{ Start, Count, StartBefore, CountBefore int64 }

type snapAccount struct {
	Account  Account
	Minute   snapRolling
	Tokens   [Windows]snapCalendar
	Hour     snapRolling
	Requests snapCalendar
	Reserved int64
}

type snapCaller struct {
	Caller   string
	Minute   snapRolling
	Cost     [Windows]snapCalendar
	Reserved int64
	Running  int
}

// snapTicket is an open ticket, as a journal has it.
type snapTicket struct{ Record []byte }

func (d *Disk) snapshotPath() string { return filepath.Join(d.dir, "counters.snapshot") }

// snapshot writes the counters as a whole, if they have changed.
func (d *Disk) snapshot() error {
	d.whole.Lock()
	d.mu.Lock()
	if !d.changed || len(d.pending) > 0 { // what is not in the journal yet would be counted again
		d.mu.Unlock()
		d.whole.Unlock()
		return nil
	}
	d.changed = false
	s := snapshotFile{Version: snapshotVersion, Position: d.journal.End()}
	for _, t := range d.open {
		s.Open = append(s.Open, snapTicket{appendOpen(nil, &t)})
	}
	d.mu.Unlock()
	d.memory.snapshot(&s)
	d.whole.Unlock()
	var data bytes.Buffer
	if err := gob.NewEncoder(&data).Encode(&s); err != nil {
		return err
	}
	if err := writeFile(d.snapshotPath(), data.Bytes()); err != nil {
		d.mu.Lock()
		d.changed = true
		d.mu.Unlock()
		return fmt.Errorf("the snapshot of the counters: %w", err)
	}
	d.mu.Lock()
	d.snapped = s.Position
	d.mu.Unlock()
	return d.trim(context.Background())
}

// load reads the last snapshot, if there is one, and says to which position it counts.
func (d *Disk) load() (position string, err error) {
	data, err := os.ReadFile(d.snapshotPath())
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var s snapshotFile
	if err := gob.NewDecoder(bytes.NewReader(data)).Decode(&s); err != nil {
		return "", fmt.Errorf("%s is damaged: move it away to begin with what the journal still has (%w)", d.snapshotPath(), err)
	}
	if s.Version > snapshotVersion {
		return "", fmt.Errorf("%s is of version %d, this program knows %d: run the later program again, or move the file away", d.snapshotPath(), s.Version, snapshotVersion)
	}
	for i := range s.Accounts {
		a := &s.Accounts[i]
		use := &accountUse{minute: a.Minute.rolling(), hour: a.Hour.rolling(), requests: a.Requests.calendar(), reserved: a.Reserved}
		for w := range a.Tokens {
			use.tokens[w] = a.Tokens[w].calendar()
		}
		d.memory.shardOf(a.Account.Caller).accounts[a.Account] = use
	}
	for i := range s.Callers {
		c := &s.Callers[i]
		use := &callerUse{minute: c.Minute.rolling(), reserved: c.Reserved, running: c.Running}
		for w := range c.Cost {
			use.cost[w] = c.Cost[w].calendar()
		}
		d.memory.shardOf(c.Caller).callers[c.Caller] = use
	}
	for _, t := range s.Open {
		if r, ok := readRecord(t.Record); ok {
			d.open[r.ticket.id] = r.ticket
		}
	}
	return s.Position, nil
}

// snapshot adds what the memory holds.
func (m *Memory) snapshot(s *snapshotFile) {
	for i := range m.all {
		shard := &m.all[i]
		shard.mu.Lock()
		for key, a := range shard.accounts {
			out := snapAccount{Account: key, Minute: a.minute.snapshot(), Hour: a.hour.snapshot(), Requests: a.requests.snapshot(), Reserved: a.reserved}
			for w := range a.tokens {
				out.Tokens[w] = a.tokens[w].snapshot()
			}
			s.Accounts = append(s.Accounts, out)
		}
		for key, c := range shard.callers {
			out := snapCaller{Caller: key, Minute: c.minute.snapshot(), Reserved: c.reserved, Running: c.running}
			for w := range c.cost {
				out.Cost[w] = c.cost[w].snapshot()
			}
			s.Callers = append(s.Callers, out)
		}
		shard.mu.Unlock()
	}
}

func (r *rolling) snapshot() snapRolling {
	out := snapRolling{Last: r.last}
	if r.counts != nil {
		out.Counts = append(out.Counts, r.counts[:]...)
	}
	return out
}

func (s *snapRolling) rolling() rolling {
	r := rolling{last: s.Last}
	if len(s.Counts) == buckets {
		r.counts = (*[buckets]int64)(s.Counts)
		for _, n := range s.Counts {
			r.sum = plus(r.sum, n)
		}
	}
	return r
}

func (c *calendar) snapshot() snapCalendar {
	return snapCalendar{c.start, c.count, c.startBefore, c.countBefore}
}

func (s *snapCalendar) calendar() calendar {
	return calendar{s.Start, s.Count, s.StartBefore, s.CountBefore}
}
