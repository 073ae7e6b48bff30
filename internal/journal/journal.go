package journal

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A journal is a directory of segments, NUMBER.journal, each of which is records one after the other:
//
//	4 bytes   length of the data, little endian
//	4 bytes   CRC-32C of the data
//	the data
//
// One write(2) appends a record, so a process that is killed leaves all that it has appended, and at most the beginning
// of one more. What the machine loses when it goes down is what was written in the second before (Options.Sync).

const (
	suffix     = ".journal"
	headerSize = 8
	// maxRecord is the longest data of a record, in bytes; more is a sign of a broken length.
	maxRecord = 16 << 20
	// segmentSize is how long a segment grows, in bytes, before the next one begins.
	segmentSize = 16 << 20
	usualSync   = time.Second
)

// Options of a Journal; all may be left out.
type Options struct {
	// Segment is how long a segment grows, in bytes; 0 is 16 MiB.
	Segment int64
	// Sync is how often what was written is made to last over a failure of the machine; 0 is a second, below 0 never.
	Sync time.Duration
}

// Journal is an Outbox in a directory of this process alone. It is safe for concurrent use.
type Journal struct {
	dir     string
	options Options
	lock    *os.File
	id      string

	mu       sync.Mutex
	file     *os.File // the last segment
	number   uint64
	size     int64
	torn     bool // the end is a record that could not be written whole
	dirty    bool
	came     chan struct{} // closed when there is another record
	closed   bool
	damaged  int // records that could not be read
	stopSync chan struct{}
	synced   sync.WaitGroup
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrClosed is the error of a journal that is closed.
var ErrClosed = errors.New("the journal is closed")

// Open opens the journal of a directory, which it makes if it is not there. The end of a record that a killed process
// has not finished is cut off.
func Open(dir string, o Options) (*Journal, error) {
	if o.Segment == 0 {
		o.Segment = segmentSize
	}
	if o.Sync == 0 {
		o.Sync = usualSync
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("the directory of the journal: %w", err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	j := &Journal{dir: dir, options: o, lock: lock, came: make(chan struct{}), stopSync: make(chan struct{})}
	if err := errors.Join(j.identify(), j.openLast()); err != nil {
		_ = lock.Close()
		return nil, err
	}
	if o.Sync > 0 {
		j.synced.Go(j.keepSynced)
	}
	return j, nil
}

// lockDir keeps other processes away.
func lockDir(dir string) (*os.File, error) {
	path := filepath.Join(dir, "lock")
	lock, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the lock of the journal: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("another process uses %s (it holds %s): give each its own directory", dir, path)
	}
	return lock, nil
}

// identify reads the journal's name, or gives it one.
func (j *Journal) identify() error {
	path := filepath.Join(j.dir, "id")
	name, err := os.ReadFile(path)
	if err == nil && len(name) > 0 {
		j.id = string(name)
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	j.id = "journal:" + strconv.FormatInt(time.Now().UnixNano(), 36)
	file, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(j.id)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil { // another name would have all counted again
		return err
	}
	return os.Rename(path+".new", path)
}

// ID implements Outbox.
func (j *Journal) ID() string { return j.id }

// segments are the numbers of the segments that there are, in order.
func (j *Journal) segments() ([]uint64, error) {
	entries, err := os.ReadDir(j.dir)
	if err != nil {
		return nil, err
	}
	var numbers []uint64
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), suffix)
		if !ok {
			continue
		}
		if n, err := strconv.ParseUint(name, 10, 64); err == nil {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

func (j *Journal) path(number uint64) string {
	return filepath.Join(j.dir, fmt.Sprintf("%012d%s", number, suffix))
}

// openLast begins a segment behind the last one, whose end is cut off behind its last whole record. It is another
// segment, since the machine may have lost an end that somebody has read: no position is given twice.
func (j *Journal) openLast() error {
	numbers, err := j.segments()
	if err != nil {
		return err
	}
	last, empty := uint64(0), false
	if len(numbers) > 0 {
		last = numbers[len(numbers)-1]
		if empty, err = cutEnd(j.path(last)); err != nil {
			return fmt.Errorf("%s: %w", j.path(last), err)
		}
	}
	j.number = last + 1
	if j.file, err = os.OpenFile(j.path(j.number), os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o600); err != nil {
		return err
	}
	if err := j.syncDir(); err != nil || !empty {
		return err
	}
	return os.Remove(j.path(last)) // the next one has its place by now
}

// cutEnd cuts off what comes after the last whole record, and says whether nothing is left.
func cutEnd(path string) (empty bool, err error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return false, err
	}
	whole, err := wholeSize(file)
	if err == nil {
		err = file.Truncate(whole)
	}
	return whole == 0, errors.Join(err, file.Sync(), file.Close())
}

// syncDir makes it last which segments there are.
func (j *Journal) syncDir() error {
	dir, err := os.Open(j.dir)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// wholeSize is where the last record ends that a reader can reach.
func wholeSize(file *os.File) (int64, error) {
	data, err := io.ReadAll(file)
	if err != nil {
		return 0, err
	}
	at := 0
	for {
		_, next, ok := record(data, at)
		if !ok {
			if next = resume(data, at); next < 0 {
				return int64(at), nil
			}
		}
		at = next
	}
}

// record is the data of the record that begins there, and where it ends.
func record(data []byte, at int) (payload []byte, next int, ok bool) {
	if len(data)-at < headerSize {
		return nil, 0, false
	}
	length := int(binary.LittleEndian.Uint32(data[at:]))
	if length > maxRecord || len(data)-at-headerSize < length {
		return nil, 0, false
	}
	payload = data[at+headerSize : at+headerSize+length]
	if crc32.Checksum(payload, castagnoli) != binary.LittleEndian.Uint32(data[at+4:]) || length == 0 {
		return nil, 0, false
	}
	return payload, at + headerSize + length, true
}

// resume is where the next good record begins after a broken one, -1 when there is none.
func resume(data []byte, at int) int {
	for next := at + 1; next+headerSize < len(data); next++ {
		if _, _, ok := record(data, next); ok {
			return next
		}
	}
	return -1
}

// Append adds a record. When the disk takes no more nothing of it is left, and it can be tried again.
func (j *Journal) Append(data []byte) error {
	if len(data) == 0 || len(data) > maxRecord {
		return fmt.Errorf("a record of %d bytes cannot be kept", len(data))
	}
	buf := make([]byte, headerSize, headerSize+len(data))
	binary.LittleEndian.PutUint32(buf, uint32(len(data)))
	binary.LittleEndian.PutUint32(buf[4:], crc32.Checksum(data, castagnoli))
	buf = append(buf, data...)
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return ErrClosed
	}
	if err := j.room(); err != nil {
		return err
	}
	if _, err := j.file.Write(buf); err != nil {
		j.torn = true
		return fmt.Errorf("the journal cannot be written: %w", errors.Join(err, j.mend()))
	}
	j.size += int64(len(buf))
	j.dirty = true
	close(j.came)
	j.came = make(chan struct{})
	return nil
}

// mend cuts off a record that was not written whole.
func (j *Journal) mend() error {
	if !j.torn {
		return nil
	}
	if err := j.file.Truncate(j.size); err != nil {
		return err
	}
	if _, err := j.file.Seek(j.size, io.SeekStart); err != nil {
		return err
	}
	j.torn = false
	return nil
}

// room begins the next segment when the last is long enough.
func (j *Journal) room() error {
	if err := j.mend(); err != nil {
		return fmt.Errorf("the journal cannot be written: %w", err)
	}
	if j.size < j.options.Segment {
		return nil
	}
	next, err := os.OpenFile(j.path(j.number+1), os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("the journal cannot be written: %w", err)
	}
	_ = j.file.Sync() // its end is as good as it will be
	_ = j.file.Close()
	j.file, j.number, j.size = next, j.number+1, 0
	return j.syncDir()
}

// keepSynced makes what was written last, until the journal is closed.
func (j *Journal) keepSynced() {
	tick := time.NewTicker(j.options.Sync)
	defer tick.Stop()
	for {
		select {
		case <-j.stopSync:
			return
		case <-tick.C:
		}
		j.mu.Lock()
		file, dirty := j.file, j.dirty
		j.dirty = false
		j.mu.Unlock()
		if dirty {
			_ = file.Sync() // a file that cannot be synced cannot be written either, which Append tells
		}
	}
}

// End is the position after all that has been appended.
func (j *Journal) End() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return position(j.number, j.size)
}

func position(number uint64, at int64) string {
	return strconv.FormatUint(number, 10) + ":" + strconv.FormatInt(at, 10)
}

// place reads a position, "" is the beginning.
func place(text string) (number uint64, at int64, err error) {
	if text == "" {
		return 0, 0, nil
	}
	segment, offset, _ := strings.Cut(text, ":")
	number, err = strconv.ParseUint(segment, 10, 64)
	if err == nil {
		at, err = strconv.ParseInt(offset, 10, 64)
	}
	if err != nil || at < 0 {
		return 0, 0, fmt.Errorf("%.40q is no position in a journal", text)
	}
	return number, at, nil
}

// Read implements Outbox. A record that is damaged is left out, and counted.
func (j *Journal) Read(ctx context.Context, after string, most int) ([]Note, error) {
	number, at, err := place(after)
	if err != nil {
		return nil, err
	}
	for {
		j.mu.Lock()
		came, closed := j.came, j.closed
		j.mu.Unlock()
		notes, err := j.read(number, at, most)
		if err != nil || len(notes) > 0 || closed {
			return notes, err
		}
		select {
		case <-came:
		case <-ctx.Done():
			return nil, nil
		}
	}
}

// read gives what there is now.
func (j *Journal) read(number uint64, at int64, most int) (notes []Note, err error) {
	numbers, err := j.segments()
	if err != nil {
		return nil, err
	}
	for _, n := range numbers {
		if n < number {
			continue
		}
		from := int64(0)
		if n == number {
			from = at
		}
		if notes, err = j.readSegment(notes, n, from, most); err != nil || len(notes) >= most {
			return notes, err
		}
	}
	return notes, nil
}

func (j *Journal) readSegment(notes []Note, number uint64, from int64, most int) ([]Note, error) {
	file, err := os.Open(j.path(number))
	if errors.Is(err, fs.ErrNotExist) { // trimmed in this moment
		return notes, nil
	}
	if err != nil {
		return notes, err
	}
	defer func() { _ = file.Close() }() // it was only read
	j.mu.Lock()
	last, end := number == j.number, j.size
	j.mu.Unlock()
	if !last {
		info, err := file.Stat()
		if err != nil {
			return notes, err
		}
		end = info.Size()
	}
	if from >= end {
		return notes, nil
	}
	data := make([]byte, end-from)
	if _, err := file.ReadAt(data, from); err != nil {
		return notes, err
	}
	for at := 0; at < len(data) && len(notes) < most; {
		payload, next, ok := record(data, at)
		if !ok {
			if next = resume(data, at); next < 0 {
				break
			}
			j.mu.Lock()
			j.damaged++
			j.mu.Unlock()
			at = next
			continue
		}
		notes = append(notes, Note{position(number, from+int64(next)), payload})
		at = next
	}
	return notes, nil
}

// Damaged is how many records were left out because they could not be read.
func (j *Journal) Damaged() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.damaged
}

// Trim implements Outbox: it forgets the segments of which nothing is left to be read.
func (j *Journal) Trim(_ context.Context, upTo string) error {
	number, _, err := place(upTo)
	if err != nil {
		return err
	}
	numbers, err := j.segments()
	if err != nil {
		return err
	}
	for _, n := range numbers {
		if n >= number {
			break
		}
		if err := os.Remove(j.path(n)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Close ends the journal. What was appended lasts.
func (j *Journal) Close() error {
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return nil
	}
	j.closed = true
	close(j.came)
	j.mu.Unlock()
	close(j.stopSync)
	j.synced.Wait()
	return errors.Join(j.file.Sync(), j.file.Close(), j.lock.Close())
}

// Compare says which of two positions of one journal comes first. "" is before all.
func Compare(a, b string) int {
	numberA, atA, _ := place(a) // what is no position comes first as well
	numberB, atB, _ := place(b)
	return cmp.Or(cmp.Compare(numberA, numberB), cmp.Compare(atA, atB))
}
