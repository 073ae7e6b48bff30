package telemetry

import (
	"cmp"
	"context"
	"log/slog"
	"regexp"
	"sync"
	"time"

	"outcrop/internal/usage"
)

// PromptLogOptions make a PromptLog.
type PromptLogOptions struct {
	// File is written to, and begun anew when it is renamed; "-" is the standard output.
	File string
	// Blacklist and Allowlist are patterns of the names of headers that are left out, or alone logged; a name that
	// matches as a whole, in either case, is meant. Without Allowlist every header is logged that the Blacklist does
	// not name. Credentials are not among the headers of an Entry.
	Blacklist, Allowlist []string
	Log                  *slog.Logger
	// Queue is how much may wait to be written, in bytes; 0 is DIAL's 128 MiB.
	Queue int
	// Size is when a file is full, in bytes, and Files how many full ones, and those of days past, are kept: 0 is
	// DIAL's 1 GB and 10.
	Size  int64
	Files int
	now   func() time.Time
}

const (
	promptQueue = 128 << 20
	promptSize  = 1 << 30
	promptFiles = 10
	// complaintEvery is how often the log is told that entries are lost.
	complaintEvery = time.Minute
)

// PromptLog is DIAL's log of what was said: one JSON object in a line for each request. A request never waits for
// it: what it cannot hold, or write, is dropped and counted.
type PromptLog struct {
	options PromptLogOptions
	headers headerFilter
	file    promptFile

	mu      sync.Mutex
	waiting []usage.Entry
	held    int // bytes of waiting, and of what is being written
	closed  bool
	wake    chan struct{}
	done    chan struct{}

	written, dropped, failed, bytes uint64 // under mu
	complained                      time.Time
	silent                          uint64 // losses since then
}

// PromptLogStats are counts since the start, and what waits now.
type PromptLogStats struct {
	Written, Bytes uint64
	// Dropped found no room, Failed could not be written.
	Dropped, Failed uint64
	Waiting         int // bytes
}

// OpenPromptLog opens the file, or makes it. Its error names the file, or the pattern that is none.
func OpenPromptLog(o PromptLogOptions) (*PromptLog, error) {
	o.Queue, o.Size, o.Files = cmp.Or(o.Queue, promptQueue), cmp.Or(o.Size, promptSize), cmp.Or(o.Files, promptFiles)
	if o.now == nil {
		o.now = time.Now
	}
	p := &PromptLog{options: o, wake: make(chan struct{}, 1), done: make(chan struct{})}
	var err error
	if p.headers, err = newHeaderFilter(o.Blacklist, o.Allowlist); err != nil {
		return nil, err
	}
	p.file = promptFile{name: o.File, most: o.Size, keep: o.Files, now: o.now}
	if err := p.file.open(); err != nil {
		return nil, err
	}
	go p.run()
	return p, nil
}

// Record takes an Entry that has a Talk; what that refers to must not change any more. It does not wait.
func (p *PromptLog) Record(e usage.Entry) {
	if e.Talk == nil {
		return
	}
	size := weightOf(&e)
	p.mu.Lock()
	if p.closed || p.held+size > p.options.Queue {
		p.dropped++
		complaint := p.lost("no room")
		p.mu.Unlock()
		complaint()
		return
	}
	p.held += size
	p.waiting = append(p.waiting, e)
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// weightOf is what an Entry takes while it waits, in bytes.
func weightOf(e *usage.Entry) int {
	const rest = 2048 // the Entry itself, ids and names
	n := rest + len(e.Talk.Request) + len(e.Talk.Response)
	for name, values := range e.Talk.Headers {
		n += len(name)
		for _, v := range values {
			n += len(v)
		}
	}
	return n
}

// Stats are its counts.
func (p *PromptLog) Stats() PromptLogStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return PromptLogStats{p.written, p.bytes, p.dropped, p.failed, p.held}
}

// Close writes what waits, and closes the file. It returns the context's error when that takes too long; what is
// recorded from then on is dropped.
func (p *PromptLog) Close(ctx context.Context) error {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		close(p.wake)
	}
	p.mu.Unlock()
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run writes until Close.
func (p *PromptLog) run() {
	defer close(p.done)
	var batch []usage.Entry
	var line []byte
	for range p.wake {
		batch, line = p.drain(batch, line)
	}
	p.drain(batch, line)
	if err := p.file.close(); err != nil {
		p.options.Log.Warn("the prompt log is not closed as it should be", "error", err)
	}
}

// maxKept is the longest buffer that is kept for the next line.
const maxKept = 1 << 20

// drain writes what waits now. It returns its two buffers.
func (p *PromptLog) drain(batch []usage.Entry, line []byte) (emptied []usage.Entry, buffer []byte) {
	p.mu.Lock()
	batch, p.waiting = p.waiting, batch[:0]
	p.mu.Unlock()
	for i := range batch {
		line = p.headers.line(line[:0], &batch[i])
		err := p.file.write(line)
		p.wrote(weightOf(&batch[i]), len(line), err)
		batch[i] = usage.Entry{}
		if cap(line) > maxKept {
			line = nil
		}
	}
	return batch, line
}

// wrote counts a line.
func (p *PromptLog) wrote(weight, length int, err error) {
	p.mu.Lock()
	p.held -= weight
	complaint := func() {}
	if err == nil {
		p.written++
		p.bytes += uint64(length)
	} else {
		p.failed++
		complaint = p.lost(err.Error())
	}
	p.mu.Unlock()
	complaint()
}

// lost counts an entry that is lost, and returns what tells so in the log, which a minute long does nothing after that.
func (p *PromptLog) lost(why string) (complain func()) {
	p.silent++
	now := p.options.now()
	if !p.complained.IsZero() && now.Sub(p.complained) < complaintEvery {
		return func() {}
	}
	lost := p.silent
	p.complained, p.silent = now, 0
	return func() {
		p.options.Log.Error("entries of the prompt log are lost", "lost", lost, "file", p.options.File, "error", why)
	}
}

// headerFilter says which headers are logged.
type headerFilter struct{ block, allow []*regexp.Regexp }

func newHeaderFilter(block, allow []string) (f headerFilter, err error) {
	if f.block, err = patterns(block); err == nil {
		f.allow, err = patterns(allow)
	}
	return f, err
}

func patterns(texts []string) ([]*regexp.Regexp, error) {
	if texts == nil {
		return nil, nil
	}
	all := make([]*regexp.Regexp, 0, len(texts))
	for _, text := range texts {
		pattern, err := regexp.Compile(`(?i)\A(?:` + text + `)\z`)
		if err != nil {
			return nil, err
		}
		all = append(all, pattern)
	}
	return all, nil
}

// logs says whether a header of that name is logged.
func (f headerFilter) logs(name string) bool {
	match := func(all []*regexp.Regexp) bool {
		for _, pattern := range all {
			if pattern.MatchString(name) {
				return true
			}
		}
		return false
	}
	return !match(f.block) && (f.allow == nil || match(f.allow))
}
