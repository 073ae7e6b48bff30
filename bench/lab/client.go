package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// client is one connection of a client of HTTP/1.1 that does nothing twice: its own cost would be taken from the two
// cores that are measured.
type client struct {
	conn net.Conn
	r    *bufio.Reader
	body []byte // of the last answer; reused
}

// patience is how long an answer may take before the run is stopped.
const patience = 90 * time.Second

func dial(address string, trust *tls.Config) (*client, error) {
	conn, err := net.DialTimeout("tcp", address, patience)
	if err == nil && trust != nil {
		conn, err = tls.Client(conn, withName(trust)), nil
	}
	if err != nil {
		return nil, err
	}
	return &client{conn: conn, r: bufio.NewReaderSize(conn, 16<<10)}, nil
}

func withName(trust *tls.Config) *tls.Config {
	named := trust.Clone()
	named.ServerName = "127.0.0.1"
	return named
}

// do sends a request and reads the whole answer, which has to be a 200.
func (c *client) do(request []byte) ([]byte, error) {
	if err := c.begin(request); err != nil {
		return nil, err
	}
	return c.body, c.read(c.takeAll)
}

// begin sends a request.
func (c *client) begin(request []byte) error {
	c.body = c.body[:0]
	if err := c.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, err := c.conn.Write(request)
	return err
}

func (c *client) takeAll(n int) error {
	start := len(c.body)
	c.body = append(c.body, make([]byte, n)...)
	_, err := io.ReadFull(c.r, c.body[start:])
	return err
}

// read reads an answer and hands over the size of each piece of its body, to be read from c.r.
func (c *client) read(piece func(n int) error) error {
	length, err := c.head()
	if err != nil {
		return err
	}
	if length >= 0 {
		return piece(length)
	}
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return err
		}
		size, err := strconv.ParseUint(string(bytes.TrimSpace(line)), 16, 31)
		if err != nil {
			return err
		}
		if size > 0 {
			if err := piece(int(size)); err != nil {
				return err
			}
		}
		if _, err := c.r.Discard(2); err != nil {
			return err
		}
		if size == 0 {
			return nil
		}
	}
}

// head reads the head of an answer and returns its length, -1 when it is in chunks.
func (c *client) head() (length int, err error) {
	status, err := c.r.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if !bytes.HasPrefix(status, []byte("HTTP/1.1 200")) {
		rest, _ := c.r.Peek(c.r.Buffered())
		return 0, fmt.Errorf("%s: %.600s", bytes.TrimSpace(status), rest)
	}
	length = -2
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		name, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte(": "))
		switch {
		case len(name) == 0 && length == -2:
			return 0, errors.New("an answer without a length")
		case len(name) == 0:
			return length, nil
		case bytes.EqualFold(name, []byte("content-length")):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, err
			}
		case bytes.EqualFold(name, []byte("transfer-encoding")):
			length = -1
		}
	}
}
