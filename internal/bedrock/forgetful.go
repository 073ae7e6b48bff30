package bedrock

import (
	"io"
	"net/http"
	"sync"
	"time"

	"outcrop/internal/h1"
)

// forgetful is net/http's transport for HTTP/2, which holds on to a request as long as its answer is read: what the request
// says is let go when it has been sent and is answered. Of ten thousand open streams each would keep a whole conversation.
type forgetful struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (f forgetful) RoundTrip(r *http.Request) (*http.Response, error) { return f.RoundTripWithin(r, 0) }

// RoundTripWithin is h1.RoundTripWithin.
func (f forgetful) RoundTripWithin(r *http.Request, connect time.Duration) (*http.Response, error) {
	if r.GetBody == nil || r.Body == nil {
		return h1.RoundTripWithin(f.RoundTripper, r, connect)
	}
	again := &rewinder{get: r.GetBody}
	own := r.WithContext(r.Context())
	own.Body, own.GetBody = &onceRead{inner: r.Body}, again.body
	response, err := h1.RoundTripWithin(f.RoundTripper, own, connect)
	again.forget()
	return response, err
}

// CloseIdleConnections closes the connections that no call uses.
func (f forgetful) CloseIdleConnections() {
	if idle, ok := f.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		idle.CloseIdleConnections()
	}
}

// rewinder gives a body anew, as long as there is no answer.
type rewinder struct {
	mu  sync.Mutex
	get func() (io.ReadCloser, error)
}

func (w *rewinder) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.get = nil
}

func (w *rewinder) body() (io.ReadCloser, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.get == nil {
		return nil, http.ErrBodyReadAfterClose
	}
	inner, err := w.get()
	if err != nil {
		return nil, err
	}
	return &onceRead{inner: inner}, nil
}

// onceRead is a body that is let go at its end, or when it is closed.
type onceRead struct {
	mu    sync.Mutex
	inner io.ReadCloser
}

// Read implements io.Reader.
func (b *onceRead) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, err := b.inner.Read(p)
	if err == io.EOF {
		b.inner = http.NoBody
	}
	return n, err
}

// Close implements io.Closer.
func (b *onceRead) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	inner := b.inner
	b.inner = http.NoBody // net/http reads no more of what it has closed
	return inner.Close()
}
