package h1

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// atOnce is up to which length a body is sent whole before the answer is read, in bytes: what the buffers between here and the
// server hold even when it does not listen, so that a refusal which comes meanwhile is read at once.
const atOnce = 64 << 10

// sending is the sending of a body while the answer is read.
type sending struct {
	done chan struct{}
	err  error // once done is closed
}

// whole says whether all of the body has been sent.
func (s *sending) whole() bool {
	if s == nil {
		return true
	}
	select {
	case <-s.done:
		return s.err == nil
	default:
		return false
	}
}

// send writes the request, or begins to.
func (c *conn) send(r *http.Request) error {
	buf := buffers.Get().(*[]byte)
	head, err := appendHead((*buf)[:0], r)
	if err != nil {
		buffers.Put(buf)
		closeBody(r)
		return err
	}
	if r.ContentLength <= atOnce {
		return c.sendAll(r, buf, head)
	}
	sending := &sending{done: make(chan struct{})}
	c.sending = sending
	go func() { // ends with the connection at the latest
		defer close(sending.done)
		sending.err = c.sendAll(r, buf, head)
	}()
	return nil
}

var errShort = errors.New("h1: the body of the request ended before the length that it says")

// sendAll writes the head and the body after it, in as few writes as there are TLS records, and lets go of buf and body.
func (c *conn) sendAll(r *http.Request, buf *[]byte, out []byte) error {
	defer buffers.Put(buf)
	defer closeBody(r)
	left := r.ContentLength
	for {
		if left > 0 && len(out) < bufLen {
			from := len(out)
			out = append(out, (*buf)[from:min(int64(bufLen), int64(from)+left)]...) // itself: room for what is read
			n, err := io.ReadFull(r.Body, out[from:])
			if left -= int64(n); err != nil {
				return fmt.Errorf("%w: %d bytes lack (%w)", errShort, left, err)
			}
		}
		if _, err := c.Write(out); err != nil {
			return err
		}
		if left == 0 {
			return nil
		}
		out = (*buf)[:0]
	}
}

var errLength = errors.New("h1: the length of a body must be known")

// appendHead appends the head of a request.
func appendHead(b []byte, r *http.Request) ([]byte, error) {
	method, host := r.Method, r.Host
	if method == "" {
		method = http.MethodGet
	}
	if host == "" {
		host = r.URL.Host
	}
	switch {
	case r.ContentLength < 0 || r.ContentLength == 0 && r.Body != nil && r.Body != http.NoBody:
		return nil, errLength
	case r.ContentLength > 0 && r.Body == nil:
		return nil, errShort
	case bad(method, host):
		return nil, errors.New("h1: the method or the host of a request has bytes that neither may have")
	}
	b = append(append(b, method...), ' ')
	b = append(append(b, r.URL.RequestURI()...), " HTTP/1.1\r\nHost: "...)
	b = append(append(b, host...), "\r\n"...)
	if r.ContentLength > 0 || method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch {
		b = append(strconv.AppendInt(append(b, "Content-Length: "...), r.ContentLength, 10), "\r\n"...)
	}
	for name, values := range r.Header {
		switch name {
		case "Host", "Content-Length", "Transfer-Encoding", "Trailer", "Connection":
			continue // said above, or not for a caller to say
		}
		for _, value := range values {
			if bad(name, value) {
				return nil, fmt.Errorf("h1: the header %q has bytes that no header may have", name)
			}
			b = append(append(b, name...), ": "...)
			b = append(append(b, value...), "\r\n"...)
		}
	}
	return append(b, "\r\n"...), nil
}

// bad says whether a header would not be one header any more.
func bad(name, value string) bool {
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c == ':' || c >= 0x7f {
			return true
		}
	}
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return true
		}
	}
	return name == ""
}
