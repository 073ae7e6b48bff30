package ledger_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"outcrop/internal/ledger"
	"outcrop/internal/ledger/ledgertest"
	"outcrop/internal/usage"
)

// The environment of a process that is killed.
const (
	childPath = "OUTCROP_LEDGER_TEST_PATH"
	childURL  = "OUTCROP_LEDGER_TEST_URL"
)

const killedNotes = 12_000

func killedOutbox() *ledgertest.Outbox {
	return &ledgertest.Outbox{Name: "killed", Notes: killedNotes, Few: true}
}

func TestMain(m *testing.M) {
	o := ledger.Options{Path: os.Getenv(childPath), URL: os.Getenv(childURL)}
	if o.Path == "" && o.URL == "" {
		os.Exit(m.Run())
	}
	l, err := ledger.Open(context.Background(), o)
	if err == nil {
		err = l.CatchUp(context.Background(), killedOutbox())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// TestKilled: a process that counts is killed again and again, and in the end each note has counted once.
func TestKilled(t *testing.T) {
	t.Run("file", func(t *testing.T) { killed(t, ledger.Options{Path: filepath.Join(t.TempDir(), "usage.db")}) })
	t.Run("PostgreSQL", func(t *testing.T) { killed(t, ledger.Options{URL: ledgertest.Start(t).Database()}) })
}

func killed(t *testing.T, o ledger.Options) {
	kills := 0
	for life := 120 * time.Millisecond; ; life += 5 * time.Millisecond {
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), childPath+"="+o.Path, childURL+"="+o.URL)
		child.Stderr = os.Stderr
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(life, func() { _ = child.Process.Kill() }) // it may be over
		err := child.Wait()
		timer.Stop()
		if err == nil {
			break
		}
		if child.ProcessState.ExitCode() == 1 {
			t.Fatal("it failed by itself")
		}
		kills++
	}
	l := ledgertest.Open(t, o)
	r := ledgertest.Report(t, l)
	ledgertest.Same(t, killedNotes, r.Total)
	t.Logf("after %d kills", kills)
	if kills < 3 {
		t.Errorf("it was killed %d times only", kills)
	}
}

// following counts an outbox while a test does something to the database.
func following(t *testing.T, l *ledger.Ledger, outbox *ledgertest.Outbox) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() { l.Follow(ctx, outbox) })
	return func() {
		cancel()
		done.Wait()
	}
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 3600 { // three minutes: machines are shared
		if is() {
			return
		}
		<-time.After(50 * time.Millisecond)
	}
	t.Fatal("waited in vain until " + what)
}

// TestServerAway: what is used while PostgreSQL is away is counted when it is back; it may be away from the first.
func TestServerAway(t *testing.T) {
	server := ledgertest.Start(t)
	address := server.Database()
	server.Kill()
	l := ledgertest.Open(t, ledger.Options{URL: address})
	const notes = 25_000
	outbox := &ledgertest.Outbox{Name: "away", Notes: notes}
	stop := following(t, l, outbox)
	until(t, "it is known to be away", func() bool { return l.State().Err != nil })
	if _, err := l.Usage(t.Context(), usage.Query{}); err == nil {
		t.Error("a report of nothing")
	}
	server.Begin()
	until(t, "some is counted", func() bool { return l.State().Counted > 0 })
	server.Kill()
	server.Begin()
	until(t, "all is counted", func() bool { return outbox.Trimmed.Load() == notes && l.State().Err == nil })
	stop()
	ledgertest.Same(t, notes, ledgertest.Report(t, l).Total)
}

// TestFullDisk: nothing is lost, and all is counted once there is room.
func TestFullDisk(t *testing.T) {
	l := ledgertest.Open(t, ledger.Options{Path: ledger.InMemory})
	pages, err := l.Number(t.Context(), "PRAGMA page_count")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Exec(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", pages+10)); err != nil {
		t.Fatal(err)
	}
	const notes = 4000
	outbox := &ledgertest.Outbox{Name: "full", Notes: notes}
	stop := following(t, l, outbox)
	until(t, "it is full", func() bool { return l.State().Err != nil })
	if err := l.State().Err; !strings.Contains(err.Error(), "full") || l.State().Since.IsZero() || l.State().Behind == 0 {
		t.Errorf("%v, since %v", err, l.State().Since)
	}
	if r := ledgertest.Report(t, l); r.Total.Requests != 0 || outbox.Trimmed.Load() != 0 {
		t.Errorf("%d are counted in part, %d forgotten", r.Total.Requests, outbox.Trimmed.Load())
	}
	if err := l.Exec(t.Context(), "PRAGMA max_page_count = 1000000"); err != nil {
		t.Fatal(err)
	}
	until(t, "all is counted", func() bool { return outbox.Trimmed.Load() == notes && l.State().Err == nil })
	stop()
	if state := l.State(); state.Behind != 0 || state.Failures == 0 {
		t.Errorf("%+v", state)
	}
	ledgertest.Same(t, notes, ledgertest.Report(t, l).Total)
}

