package h1

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// canned is a connection whose server says the same whatever it is asked, a few bytes at a time, and ends.
type canned struct {
	net.Conn
	text []byte
	step int
}

func (c *canned) Read(p []byte) (int, error) {
	if len(c.text) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), c.step)], c.text)
	c.text = c.text[n:]
	return n, nil
}

func (c *canned) Write(p []byte) (int, error)      { return len(p), nil }
func (c *canned) Close() error                     { return nil }
func (c *canned) SetDeadline(time.Time) error      { return nil }
func (c *canned) SetReadDeadline(time.Time) error  { return nil }
func (c *canned) SetWriteDeadline(time.Time) error { return nil }

// FuzzAnswer holds what we read of an answer against net/http's reader, however the bytes are cut: what we take for an answer
// is one, with the same content. We refuse some that it takes: those that could be read in two ways.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nX-A: b\r\n\r\n",
		"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nall of it",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 429 \r\nRetry-After: 1\r\nContent-Length: 1\r\n\r\na",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n1\r\na\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\nX: 1\nX: 2\n\nabc",
	} {
		f.Add([]byte(seed), uint8(0))
		f.Add([]byte(seed), uint8(255))
	}
	f.Fuzz(func(t *testing.T, answer []byte, step uint8) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://bedrock/model", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		ours := &Transport{Dial: func(context.Context, string, string) (net.Conn, error) {
			return &canned{text: bytes.Clone(answer), step: int(step) + 1}, nil
		}}
		defer ours.CloseIdleConnections()
		got, _ := seenOf(ours.RoundTrip(r))
		if got.NoAnswer {
			return
		}
		reader := bufio.NewReaderSize(bytes.NewReader(answer), len(answer)+16)
		want, why := seenOf(nextAnswer(reader, r))
		if _, ok := errors.AsType[textproto.ProtocolError](why); ok || why != nil && strings.Contains(why.Error(), "trailer") {
			want.Broken = false // a trailer that is none: we read over them
		}
		got.Close, want.Close = false, false // net/http's reader looks at it for its transport, which decides
		want.Header.Del("Trailer")
		got.Header.Del("Trailer")
		if got.Broken { // it may be for a reason of ours; what came before is the same
			want.Broken = true
			if n := min(len(got.Body), len(want.Body)); got.Body[:n] == want.Body[:n] {
				got.Body = want.Body
			}
		}
		for _, header := range []http.Header{got.Header, want.Header} {
			header.Del("Connection")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-net/http +ours):\n%s", diff)
		}
	})
}

func nextAnswer(reader *bufio.Reader, r *http.Request) (*http.Response, error) {
	for {
		response, err := http.ReadResponse(reader, r)
		if err != nil || response.StatusCode >= http.StatusOK {
			return response, err
		}
	}
}

func seenOf(response *http.Response, err error) (seen, error) {
	if err != nil {
		return seen{NoAnswer: true}, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	header := http.Header{}
	for name, values := range response.Header {
		for _, value := range values {
			header.Add(name, strings.TrimSpace(value))
		}
	}
	return seen{response.StatusCode, header, response.ContentLength, response.Close, string(text), false, err != nil}, err
}
