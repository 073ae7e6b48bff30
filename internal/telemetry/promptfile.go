package telemetry

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// promptFile is a file of lines, a new one every day and when it is full. The old ones have its name with the day and a
// number behind it: "prompts.log.2026-08-01.1". It is for one goroutine.
type promptFile struct {
	name string
	most int64
	keep int
	now  func() time.Time

	file   *os.File // nil when it could not be opened
	size   int64
	day    string // of what the file has
	looked time.Time
	torn   bool // it ends in a part of a line
}

// lookEvery is how often is looked whether the file has been renamed, as logrotate does.
const lookEvery = time.Second

// stdout says that lines go to the standard output, where nothing is renamed.
func (f *promptFile) stdout() bool { return f.name == "-" }

// open opens the file where it ends, or makes it: what was said is for its owner alone.
func (f *promptFile) open() error {
	if f.stdout() {
		f.file = os.Stdout
		return nil
	}
	file, err := os.OpenFile(f.name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("the prompt log cannot be opened: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("the prompt log cannot be opened: %w", err), file.Close())
	}
	f.file, f.size, f.torn = file, info.Size(), info.Size() > 0
	f.day = dayOf(f.now())
	if f.size > 0 {
		f.day = dayOf(info.ModTime())
	}
	return nil
}

func dayOf(t time.Time) string { return t.UTC().Format(time.DateOnly) }

func (f *promptFile) close() error {
	if f.file == nil || f.stdout() {
		return nil
	}
	file := f.file
	f.file = nil
	return file.Close()
}

// write adds a line, whole or not at all.
func (f *promptFile) write(line []byte) error {
	if err := f.ready(int64(len(line))); err != nil {
		return err
	}
	if f.torn { // of a process that was killed, perhaps
		f.torn = false
		if !f.endsWhole() {
			line = slices.Concat([]byte{'\n'}, line)
		}
	}
	n, err := f.file.Write(line)
	if err == nil {
		f.size += int64(n)
		return nil
	}
	if n > 0 && !f.stdout() {
		if f.file.Truncate(f.size) != nil {
			f.size, f.torn = f.size+int64(n), true
		}
	}
	return err
}

// endsWhole says whether the file ends in a whole line.
func (f *promptFile) endsWhole() bool {
	file, err := os.Open(f.name)
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }() // which was only read
	last := make([]byte, 1)
	_, err = file.ReadAt(last, f.size-1)
	return err == nil && last[0] == '\n'
}

// ready makes sure that there is a file with room for so much.
func (f *promptFile) ready(more int64) error {
	if f.stdout() {
		return nil
	}
	now := f.now()
	if f.file != nil && now.Sub(f.looked) >= lookEvery {
		f.looked = now
		if f.renamed() {
			_ = f.close() // somebody else's file by now
		}
	}
	if f.file != nil && f.size > 0 && (f.size+more > f.most || f.day != dayOf(now)) {
		if err := f.rotate(); err != nil {
			return err
		}
	}
	if f.file == nil {
		return f.open()
	}
	return nil
}

// renamed says whether the name is of another file now, or of none.
func (f *promptFile) renamed() bool {
	own, err := f.file.Stat()
	if err != nil {
		return true
	}
	named, err := os.Stat(f.name)
	return err != nil || !os.SameFile(own, named)
}

// rotate gives the file a name for good, and lets the oldest go that are too many.
func (f *promptFile) rotate() error {
	old, err := f.rotated()
	if err != nil {
		return err
	}
	number := 1
	for _, o := range old {
		if o.day == f.day {
			number = max(number, o.number+1)
		}
	}
	if err := f.close(); err != nil {
		return fmt.Errorf("the prompt log cannot be closed: %w", err)
	}
	to := f.name + "." + f.day + "." + strconv.Itoa(number)
	if err := os.Rename(f.name, to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the prompt log cannot be renamed: %w", err)
	}
	for _, o := range old[:max(0, len(old)+1-f.keep)] {
		if err := os.Remove(o.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("an old prompt log cannot be removed: %w", err)
		}
	}
	return nil
}

// rotatedFile is one that was full.
type rotatedFile struct {
	path, day string
	number    int
}

// rotated are the files that were, the oldest first.
func (f *promptFile) rotated() ([]rotatedFile, error) {
	entries, err := os.ReadDir(filepath.Dir(f.name))
	if err != nil {
		return nil, fmt.Errorf("the directory of the prompt log cannot be read: %w", err)
	}
	var all []rotatedFile
	for _, e := range entries {
		rest, ours := strings.CutPrefix(e.Name(), filepath.Base(f.name)+".")
		day, number, found := strings.Cut(rest, ".")
		n, err := strconv.Atoi(number)
		if _, bad := time.Parse(time.DateOnly, day); !ours || !found || err != nil || bad != nil {
			continue
		}
		all = append(all, rotatedFile{filepath.Join(filepath.Dir(f.name), e.Name()), day, n})
	}
	slices.SortFunc(all, func(a, b rotatedFile) int {
		if c := strings.Compare(a.day, b.day); c != 0 {
			return c
		}
		return a.number - b.number
	})
	return all, nil
}
