//go:build faults

package faults

import (
	"bytes"
	"context"
	"io"
	"net"
	"regexp"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// breakage is how a wire breaks what it carries. The zero value carries all.
type breakage struct {
	// instead has a connection in place of the server. gone is closed when the other side has closed it.
	instead func(c *end)
	// at is how much of an answer passes before then: bytes behind its head, or with raw of the connection.
	at   int
	raw  bool
	then func(c *end, rest []byte) []byte // what passes of the rest; nil for nothing, ever
	once bool                             // what comes later passes
	// pace is how long the wire waits after each stretch of the answer.
	pace    time.Duration
	stretch int
}

// wire is a way to a server.
type wire struct {
	address string
	to      string
	l       net.Listener
	broken  atomic.Pointer[breakage]
	taken   atomic.Int64 // connections
	mu      sync.Mutex
	closed  bool
	open    map[net.Conn]struct{}
	ended   sync.WaitGroup
}

// newWire opens a way that is broken so; nil is one that is well. It ends with the test.
func newWire(t testing.TB, to string, b *breakage) *wire {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{address: l.Addr().String(), to: to, l: l, open: map[net.Conn]struct{}{}}
	w.broken.Store(b)
	w.ended.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			w.taken.Add(1)
			w.ended.Go(func() { w.carry(c.(*net.TCPConn)) })
		}
	})
	t.Cleanup(func() {
		w.close()
		w.ended.Wait()
	})
	return w
}

// close ends the way with all that is on it.
func (w *wire) close() {
	w.l.Close()
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.hangUp()
}

// hangUp ends the connections that there are.
func (w *wire) hangUp() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.open {
		drop(c)
	}
}

// reset does the same without a farewell.
func (w *wire) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.open {
		if err := c.(*net.TCPConn).SetLinger(0); err == nil {
			drop(c)
		}
	}
}

// keep remembers a connection until forget; false says that it is too late.
func (w *wire) keep(c net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open[c] = struct{}{}
	return !w.closed
}

func (w *wire) forget(c net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.open, c)
	drop(c)
}

// drop ends a connection, which is broken on purpose: whatever is said of that is no news.
func drop(c io.Closer) { _ = c.Close() }

// end is one end of a connection: the client's.
type end struct {
	*net.TCPConn
	gone <-chan struct{} // closed when the client has closed it; nil unless the wire carries
}

// rst ends it without a farewell.
func (c *end) rst() {
	if c.SetLinger(0) == nil {
		drop(c)
	}
}

// swallow reads until the client closes.
func (c *end) swallow() {
	buffer := make([]byte, 64<<10)
	for {
		if _, err := c.Read(buffer); err != nil {
			return
		}
	}
}

// hear reads what the client says first.
func (c *end) hear() {
	_, _ = c.Read(make([]byte, 64<<10)) // whatever it is
}

func (w *wire) carry(c *net.TCPConn) {
	defer w.forget(c)
	if !w.keep(c) {
		return
	}
	if b := w.broken.Load(); b != nil && b.instead != nil {
		b.instead(&end{TCPConn: c})
		return
	}
	other, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", w.to)
	if err != nil {
		return // the server is gone, and so is this
	}
	defer w.forget(other)
	if !w.keep(other) {
		return
	}
	gone := make(chan struct{})
	var there sync.WaitGroup
	there.Go(func() {
		defer close(gone)
		defer drop(other)
		w.forth(other, c)
	})
	(&answer{w: w, to: &end{c, gone}}).pass(other)
	drop(c)
	there.Wait()
}

// forth carries what the client says.
func (w *wire) forth(to, from net.Conn) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// answer is the way back of one connection.
type answer struct {
	w    *wire
	to   *end
	head []byte // as long as it has not ended
	body int    // bytes of it, or with raw of all, that have passed; -1 is none
	kept []byte // what passes in one piece before it breaks
	done bool   // what was to break is broken
}

func (a *answer) pass(from net.Conn) {
	a.body = -1
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && !a.write(buffer[:n]) {
			return
		}
		if err != nil {
			return
		}
	}
}

// write passes data on, as long as nothing is to break.
func (a *answer) write(data []byte) bool {
	b := a.w.broken.Load()
	if b == nil || a.done || b.then == nil && b.pace == 0 {
		_, err := a.to.Write(data)
		return err == nil
	}
	if b.pace > 0 {
		return a.drip(b, data)
	}
	whole := a.count(b, data) // bytes of data that pass as they are
	if whole < 0 && !b.raw {
		a.kept = append(a.kept, data...)
		return true
	}
	if whole < 0 {
		_, err := a.to.Write(data)
		return err == nil
	}
	a.done = true
	if b.once {
		a.w.broken.Store(nil)
	}
	if !a.lead(append(a.kept, data[:whole]...)) {
		return false
	}
	rest := b.then(a.to, data[whole:])
	if rest == nil {
		return false
	}
	_, err := a.to.Write(rest)
	return err == nil
}

// chunk is where a chunk of HTTP/1.1 begins behind another.
var chunk = regexp.MustCompile(`\r\n[0-9a-f]+\r\n`)

// lead writes what comes before the break, and gives the reader time to have all whole chunks of it: net/http's reader
// keeps them until the chunk is whole of which a part is there too.
func (a *answer) lead(data []byte) bool {
	at := 0
	for _, place := range chunk.FindAllIndex(data, -1) {
		at = place[0] + 2
	}
	if _, err := a.to.Write(data[:at]); err != nil {
		return false
	}
	if at > 0 {
		<-time.After(100 * time.Millisecond)
	}
	_, err := a.to.Write(data[at:])
	return err == nil
}

// count is where in data it breaks; -1 is not yet.
func (a *answer) count(b *breakage, data []byte) int {
	before := 0 // bytes of data that are not counted
	if a.body < 0 && b.raw {
		a.body = 0
	}
	if a.body < 0 {
		had := len(a.head)
		a.head = append(a.head, data...)
		i := bytes.Index(a.head, []byte("\r\n\r\n"))
		if i < 0 {
			return -1
		}
		a.body, before = 0, i+4-had
	}
	if a.body+len(data)-before > b.at {
		return before + b.at - a.body
	}
	a.body += len(data) - before
	return -1
}

func (a *answer) drip(b *breakage, data []byte) bool {
	for len(data) > 0 {
		n := min(b.stretch, len(data))
		if _, err := a.to.Write(data[:n]); err != nil {
			return false
		}
		data = data[n:]
		select {
		case <-a.to.gone:
			return false
		case <-time.After(b.pace):
		}
	}
	return true
}
