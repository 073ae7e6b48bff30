package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"sync"
)

// What a handler writes of a stream between two flushes goes to the kernel in one piece. net/http itself writes the frames of
// a chunk, and what is longer than its 4 KB buffer, one by one: three writes for a flush of 16 KB, each as dear as
// translating the events in it.

// corkListener accepts connections that can hold back what is written. One of TLS is passed on as it is: net/http looks for
// it.
type corkListener struct{ net.Listener }

// Accept implements net.Listener.
func (l corkListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if _, ok := c.(*tls.Conn); ok {
		return c, nil
	}
	return &corkConn{Conn: c}, nil
}

// corkConn is a connection of a client.
type corkConn struct {
	net.Conn

	mu      sync.Mutex
	corked  bool
	waiting *[]byte // nil when nothing waits
}

// corkRoom is how much waits at most, in bytes.
const corkRoom = 64 << 10

var corkBuffers = sync.Pool{New: func() any { return new(make([]byte, 0, corkRoom)) }}

// cork holds back what is written, until uncork.
func (c *corkConn) cork() {
	c.mu.Lock()
	c.corked = true
	c.mu.Unlock()
}

// Write implements net.Conn.
func (c *corkConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.corked {
		return c.Conn.Write(p)
	}
	if c.waiting != nil && len(*c.waiting)+len(p) > corkRoom {
		if err := c.write(); err != nil {
			return 0, err
		}
	}
	if len(p) >= corkRoom {
		return c.Conn.Write(p)
	}
	if c.waiting == nil {
		c.waiting = corkBuffers.Get().(*[]byte)
	}
	*c.waiting = append(*c.waiting, p...)
	return len(p), nil
}

// uncork writes what waits, and lets pass what comes.
func (c *corkConn) uncork() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.corked = false
	if c.waiting == nil {
		return nil
	}
	return c.write()
}

func (c *corkConn) write() error {
	waiting := c.waiting
	c.waiting = nil
	_, err := c.Conn.Write(*waiting)
	*waiting = (*waiting)[:0]
	corkBuffers.Put(waiting)
	return err
}

// CloseWrite lets net/http end a connection on which a client still writes without losing what it was answered.
func (c *corkConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// corkKey is that of a request's connection: net/http has no other way to tell a handler which it is.
type corkKey struct{}

// withCork is the ConnContext of a server.
func withCork(ctx context.Context, conn net.Conn) context.Context {
	if c, ok := conn.(*corkConn); ok {
		return context.WithValue(ctx, corkKey{}, c)
	}
	return ctx
}

// corkedWriter holds back what is written of a stream until it is flushed.
type corkedWriter struct {
	http.ResponseWriter
	conn   *corkConn
	begun  bool
	stream bool
}

// corkedWriters gives handlers corkedWriters.
func corkedWriters(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, ok := r.Context().Value(corkKey{}).(*corkConn)
		if !ok {
			next.ServeHTTP(w, r)
			return
		}
		corked := &corkedWriter{ResponseWriter: w, conn: conn}
		defer corked.release()
		next.ServeHTTP(corked, r)
	})
}

// Write implements http.ResponseWriter.
func (w *corkedWriter) Write(p []byte) (int, error) {
	if !w.begun {
		w.begun = true
		kind := w.Header()["Content-Type"]
		w.stream = len(kind) == 1 && (strings.HasPrefix(kind[0], "text/event-stream") || strings.HasPrefix(kind[0], "application/vnd.amazon.eventstream"))
	}
	if w.stream {
		w.conn.cork()
	}
	return w.ResponseWriter.Write(p)
}

// FlushError is what http.ResponseController flushes with.
func (w *corkedWriter) FlushError() error {
	err := http.NewResponseController(w.ResponseWriter).Flush()
	if late := w.conn.uncork(); err == nil {
		err = late
	}
	return err
}

// Flush implements http.Flusher.
func (w *corkedWriter) Flush() { _ = w.FlushError() } // which who wants its error calls

// Hijack implements http.Hijacker.
func (w *corkedWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if err := w.conn.uncork(); err != nil {
		return nil, nil, err
	}
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

// Unwrap lets http.ResponseController reach the connection.
func (w *corkedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// release ends it with its request: what net/http still has of the answer it writes itself.
func (w *corkedWriter) release() {
	if w.stream {
		_ = w.conn.uncork() // who wanted to know of an error has flushed
	}
}
