package main

import (
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// tally counts writes.
type tally struct {
	mu     sync.Mutex
	text   strings.Builder
	writes int
	err    error
}

func (c *tally) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writes++; c.err != nil {
		return 0, c.err
	}
	return c.text.Write(p)
}

func (c *tally) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.writes
}

func (c *tally) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

// TestLinesAreWrittenTogether, within moments, and at once when there are many or one that matters.
func TestLinesAreWrittenTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &tally{}
		l := &lines{to: to}
		log, err := logTo(l, serveFlags{log: "text"}, slog.LevelInfo)
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			log.Info("answered")
		}
		if to.count() != 0 {
			t.Errorf("%d writes at once", to.count())
		}
		time.Sleep(linesWait)
		synctest.Wait()
		if to.count() != 1 || strings.Count(to.String(), "answered") != 10 {
			t.Errorf("%d writes after %v: %q", to.count(), linesWait, to)
		}
		log.Info("before")
		log.Warn("a key is about to expire")
		if to.count() != 2 || !strings.Contains(to.String(), "before") || !strings.HasSuffix(to.String(), "expire\"\n") {
			t.Errorf("a warning waits: %d writes: %q", to.count(), to)
		}
		log.Info("a long one", "text", strings.Repeat("x", linesRoom))
		if to.count() != 3 {
			t.Errorf("%d writes with a full buffer", to.count())
		}
		time.Sleep(time.Minute)
		if log.Info("last"); to.count() != 3 {
			t.Errorf("%d writes though nothing waited", to.count())
		}
		l.Flush()
		if !strings.HasSuffix(to.String(), "last\n") {
			t.Error("the last line is lost")
		}
	})
}

// TestLinesTellOfErrors: what could not be written is an error of the next write, whose line is not lost with it.
func TestLinesTellOfErrors(t *testing.T) {
	full := errors.New("no space left on device")
	to := &tally{err: full}
	l := &lines{to: to}
	if _, err := l.Write([]byte("one\n")); err != nil {
		t.Fatal(err)
	}
	l.Flush()
	if _, err := l.Write([]byte("two\n")); !errors.Is(err, full) {
		t.Errorf("%v", err)
	}
	if to.err = nil; to.count() != 1 {
		t.Errorf("%d writes", to.count())
	}
	if _, err := l.Write([]byte("three\n")); err != nil {
		t.Errorf("%v", err)
	}
	if l.Flush(); to.String() != "two\nthree\n" {
		t.Errorf("%q", to)
	}
}
