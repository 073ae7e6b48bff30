package h1

import (
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"time"
)

// Beside makes calls with a Transport, and those that it does not make with net/http's: through a proxy, of a body whose length
// is not known, those with trailers or an expectation, and those that ask for another protocol, such as a WebSocket's. They have the same
// settings, and each its own connections.
type Beside struct {
	own    *Transport
	theirs *http.Transport
	proxy  func(*http.Request) (*url.URL, error) // nil where there is none
}

// NewBeside takes over a transport of net/http's, with its Proxy, DialContext, TLSClientConfig, TLSHandshakeTimeout,
// IdleConnTimeout, MaxIdleConnsPerHost and MaxResponseHeaderBytes. It is not for one that speaks HTTP/2.
func NewBeside(t *http.Transport) *Beside {
	return &Beside{
		own: &Transport{
			Dial: t.DialContext, TLS: t.TLSClientConfig, HandshakeTimeout: t.TLSHandshakeTimeout,
			IdleTimeout: t.IdleConnTimeout, MaxIdle: t.MaxIdleConnsPerHost, MaxHead: int(t.MaxResponseHeaderBytes),
		},
		theirs: t,
		proxy:  t.Proxy,
	}
}

// RoundTrip implements http.RoundTripper.
func (b *Beside) RoundTrip(r *http.Request) (*http.Response, error) {
	return b.RoundTripWithin(r, 0)
}

// RoundTripWithin is that of Transport.
func (b *Beside) RoundTripWithin(r *http.Request, connect time.Duration) (*http.Response, error) {
	if b.isOwn(r) {
		return b.own.RoundTripWithin(r, connect)
	}
	return RoundTripWithin(b.theirs, r, connect)
}

func (b *Beside) isOwn(r *http.Request) bool {
	if r.ContentLength < 0 || r.ContentLength == 0 && r.Body != nil && r.Body != http.NoBody || len(r.Trailer) > 0 {
		return false
	}
	for _, name := range [...]string{"Upgrade", "Expect"} {
		if len(r.Header[name]) > 0 {
			return false
		}
	}
	if b.proxy == nil {
		return true
	}
	proxy, err := b.proxy(r)
	return proxy == nil && err == nil // net/http says what is wrong with it
}

// CloseIdleConnections closes the connections that no call uses.
func (b *Beside) CloseIdleConnections() {
	b.own.CloseIdleConnections()
	b.theirs.CloseIdleConnections()
}

// RoundTripWithin is Transport.RoundTripWithin for any transport that knows httptrace, as net/http's does, whose dialer may go
// on for the next call.
func RoundTripWithin(t http.RoundTripper, r *http.Request, connect time.Duration) (*http.Response, error) {
	if own, ok := t.(interface {
		RoundTripWithin(*http.Request, time.Duration) (*http.Response, error)
	}); ok {
		return own.RoundTripWithin(r, connect)
	}
	if connect <= 0 {
		return t.RoundTrip(r)
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	timer := time.AfterFunc(connect, func() { cancel(&ConnectTimeoutError{connect}) })
	done := func() {
		timer.Stop()
		cancel(nil)
	}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { timer.Stop() }})
	response, err := t.RoundTrip(r.WithContext(ctx))
	if err != nil {
		err = ended(ctx, err)
		done()
		return nil, err
	}
	response.Body = &releasing{response.Body, done}
	return response, nil
}

// releasing is a body at whose end something is released.
type releasing struct {
	io.ReadCloser
	done func()
}

// Close implements io.Closer.
func (b *releasing) Close() error {
	defer b.done()
	return b.ReadCloser.Close()
}
