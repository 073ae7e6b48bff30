package limit

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"outcrop/internal/money"
)

func openDisk(t testing.TB, dir string) *Disk {
	t.Helper()
	d, err := OpenDisk(dir, DiskOptions{Lost: func(note []byte) []byte { return append([]byte("lost "), note...) }})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// notesOf are the notes that there are.
func notesOf(t testing.TB, d *Disk) (notes []string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for at := ""; ; {
		some, err := d.Notes().Read(ctx, at, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if len(some) == 0 {
			return notes
		}
		for _, n := range some {
			notes, at = append(notes, string(n.Data)), n.Position
		}
	}
}

func usedOf(t testing.TB, s Store, at Moment, a Account) Used {
	t.Helper()
	used, err := s.Read(t.Context(), at, []Account{a})
	if err != nil {
		t.Fatal(err)
	}
	return used[0]
}

// TestDiskRemembers: with a snapshot, and by the journal alone.
func TestDiskRemembers(t *testing.T) {
	for _, closed := range []bool{true, false} {
		dir, now := t.TempDir(), Schedule{WeekStart: time.Monday}.Moment(time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC))
		me := Account{"Keys/a/", "gpt"}
		d := openDisk(t, dir)
		for i := range 3 {
			a := &Admission{Account: me, Ticket: strconv.Itoa(i), Moment: now, Limits: None(), Need: Amounts{100, 1, money.Dollar}, Note: []byte("note " + strconv.Itoa(i))}
			if v, err := d.Admit(t.Context(), a); err != nil || !v.Admitted {
				t.Fatal(v, err)
			}
		}
		for i := range 2 {
			d.Settle(&Settlement{Account: me, Ticket: strconv.Itoa(i), Moment: now, Reserved: Amounts{100, 0, money.Dollar}, Spent: Amounts{10, 0, money.Dollar / 10}, Note: fmt.Appendf(nil, "settled %d", i)})
		}
		if closed {
			if err := d.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		} else {
			_ = d.journal.Close() // as after a kill: no snapshot
		}
		again := openDisk(t, dir)
		used := usedOf(t, again, now, me)
		if used.Tokens[Minute] != 120 || used.Tokens[Month] != 120 || used.Requests[Hour] != 3 || used.Requests[Day] != 3 || used.Cost[Day] != money.Dollar*12/10 {
			t.Errorf("closed: %v: %+v", closed, used)
		}
		if got := strings.Join(notesOf(t, again), ", "); got != "settled 0, settled 1, lost note 2" {
			t.Errorf("closed: %v: %s", closed, got)
		}
		if err := again.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		third := openDisk(t, dir)
		if got := usedOf(t, third, now, me); got != used {
			t.Errorf("once more: %+v", got)
		}
		if err := third.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDiskKeepsWhatIsNotRead: the journal is trimmed to what a snapshot and the ledger have, and no further.
func TestDiskKeepsWhatIsNotRead(t *testing.T) {
	dir, now := t.TempDir(), Schedule{}.Moment(time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC))
	d, err := OpenDisk(dir, DiskOptions{Journal: smallSegments()})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		d.Settle(&Settlement{Account: Account{"a", "b"}, Moment: now, Spent: Amounts{Tokens: 1}, Note: []byte(strconv.Itoa(i))})
	}
	if err := d.snapshot(); err != nil {
		t.Fatal(err)
	}
	if notes := notesOf(t, d); len(notes) != 100 {
		t.Errorf("%d notes before the ledger has any", len(notes))
	}
	some, err := d.Notes().Read(t.Context(), "", 50)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Notes().Trim(t.Context(), some[49].Position); err != nil {
		t.Fatal(err)
	}
	if notes := notesOf(t, d); len(notes) < 50 || len(notes) > 60 || notes[len(notes)-1] != "99" {
		t.Errorf("%d notes, the last %q", len(notes), notes[len(notes)-1])
	}
	if err := d.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestDiskKilled kills a process that admits and settles, again and again: what it has told of is counted once, and
// what was running is settled with what it had reserved.
func TestDiskKilled(t *testing.T) {
	if dir := os.Getenv("OUTCROP_KILLED_DIR"); dir != "" {
		killedWorker(t, dir)
		return
	}
	dir, settled, begun := t.TempDir(), map[string]bool{}, map[string]bool{}
	for round := range 20 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestDiskKilled$")
		cmd.Env = append(os.Environ(), "OUTCROP_KILLED_DIR="+dir, "OUTCROP_KILLED_ROUND="+strconv.Itoa(round))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines, after := bufio.NewScanner(out), 200+rand.IntN(3000)
		for n := 0; lines.Scan(); n++ {
			kind, id, _ := strings.Cut(lines.Text(), " ")
			if kind == "begun" {
				begun[id] = true
			} else if kind == "settled" {
				settled[id] = true
			}
			if n == after {
				_ = cmd.Process.Kill()
			}
		}
		_ = cmd.Wait() // it was killed
	}
	d := openDisk(t, dir)
	noted := map[string]int{}
	for _, note := range notesOf(t, d) {
		noted[strings.TrimPrefix(note, "lost ")]++
	}
	for id := range settled {
		if noted[id] != 1 {
			t.Errorf("%s was settled, and is noted %d times", id, noted[id])
		}
	}
	for id := range begun {
		if noted[id] != 1 {
			t.Errorf("%s was begun, and is noted %d times", id, noted[id])
		}
	}
	used := usedOf(t, d, killedMoment(), Account{"caller", "gpt"})
	total := int64(0)
	for id, n := range noted {
		if n > 1 {
			t.Errorf("%s is noted %d times", id, n)
		}
		total += 7
	}
	if used.Tokens[Month] != total || used.Requests[Day] != int64(len(noted)) {
		t.Errorf("%d tokens and %d requests are counted, %d and %d noted", used.Tokens[Month], used.Requests[Day], total, len(noted))
	}
	t.Logf("%d settled, %d begun, %d noted over 20 kills", len(settled), len(begun), len(noted))
	if err := d.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func killedMoment() Moment {
	return Schedule{WeekStart: time.Monday}.Moment(time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC))
}

// killedWorker admits and settles until it is killed, and tells of each when it has returned.
func killedWorker(t *testing.T, dir string) {
	d, err := OpenDisk(dir, DiskOptions{Snapshot: 20 * time.Millisecond, Journal: smallSegments(), Lost: func(note []byte) []byte { return append([]byte("lost "), note...) }})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("%s-%d-%d", os.Getenv("OUTCROP_KILLED_ROUND"), w, i)
				a := &Admission{Account: Account{"caller", "gpt"}, Ticket: id, Moment: killedMoment(), Limits: None(), Need: Amounts{Tokens: 7, Requests: 1}, Note: []byte(id)}
				if _, err := d.Admit(context.Background(), a); err != nil {
					t.Error(err)
					return
				}
				tell("begun", id)
				d.Settle(&Settlement{Account: a.Account, Ticket: id, Moment: a.Moment, Reserved: Amounts{Tokens: 7}, Spent: Amounts{Tokens: 7}, Note: []byte(id)})
				tell("settled", id)
			}
		})
	}
	all.Wait()
}

