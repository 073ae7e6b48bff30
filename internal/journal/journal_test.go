package journal

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func open(t testing.TB, dir string, o Options) *Journal {
	t.Helper()
	j, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

// all is what there is after a position.
func all(t testing.TB, o Outbox, after string) (texts []string, last string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for last = after; ; {
		notes, err := o.Read(ctx, last, 7)
		if err != nil {
			t.Fatal(err)
		}
		if len(notes) == 0 {
			return texts, last
		}
		for _, n := range notes {
			texts, last = append(texts, string(n.Data)), n.Position
		}
	}
}

func fill(t testing.TB, j *Journal, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if err := j.Append(fmt.Appendf(nil, "note %d", i)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestJournal(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{Segment: 100})
	fill(t, j, 0, 50)
	id := j.ID()
	texts, last := all(t, j, "")
	if len(texts) != 50 || texts[49] != "note 49" {
		t.Fatalf("%q", texts)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := j.Append([]byte("late")); err == nil {
		t.Error("a closed journal takes notes")
	}
	j = open(t, dir, Options{Segment: 100})
	fill(t, j, 50, 60)
	if more, _ := all(t, j, last); len(more) != 10 || more[0] != "note 50" || j.ID() != id {
		t.Errorf("%q, %s and %s", more, j.ID(), id)
	}
	before, _ := filepath.Glob(filepath.Join(dir, "*.journal"))
	if err := j.Trim(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	after, _ := filepath.Glob(filepath.Join(dir, "*.journal"))
	if rest, _ := all(t, j, last); len(rest) != 10 || len(after) >= len(before) {
		t.Errorf("%q, %d segments of %d", rest, len(after), len(before))
	}
}

// TestATornEnd: whatever part of a record a killed process has written, the rest is there and more can be added.
func TestATornEnd(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{})
	fill(t, j, 0, 3)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "000000000001.journal")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for cut := range len(whole) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(file)), whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		j, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		fill(t, j, 9, 10)
		want := strings.Repeat("x", cut/(len(whole)/3)) + "x"
		if texts, _ := all(t, j, ""); len(texts) != len(want) || texts[len(texts)-1] != "note 9" {
			t.Fatalf("cut at %d: %q", cut, texts)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNoPositionIsGivenTwice: what a reader has seen and the machine has lost does not hide what comes after.
func TestNoPositionIsGivenTwice(t *testing.T) {
	for _, left := range []int64{20, 3, 0} { // as after a power failure
		dir := t.TempDir()
		j := open(t, dir, Options{})
		fill(t, j, 0, 5)
		_, last := all(t, j, "")
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(filepath.Join(dir, "000000000001.journal"), left); err != nil {
			t.Fatal(err)
		}
		for range 3 { // which begins no segments that stay
			if err := open(t, dir, Options{}).Close(); err != nil {
				t.Fatal(err)
			}
		}
		j = open(t, dir, Options{})
		fill(t, j, 5, 8)
		if texts, _ := all(t, j, last); len(texts) != 3 || texts[0] != "note 5" {
			t.Errorf("%d bytes are left: %q", left, texts)
		}
		if files, _ := filepath.Glob(filepath.Join(dir, "*.journal")); len(files) > 2 {
			t.Errorf("%d bytes are left: %q", left, files)
		}
	}
}

// TestDamage: a record that is damaged in the middle costs itself alone, and is counted.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{})
	fill(t, j, 0, 9)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "000000000001.journal")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	data[bytes.Index(data, []byte("note 4"))] ^= 1
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	j = open(t, dir, Options{})
	if texts, _ := all(t, j, ""); len(texts) != 8 || strings.Contains(strings.Join(texts, ","), "note 4") || j.Damaged() == 0 {
		t.Errorf("%q, %d damaged", texts, j.Damaged())
	}
}

func TestOneProcessADirectory(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, Options{})
	if _, err := Open(dir, Options{}); err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "its own directory") {
		t.Error(err)
	}
}

func TestForeignPositions(t *testing.T) {
	j := open(t, t.TempDir(), Options{})
	for _, position := range []string{"x", "1", "1:", "1:-1", "-1:0", "9999999999999999999999:1"} {
		if _, err := j.Read(t.Context(), position, 1); err == nil {
			t.Errorf("%q is a position", position)
		}
	}
	if Compare("", "1:0") >= 0 || Compare("1:9", "1:10") >= 0 || Compare("2:0", "1:99") <= 0 || Compare("3:4", "3:4") != 0 {
		t.Error("positions are not in order")
	}
}

// TestAFullDisk: what does not fit is refused, nothing is damaged, and it goes on when there is room.
func TestAFullDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "small")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: no small disk can be mounted here, which takes root: %v %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() }) //nolint:noctx // the test's context is over
	j := open(t, dir, Options{})
	kept := 0
	for j.Append(bytes.Repeat([]byte{'a' + byte(kept%26)}, 1000)) == nil {
		if kept++; kept > 1000 {
			t.Fatal("the disk is not small")
		}
	}
	if err := j.Append(bytes.Repeat([]byte("z"), 1000)); err == nil || !strings.Contains(err.Error(), "journal") {
		t.Errorf("%v", err)
	}
	if texts, _ := all(t, j, ""); len(texts) != kept {
		t.Errorf("%d of %d", len(texts), kept)
	}
	if out, err := exec.CommandContext(t.Context(), "mount", "-o", "remount,size=1m", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	if err := j.Append([]byte("there is room")); err != nil {
		t.Error(err)
	}
	if texts, _ := all(t, j, ""); len(texts) != kept+1 || texts[kept] != "there is room" {
		t.Errorf("%d of %d", len(texts), kept+1)
	}
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x00abcdx"))
	f.Add(bytes.Repeat([]byte{0}, 100))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "000000000001.journal"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		j := open(t, dir, Options{Sync: -1})
		before, _ := all(t, j, "")
		if err := j.Append([]byte("more")); err != nil {
			t.Fatal(err)
		}
		if after, _ := all(t, j, ""); len(after) != len(before)+1 || after[len(after)-1] != "more" {
			t.Errorf("%q, then %q", before, after)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	j, note := open(b, b.TempDir(), Options{}), make([]byte, 300)
	b.ReportAllocs()
	for b.Loop() {
		if err := j.Append(note); err != nil {
			b.Fatal(err)
		}
	}
}
