package proxy

import (
	"bytes"
	"io"
	"net/http"
	"sync"
)

// bodies are the readers of a call's body that transports have got.
type bodies struct {
	mu     sync.Mutex
	lent   []*lentBody
	closed bool
}

// lend is a reader of the body for a transport.
func (b *bodies) lend(body []byte) io.ReadCloser {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := &lentBody{}
	if l.rest.Reset(body); b.closed {
		l.closed = true
	}
	b.lent = append(b.lent, l)
	return l
}

// close lets none of them be read any more.
func (b *bodies) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for _, l := range b.lent {
		_ = l.Close() // which has no error
	}
}

// lentBody is a reader that can be taken back, also in the middle of a Read. It writes itself nowhere: that could not
// be taken back.
type lentBody struct {
	mu     sync.Mutex
	rest   bytes.Reader
	closed bool
}

// Read implements io.Reader.
func (l *lentBody) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	return l.rest.Read(p)
}

// Close implements io.Closer.
func (l *lentBody) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.rest.Reset(nil)
	return nil
}

// Lend is a reader of a body for a transport, and takeBack what has to be called before the body is used for anything
// else: see Call.Close.
func Lend(body []byte) (reader io.ReadCloser, takeBack func()) {
	l := &lentBody{}
	l.rest.Reset(body)
	return l, func() { _ = l.Close() }
}
