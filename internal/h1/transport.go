package h1

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

// Transport implements http.RoundTripper. The zero value dials as net.Dialer does and has no bounds. Of the contract of
// net/http's it keeps these too: the body of a request may be read and closed after RoundTrip has returned, and a call on a
// kept connection that is closed without a word is made again when its method, or an Idempotency-Key among its headers (which
// may have no value, and is not sent then), says that twice is as good as once.
type Transport struct {
	// Dial opens a connection, a plain one: TLS is the transport's.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// TLS is the configuration for https, nil for the usual one. Its NextProtos are not used.
	TLS *tls.Config
	// HandshakeTimeout bounds a TLS handshake; 0 is not at all.
	HandshakeTimeout time.Duration
	// IdleTimeout is how long a connection is kept for the next call; 0 is for ever.
	IdleTimeout time.Duration
	// MaxIdle is how many of them are kept for one server; 0 is without bound.
	MaxIdle int
	// MaxHead is how long the head of an answer may be, in bytes; 0 is 1 MB.
	MaxHead int

	mu      sync.Mutex
	idle    map[place][]*conn // the one used last is the last
	sweeper *time.Timer       // nil while nothing is idle
	closing bool              // CloseIdleConnections was called, and nothing since: what becomes idle is closed
}

// place is a server that connections lead to.
type place struct{ scheme, address string }

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	return t.RoundTripWithin(r, 0)
}

// ConnectTimeoutError is the error of a call that has no connection in the time given.
type ConnectTimeoutError struct{ After time.Duration }

// Error implements error.
func (e *ConnectTimeoutError) Error() string {
	return fmt.Sprintf("h1: no connection within %v", e.After)
}

// Timeout makes it a net.Error's.
func (e *ConnectTimeoutError) Timeout() bool { return true }

// Temporary makes it a net.Error.
func (e *ConnectTimeoutError) Temporary() bool { return true }

// RoundTripWithin is RoundTrip whose connection, if a new one is needed, has to be there, TLS and all, after that time: else
// the error is a *ConnectTimeoutError. 0 is without such a bound.
func (t *Transport) RoundTripWithin(r *http.Request, connect time.Duration) (*http.Response, error) {
	to, err := placeOf(r)
	if err != nil {
		closeBody(r)
		return nil, err
	}
	for {
		c, err := t.take(r.Context(), to, connect)
		if err != nil {
			closeBody(r)
			return nil, err
		}
		response, err := c.call(r)
		if err == nil {
			return response, nil
		}
		c.drop()
		if !c.mayRepeat(r, err) {
			return nil, ended(r.Context(), err)
		}
		if r, err = rewound(r); err != nil {
			return nil, err
		}
	}
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close() // of a request that is not made
	}
}

// ended is the reason why a call has no answer: its context's, when that has ended.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

var errURL = errors.New("h1: the address of a request has no host, or is neither http nor https")

func placeOf(r *http.Request) (place, error) {
	to := place{r.URL.Scheme, r.URL.Host}
	standard := "80"
	switch {
	case to.scheme == "https":
		standard = "443"
	case to.scheme != "http":
		return to, errURL
	}
	if to.address == "" {
		return to, errURL
	}
	if r.URL.Port() == "" {
		to.address = net.JoinHostPort(r.URL.Hostname(), standard)
	}
	return to, nil
}

func (t *Transport) open(ctx context.Context, to place, within time.Duration) (*conn, error) {
	bounded := ctx
	if within > 0 {
		var cancel context.CancelFunc
		bounded, cancel = context.WithTimeoutCause(ctx, within, &ConnectTimeoutError{within})
		defer cancel()
	}
	raw, err := t.dial(bounded, to.address)
	if err != nil {
		return nil, ended(bounded, err)
	}
	c := &conn{Conn: raw, raw: raw, transport: t, to: to}
	if to.scheme != "https" {
		return c, nil
	}
	c.ear = &ear{Conn: raw}
	if c.Conn, err = t.handshake(bounded, c.ear, to); err != nil {
		_ = raw.Close() // it was never used
		return nil, ended(bounded, err)
	}
	return c, nil
}

// dial closes what is idle where the system has no descriptor left for a call: as many may have become idle at one server as are
// wanted at the next now.
func (t *Transport) dial(ctx context.Context, address string) (net.Conn, error) {
	c, err := t.dialOnce(ctx, address)
	if (errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)) && t.dropIdle() {
		return t.dialOnce(ctx, address)
	}
	return c, err
}

func (t *Transport) dialOnce(ctx context.Context, address string) (net.Conn, error) {
	if t.Dial != nil {
		return t.Dial(ctx, "tcp", address)
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", address)
}

func (t *Transport) handshake(ctx context.Context, raw net.Conn, to place) (net.Conn, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.TLS != nil {
		config = t.TLS.Clone()
	}
	config.NextProtos = nil
	if config.ServerName == "" {
		host, _, err := net.SplitHostPort(to.address)
		if err != nil {
			return nil, err
		}
		config.ServerName = host
	}
	if t.HandshakeTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, t.HandshakeTimeout)
		defer cancel()
	}
	secure := tls.Client(raw, config)
	done := make(chan error, 1)
	// A handshake needs 32 KB of stack, which would remain those of the caller, and of ten thousand open streams each its own.
	go func() { done <- secure.HandshakeContext(ctx) }()
	if err := <-done; err != nil {
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	return secure, nil
}
