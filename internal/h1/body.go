package h1

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
)

// body is what follows a head. A Read returns all that has come, as far as it has room, and waits only when nothing has: an
// event is not kept back until the next one has come as well. It may be closed while it is read.
type body struct {
	ctx    context.Context
	form   form
	left   int64  // bytes, of a counted one
	chunks chunks // of a chunked one

	mu    sync.Mutex
	conn  *conn // nil when it has been let go of
	keep  bool  // the connection is good for another call
	ended error // what every further Read returns
}

// form is how the end of a body is known.
type form uint8

const (
	counted form = iota
	chunked
	untilClosed
)

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) { return b.read(p, true) }

// ReadNow is a Read that never waits: 0 without an error says that nothing more is at hand. Of a connection without TLS it
// knows only what came along with the head.
func (b *body) ReadNow(p []byte) (int, error) { return b.read(p, false) }

// read fills p with what is at hand, and waits for the first of it if it may.
func (b *body) read(p []byte, wait bool) (n int, err error) {
	b.mu.Lock()
	c, ended := b.conn, b.ended
	b.mu.Unlock()
	if ended != nil {
		return 0, ended
	}
	for n < len(p) {
		content, raw, err := b.take(c, p[n:], wait && n == 0)
		n += content
		switch {
		case err != nil:
			if err = b.finish(err); n > 0 {
				err = nil // it comes with the next
			}
			return n, err
		case raw == 0 && (n > 0 || !wait):
			return n, nil
		}
	}
	return n, nil
}

// take reads once, so many bytes with so many of content. io.EOF is the end of the body, whatever came before it.
func (b *body) take(c *conn, p []byte, wait bool) (content, raw int, err error) {
	if b.form == counted {
		p = p[:min(int64(len(p)), b.left)]
	}
	n, err := c.some(p, wait)
	content = n
	switch b.form {
	case untilClosed:
		return n, n, err
	case chunked:
		var surplus bool
		var refused error
		if content, surplus, refused = b.chunks.decode(p[:n]); refused != nil {
			if surplus {
				b.unkeep()
			}
			return content, n, refused
		}
	default:
		if b.left -= int64(n); b.left == 0 {
			return n, n, io.EOF
		}
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return content, n, err
}

func (b *body) unkeep() {
	b.mu.Lock()
	b.keep = false
	b.mu.Unlock()
}

// finish lets go of the connection: for another call when all has been read, for good otherwise.
func (b *body) finish(why error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.conn
	if b.conn = nil; c == nil {
		return b.ended
	}
	whole := errors.Is(why, io.EOF)
	if !whole {
		why = ended(b.ctx, why)
	}
	b.ended = why
	if whole && b.keep && !c.deaf && c.kept == nil && c.sending.whole() && c.unwatch() {
		c.transport.put(c)
		return why
	}
	c.abandon()
	return why
}

// errClosed is what a Read says that a Close came over.
var errClosed = errors.New("h1: read on a closed body")

// Close implements io.Closer. A body that was not read to its end takes its connection along.
func (b *body) Close() error {
	_ = b.finish(errClosed) // it is why further reads fail
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = http.ErrBodyReadAfterClose
	return nil
}

// abandon closes a connection on which another goroutine may still be reading: its buffer is left to the collector.
func (c *conn) abandon() {
	c.unwatch()
	_ = c.raw.Close() // nothing is lost with it
}
