//go:build faults

package faults

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"
)

// fault is a row of the table: what is between the process and its upstream, or the upstream itself.
type fault struct {
	name string
	// One of these: the wire is broken, over TLS or not; the upstream does as a directive of the sandbox says; or the
	// address leads elsewhere.
	wire  *breakage
	tls   bool
	wish  func(k kind) string
	place func(l *lab) string
	// harmless says that the answer lacks nothing, and must arrive.
	harmless bool
	// kept says that a connection is open and idle before it breaks: by this, or as the wire does.
	kept func(w *wire)
	skip func(k kind) bool
}

const (
	// early is a place within the second or third event of a stream, and in every plain answer's body.
	early = 2000
	// stretch and quick make a drip that ends within the timeouts, slow one that does not.
	stretch, quick, slow = 4000, 5 * time.Millisecond, 400 * time.Millisecond
)

func always(wish string) func(kind) string { return func(kind) string { return wish } }

// once hears a request, and says something else than an answer.
func once(text string) func(c *end) {
	return func(c *end) {
		c.hear()
		_, _ = io.WriteString(c, text) // it may not be waited for
		if c.CloseWrite() == nil {
			c.swallow()
		}
	}
}

// Ways to break an answer.

func reset(c *end, _ []byte) []byte {
	c.rst()
	return nil
}

func finish(c *end, _ []byte) []byte {
	if c.CloseWrite() == nil {
		<-c.gone
	}
	return nil
}

func stall(c *end, _ []byte) []byte {
	<-c.gone
	return nil
}

// flip changes the first byte that comes, and lets all pass.
func flip(_ *end, rest []byte) []byte {
	out := bytes.Clone(rest)
	out[0] ^= 0x80
	return out
}

func faults() []fault {
	return append(append(connections(), answers()...), spoken()...)
}

// connections are faults before there is an answer.
func connections() []fault {
	head := "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	return []fault{
		{name: "connection refused", place: func(l *lab) string { return "http://" + l.nobody }},
		{name: "a name that does not resolve", place: func(*lab) string { return "http://" + strings.Repeat("x", 64) + ".example" }},
		{name: "connection accepted and reset", wire: &breakage{instead: (*end).rst}},
		{name: "connection accepted and closed", wire: &breakage{instead: func(*end) {}}},
		{name: "half-open: accepted, and nothing comes back", wire: &breakage{instead: (*end).swallow}},
		{name: "reset while the request comes", wire: &breakage{instead: func(c *end) { c.hear(); c.rst() }}},
		{name: "closed after the request", wire: &breakage{instead: func(c *end) { c.hear() }}},
		{name: "reset on a kept connection, while idle", wire: &breakage{}, kept: (*wire).reset, harmless: true},
		{name: "reset on a kept connection, by the request", wire: &breakage{raw: true, then: reset, once: true}, kept: func(*wire) {}, harmless: true},
		{name: "something else than HTTP", wire: &breakage{instead: once("SSH-2.0-OpenSSH_9.2p1\r\n")}},
		{name: "a head of 2 MB", wire: &breakage{instead: once(head + "X-Long: " + strings.Repeat("x", 2<<20))}},
		{name: "a head that never ends", wire: &breakage{instead: func(c *end) { c.hear(); _, _ = io.WriteString(c, head); c.swallow() }}},
		{name: "a redirect", wire: &breakage{instead: once("HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")}},
		{name: "200 with a page of HTML", wire: &breakage{instead: once("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 25\r\n\r\n<html>Please wait.</html>")}},
		{name: "TLS: certificate of another name", place: func(l *lab) string { return l.tlsAt(l.authority.issue("other.example", time.Now().Add(time.Hour))) }},
		{name: "TLS: certificate expired", place: func(l *lab) string { return l.tlsAt(l.authority.issue("", time.Now().Add(-time.Hour))) }},
		{name: "TLS: certificate of a stranger", place: func(l *lab) string { return l.tlsAt(newAuthority(l.t).issue("", time.Now().Add(time.Hour))) }},
		{name: "TLS: nobody speaks it", place: func(l *lab) string { return "https://" + l.clear }},
		{name: "TLS: stalled in the handshake", tls: true, wire: &breakage{instead: (*end).swallow}},
		{name: "TLS: reset in the handshake", tls: true, wire: &breakage{instead: func(c *end) { c.hear(); c.rst() }}},
	}
}

// answers are faults of an answer's bytes.
func answers() []fault {
	const overTLS = 3500 // more than a handshake
	return []fault{
		{name: "stalled before the head", wire: &breakage{raw: true, then: stall}},
		{name: "stalled within the head", wire: &breakage{raw: true, at: 30, then: stall}},
		{name: "reset within the head", wire: &breakage{raw: true, at: 30, then: reset}},
		{name: "stalled after the head", wire: &breakage{then: stall}},
		{name: "reset after the head", wire: &breakage{then: reset}},
		{name: "stalled within the body", wire: &breakage{at: early, then: stall}},
		{name: "reset within the body", wire: &breakage{at: early, then: reset}},
		{name: "closed within the body", wire: &breakage{at: early, then: finish}},
		{name: "slow drip, within the timeouts", wire: &breakage{pace: quick, stretch: stretch}, harmless: true},
		{name: "slow drip, too slow", wire: &breakage{pace: slow, stretch: 20}},
		{name: "TLS: a byte changed", tls: true, wire: &breakage{raw: true, at: overTLS, then: flip}},
		{name: "TLS: closed within the body", tls: true, wire: &breakage{raw: true, at: overTLS, then: finish}},
		{name: "TLS: stalled within the body", tls: true, wire: &breakage{raw: true, at: overTLS, then: stall}},
	}
}

// spoken are faults that the upstream itself says, or leaves out.
func spoken() []fault {
	noFrames := func(k kind) bool { return !k.streams() || k.forwarded() }
	return []fault{
		{name: "a frame with a wrong checksum", wish: always("badcrc=3"), skip: noFrames},
		{name: "ended cleanly without its last event", wish: always("end=3")},
		{name: "200 and nothing", wish: always("empty")},
		{name: "503 at once", wish: always("error=ServiceUnavailableException")},
		{name: "503 after 300 ms", wish: always("start=300ms error=ServiceUnavailableException")},
		{name: "429 at once", wish: always("error=ThrottlingException"), skip: kind.forwarded},
		{name: "an exception within the stream", wish: always("exception=throttlingException after=3"), skip: func(k kind) bool { return !k.streams() }},
	}
}

// tlsAt is the address of the upstream behind that certificate.
func (l *lab) tlsAt(cert tls.Certificate) string { return l.serve(l.bedrock, &cert).URL }

func (l *lab) serve(h http.Handler, cert *tls.Certificate) *httptest.Server {
	s := serve(l.t, h, cert)
	l.servers = append(l.servers, s)
	return s
}

// address is where the fault is met, with its wire if it has one.
func (f *fault) address(l *lab, k kind) (string, *wire) {
	switch {
	case f.place != nil:
		return f.place(l), nil
	case f.wish != nil:
		var h http.Handler = wishes{l.bedrock, f.wish(k)}
		return l.serve(h, nil).URL, nil
	case f.tls:
		w := newWire(l.t, l.secure, f.wire)
		return "https://" + w.address, w
	}
	first := f.wire
	if f.kept != nil {
		first = nil // the first request opens the connection
	}
	w := newWire(l.t, l.clear, first)
	return "http://" + w.address, w
}
