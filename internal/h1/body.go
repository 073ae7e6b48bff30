package h1

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
)

// body is what follows a head. A Read returns what has come, and waits only when nothing has: an event is not kept back until
// the next one has come as well. It may be closed while it is read.
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
func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	c, ended := b.conn, b.ended
	b.mu.Unlock()
	if ended != nil || len(p) == 0 {
		return 0, ended
	}
	for {
		n, err := b.take(c, p)
		if err != nil {
			err = b.finish(err)
		}
		switch {
		case n > 0:
			return n, nil // and the error comes with the next
		case err != nil:
			return 0, err
		}
	}
}

// take reads once. io.EOF is the end of the body, whatever came before it.
func (b *body) take(c *conn, p []byte) (int, error) {
	if b.form == counted {
		p = p[:min(int64(len(p)), b.left)]
	}
	n, err := c.some(p)
	switch b.form {
	case untilClosed:
		return n, err
	case chunked:
		var surplus bool
		var refused error
		if n, surplus, refused = b.chunks.decode(p[:n]); refused != nil {
			if surplus {
				b.unkeep()
			}
			return n, refused
		}
	default:
		if b.left -= int64(n); b.left == 0 {
			return n, io.EOF
		}
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
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