// each does something for a file and for PostgreSQL.
func each(t *testing.T, do func(*testing.T, ledger.Options)) {
	t.Run("file", func(t *testing.T) { do(t, ledger.Options{Path: filepath.Join(t.TempDir(), "usage.db")}) })
	t.Run("PostgreSQL", func(t *testing.T) { do(t, ledger.Options{URL: ledgertest.Start(t).Database()}) })
}

// TestNewerSchema is refused with what to do.
func TestNewerSchema(t *testing.T) {
	each(t, func(t *testing.T, o ledger.Options) {
		l := ledgertest.Open(t, o)
		if err := l.Exec(t.Context(), "UPDATE usage_schema SET version = 99"); err != nil {
			t.Fatal(err)
		}
		_, err := ledger.Open(t.Context(), o)
		newer, ok := errors.AsType[*ledger.NewerSchema](err)
		if !ok || newer.Found != 99 || newer.Known != ledger.Version || newer.Where != l.Where() {
			t.Fatal(err)
		}
		if _, err := ledger.Migrate(t.Context(), o, 1); !errors.As(err, &newer) {
			t.Errorf("it is taken back by who does not know it: %v", err)
		}
	})
}

// TestMigrations go forth and back, one by one; the sums survive what does not concern them.
func TestMigrations(t *testing.T) {
	each(t, func(t *testing.T, o ledger.Options) {
		const notes = 100
		if err := ledgertest.Open(t, o).CatchUp(t.Context(), &ledgertest.Outbox{Name: "m", Notes: notes}); err != nil {
			t.Fatal(err)
		}
		for _, to := range []int{1, 2, 1, 1, 2} {
			if _, err := ledger.Migrate(t.Context(), o, to); err != nil {
				t.Fatal(to, err)
			}
		}
		ledgertest.Same(t, notes, ledgertest.Report(t, ledgertest.Open(t, o)).Total)
		if from, err := ledger.Migrate(t.Context(), o, 0); from != 2 || err != nil {
			t.Fatal(from, err)
		}
		asIs := o
		asIs.AsIs = true
		if _, err := ledger.Open(t.Context(), asIs); err == nil {
			t.Error("there is no ledger")
		}
		again := ledgertest.Open(t, o)
		if r := ledgertest.Report(t, again); r.Total.Requests != 0 {
			t.Errorf("%+v", r.Total)
		}
		if _, err := ledger.Migrate(t.Context(), o, ledger.Version+1); err == nil {
			t.Error("there is no such version")
		}
	})
}

// TestOpenedAtOnce by several processes: one of them makes the schema.
func TestOpenedAtOnce(t *testing.T) {
	each(t, func(t *testing.T, o ledger.Options) {
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				l, err := ledger.Open(t.Context(), o)
				if err != nil {
					t.Error(err)
					return
				}
				if err := l.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	})
}

// TestRecount: a note that an earlier version could not read is counted by one that can, once.
func TestRecount(t *testing.T) {
	each(t, func(t *testing.T, o ledger.Options) {
		l := ledgertest.Open(t, o)
		for i := range 3 {
			e := ledgertest.Entry(i)
			note := hex.EncodeToString(usage.AppendNote(nil, &e))
			if i == 2 {
				note = "63" + note[2:] // of version 99
			}
			if err := l.Exec(t.Context(), "INSERT INTO usage_aside (outbox, position, reason, note) VALUES ('o', ?, 'later', ?)", fmt.Sprint(i), note); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			if err := l.CatchUp(t.Context(), &ledgertest.Outbox{Name: "none"}); err != nil {
				t.Fatal(err)
			}
		}
		ledgertest.Same(t, 2, ledgertest.Report(t, l).Total)
		if left, err := l.Number(t.Context(), "SELECT count(*) FROM usage_aside"); left != 1 || err != nil {
			t.Error(left, err)
		}
	})
}

// TestBadAddress does not quote the password.
func TestBadAddress(t *testing.T) {
	_, err := ledger.Open(t.Context(), ledger.Options{URL: "postgres://me:hush hush@host:port/x"})
	if err == nil || strings.Contains(err.Error(), "hush") {
		t.Error(err)
	}
	if _, err := ledger.Open(t.Context(), ledger.Options{}); err == nil {
		t.Error("a ledger nowhere")
	}
	if _, err := ledger.Open(t.Context(), ledger.Options{Path: filepath.Join(t.TempDir(), "none", "usage.db")}); err == nil {
		t.Error("a file in no directory")
	}
}
