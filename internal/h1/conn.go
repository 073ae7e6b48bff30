package h1

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

// conn is a connection to a server, used by one call at a time.
type conn struct {
	net.Conn           // TLS, or raw
	raw       net.Conn // below it
	ear       *ear     // between the two; nil without TLS
	look      look
	transport *Transport
	to        place
	since     time.Time // when it became idle
	used      bool      // a call on it has been answered
	answered  bool      // bytes of the answer to this call have come
	deaf      bool      // the server has closed its ear before all was sent

	kept       *[]byte // nil, or what holds bytes that are read and not yet used:
	start, end int
	stop       func() bool // ends the watch over the call's context
	sending    *sending    // a body too long to be sent before the answer is read
}

// aLongTimeAgo is a deadline that ends every call.
var aLongTimeAgo = time.Unix(1, 0)

// call sends a request and reads the head of its answer. Whoever calls drops the connection on an error.
func (c *conn) call(r *http.Request) (*http.Response, error) {
	c.answered, c.sending = false, nil
	if r.Context().Done() != nil {
		c.stop = context.AfterFunc(r.Context(), c.interrupt)
	}
	unsent := c.send(r)
	if c.deaf = unsent != nil; c.deaf && !c.mayHear(unsent) {
		return nil, unsent
	}
	response, err := c.readHead(r)
	switch {
	case err == nil:
		c.used = true
		return response, nil
	case c.deaf:
		return nil, unsent
	default:
		return nil, err
	}
}

// mayHear says whether the server may have said why it does not want to hear the rest, and bounds the wait for it.
func (c *conn) mayHear(unsent error) bool {
	return isClosed(unsent) && c.raw.SetReadDeadline(time.Now().Add(lastWord)) == nil
}

// lastWord is how long the answer of a server that has closed its ear is waited for.
const lastWord = 500 * time.Millisecond

func (c *conn) interrupt() { _ = c.raw.SetDeadline(aLongTimeAgo) } // of a closed connection: it has ended then

// drop closes the connection for good.
func (c *conn) drop() {
	c.unwatch()
	c.release()
	_ = c.raw.Close() // nothing is lost with it, and a farewell in TLS could have to wait
}

// unwatch says whether the context of the call has not ended it.
func (c *conn) unwatch() bool {
	stop := c.stop
	c.stop = nil
	return stop == nil || stop()
}

// mayRepeat says whether a call that failed is made again: when it was the server that had closed a kept connection, and had
// answered nothing, and twice is as good as once.
func (c *conn) mayRepeat(r *http.Request, err error) bool {
	if !c.used || c.answered || r.Context().Err() != nil || !isClosed(err) {
		return false
	}
	if r.Body != nil && r.Body != http.NoBody && r.GetBody == nil {
		return false
	}
	switch r.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	_, said := r.Header["Idempotency-Key"]
	return said
}

// rewound is the request with its body at the beginning.
func rewound(r *http.Request) (*http.Request, error) {
	if r.GetBody == nil {
		return r, nil
	}
	body, err := r.GetBody()
	if err != nil {
		return nil, err
	}
	again := r.WithContext(r.Context())
	again.Body = body
	return again, nil
}

func isClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// buffers hold heads: of answers while they are read, and of requests with the beginning of their body.
var buffers = sync.Pool{New: func() any { return new(make([]byte, bufLen)) }}

// bufLen is what one TLS record holds.
const bufLen = 16 << 10

// more reads at least one byte more of a head, which has begun at start.
func (c *conn) more() error {
	if c.kept == nil {
		c.kept = buffers.Get().(*[]byte)
	}
	buf := *c.kept
	if c.end == len(buf) {
		if c.start == 0 {
			buf = append(buf, make([]byte, len(buf))...)
			*c.kept = buf
		}
		c.end = copy(buf, buf[c.start:c.end])
		c.start = 0
	}
	n, err := c.Read(buf[c.end:])
	if c.end += n; n > 0 {
		c.answered = true
		return nil
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}

// release gives back the buffer when all in it has been used, or is of no use.
func (c *conn) release() {
	if c.kept != nil && len(*c.kept) == bufLen {
		buffers.Put(c.kept)
	}
	c.kept, c.start, c.end = nil, 0, 0
}

// some reads into p what has been read already, or else from the connection; if it may not wait, what TLS has at hand.
func (c *conn) some(p []byte, wait bool) (int, error) {
	switch {
	case c.kept != nil:
		n := copy(p, (*c.kept)[c.start:c.end])
		if c.start += n; c.start == c.end {
			c.release()
		}
		return n, nil
	case wait:
		return c.Read(p)
	case c.ear == nil:
		return 0, nil
	}
	c.ear.covered = true
	n, err := c.Read(p)
	c.ear.covered = false
	if errors.Is(err, errCovered) {
		err = nil
	}
	return n, err
}

// ear is what TLS reads from. While it is covered TLS gives only what it has read before: a server's records often come many
// at once, and each Read gives one.
type ear struct {
	net.Conn
	covered bool
}

// Read implements net.Conn.
func (e *ear) Read(p []byte) (int, error) {
	if e.covered {
		return 0, errCovered
	}
	return e.Conn.Read(p)
}

// errCovered says that TLS would have to wait. crypto/tls goes on after an error that is temporary, in the midst of a record
// too, as it does after a deadline.
var errCovered error = coveredError{}

type coveredError struct{}

func (coveredError) Error() string   { return "h1: nothing more is at hand" }
func (coveredError) Timeout() bool   { return true }
func (coveredError) Temporary() bool { return true }
