package redistest

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
)

// Wire is a way to a server that can be cut. It ends with the test.
type Wire struct {
	// Address is where it begins.
	Address string

	to    string
	mu    sync.Mutex
	cut   bool
	deaf  bool
	conns map[net.Conn]struct{}
}

// NewWire returns a way to the server.
func NewWire(t testing.TB, s *Server) *Wire {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &Wire{Address: l.Addr().String(), to: s.Address, conns: map[net.Conn]struct{}{}}
	var ended sync.WaitGroup
	ended.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			ended.Go(func() { w.carry(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		w.Cut()
		ended.Wait()
	})
	return w
}

// URL leads through the wire.
func (w *Wire) URL() string { return "redis://" + w.Address }

// Cut closes all connections, and those that come.
func (w *Wire) Cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = true
	for c := range w.conns {
		end(c)
	}
}

// Deafen lets all through to the server, and no answer back.
func (w *Wire) Deafen() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deaf = true
}

// Mend ends Cut and Deafen, for new connections.
func (w *Wire) Mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		end(c)
	}
	w.cut, w.deaf = false, false
}

func (w *Wire) carry(near net.Conn) {
	defer end(near)
	far, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", w.to)
	if err != nil || !w.add(near, far) {
		return
	}
	defer end(far)
	defer w.remove(near, far)
	go w.copy(far, near, false)
	w.copy(near, far, true)
}

// copy carries bytes until one side ends; answers only while the wire is not deaf.
func (w *Wire) copy(to, from net.Conn, answers bool) {
	defer end(to)
	defer end(from)
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		w.mu.Lock()
		drop := answers && w.deaf
		w.mu.Unlock()
		if drop {
			continue
		}
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}

func (w *Wire) add(conns ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut {
		for _, c := range conns {
			end(c)
		}
		return false
	}
	for _, c := range conns {
		w.conns[c] = struct{}{}
	}
	return true
}

func (w *Wire) remove(conns ...net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range conns {
		delete(w.conns, c)
	}
}

// end closes a connection: what is under way is lost, as it should be.
func end(c io.Closer) { c.Close() }