// tell writes a line for whoever kills this process.
func tell(what, id string) { _, _ = fmt.Fprintln(os.Stdout, what, id) }

// TestASnapshotOfALaterVersion is refused, with what to do.
func TestASnapshotOfALaterVersion(t *testing.T) {
	dir := t.TempDir()
	d := openDisk(t, dir)
	path := d.snapshotPath()
	d.Settle(&Settlement{Account: Account{"a", "b"}, Moment: killedMoment(), Spent: Amounts{Tokens: 1}})
	if err := d.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"is damaged": []byte("nonsense"), "version 2": laterSnapshot(t)} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenDisk(dir, DiskOptions{}); err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzReadRecord(f *testing.F) {
	t := ticketRecord{id: "t", account: Account{"a", "b"}, moment: killedMoment(), need: Amounts{1, 1, 1}, note: []byte("n")}
	f.Add(appendOpen(nil, &t))
	f.Add(appendSettlement(nil, &Settlement{Ticket: "t", Moment: killedMoment(), Spent: Amounts{1, 2, 3}, Note: []byte("n")}))
	f.Add(binary.AppendUvarint([]byte{recordOpen}, 1<<60))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, ok := readRecord(data)
		if !ok {
			return
		}
		again := appendSettlement(nil, &r.settlement)
		if r.kind == recordOpen {
			again = appendOpen(nil, &r.ticket)
		}
		if second, ok := readRecord(again); !ok || second.ticket.id != r.ticket.id || second.settlement.Spent != r.settlement.Spent {
			t.Errorf("%+v, then %+v", r, second)
		}
	})
}

func BenchmarkAdmitAndSettle(b *testing.B) {
	now := killedMoment()
	limits := None()
	limits.Tokens[Minute], limits.Tokens[Day] = 1<<60, 1<<60
	stores := map[string]Store{"memory": NewMemory(nil), "disk": openDisk(b, b.TempDir())}
	for name, s := range stores {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			note := make([]byte, 250)
			for b.Loop() {
				a := Admission{Account: Account{"Keys/a/", "gpt"}, Ticket: "t", Moment: now, Limits: limits, Need: Amounts{100, 1, 100}, Note: note}
				if v, err := s.Admit(b.Context(), &a); err != nil || !v.Admitted {
					b.Fatal(v, err)
				}
				s.Settle(&Settlement{Account: a.Account, Ticket: "t", Moment: now, Reserved: Amounts{100, 0, 100}, Spent: Amounts{90, 0, 90}, Note: note})
			}
		})
	}
}
