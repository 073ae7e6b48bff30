package h1

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// heldBack is a connection whose writes come together, at send.
type heldBack struct {
	net.Conn
	mu   sync.Mutex
	text bytes.Buffer
	hold bool
}

func (h *heldBack) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.hold {
		return h.Conn.Write(p)
	}
	return h.text.Write(p)
}

func (h *heldBack) send() {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, _ = h.text.WriteTo(h.Conn)
}

// records serves one connection over TLS: after the request it sends each of these batches, whose texts are a record each, in one
// piece; between two of them it waits for the test.
func records(t *testing.T, next <-chan struct{}, batches ...[]string) *Transport {
	t.Helper()
	certified := httptest.NewUnstartedServer(nil)
	certified.StartTLS()
	config := certified.TLS
	trusted := certified.Client().Transport.(*http.Transport).TLSClientConfig
	certified.Close()
	here, there := net.Pipe()
	go func() {
		held := &heldBack{Conn: there}
		c := tls.Server(held, config)
		_, _ = c.Read(make([]byte, 4096))
		for _, batch := range batches {
			held.hold = true
			for _, text := range batch {
				_, _ = io.WriteString(c, text)
			}
			held.send()
			<-next
		}
		_ = there.Close()
	}()
	t.Cleanup(func() { _ = here.Close() })
	trusted = trusted.Clone()
	trusted.ServerName = "example.com"
	return &Transport{TLS: trusted, Dial: func(context.Context, string, string) (net.Conn, error) { return here, nil }}
}

// TestRecordsThatCameTogetherAreReadTogether: a Read gives all that TLS has read, although each of its records is read by itself;
// it waits for none, not even for the rest of one.
func TestRecordsThatCameTogetherAreReadTogether(t *testing.T) {
	next := make(chan struct{})
	transport := records(t, next,
		[]string{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "5\r\nfirst\r\n", "6\r\nsecond\r\n", "5\r\nth"},
		[]string{"ird\r\n", "6\r\nfourth\r\n", "0\r\n\r\n"})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://example.com/", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	body := response.Body.(interface {
		io.ReadCloser
		ReadNow(p []byte) (int, error)
	})
	buf := make([]byte, 100)
	is := func(n int, err error, want string) {
		t.Helper()
		if string(buf[:n]) != want || err != nil {
			t.Fatalf("%q, %v, want %q", buf[:n], err, want)
		}
	}
	n, err := body.Read(buf[:8])
	is(n, err, "firstsec")
	n, err = body.ReadNow(buf)
	is(n, err, "ondth")
	n, err = body.ReadNow(buf)
	is(n, err, "")
	go func() { next <- struct{}{} }()
	n, err = body.Read(buf) // which waits
	is(n, err, "irdfourth")
	if n, err = body.ReadNow(buf); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("%d, %v at the end", n, err)
	}
	next <- struct{}{}
}
