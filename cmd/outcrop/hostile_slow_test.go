package main

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"outcrop/internal/memnet"
)

// slowClient is somebody who takes his time.
type slowClient struct {
	name  string
	fast  string        // sent at once
	slow  string        // then a byte each pace, again and again
	pace  time.Duration // 0 sends no more
	reads bool          // reads what it is answered
	want  string        // the answer's status, "" for none
	after time.Duration // when the connection is closed at the latest
}

// TestSlowLoris: a connection on which nothing comes, or too little, or from which nobody reads, ends by itself. The
// clock is the test's: nothing waits.
func TestSlowLoris(t *testing.T) {
	head := rawChat + fmt.Sprintf("Content-Length: %d\r\n\r\n", 1<<20)
	for _, c := range []slowClient{
		{"says nothing", "", "", 0, true, "", headerTimeout},
		{"a header, a byte a second", "GET /health HTTP/1.1\r\n", "X-A: a\r\n", time.Second, true, "400 or nothing", headerTimeout},
		{"headers without end, a line a second", "GET /health HTTP/1.1\r\nHost: g\r\n", "X-A: a\r\n", time.Second / 8, true, "400 or nothing", headerTimeout},
		{"a first line, a byte a second", "", "GET", time.Second, true, "400 or nothing", headerTimeout},
		{"a stranger's body, a byte a second", strings.Replace(head, "a-key-of-team-a", "x", 1), " ", time.Second, true, "401", 20 * time.Second},
		{"a body that nobody wants, a byte a second", strings.Replace(head, "chat/completions", "nothing", 1), " ", time.Second, true, "404", 20 * time.Second},
		{"a body of a known client, a byte a second", head, " ", time.Second, true, "400", 6 * time.Minute},
		{"a body in chunks of a known client, a chunk a second", rawChat + "Transfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n", time.Second / 6, true, "400", 6 * time.Minute},
		{"after a good request, nothing", rawOther, "", 0, true, "200", idleTimeout + headerTimeout},
		{"after a good request, a byte a second", rawOther, "G", time.Second, true, "200", headerTimeout + 10*time.Second},
		{"a stream that nobody reads", rawChat + sized(strings.Replace(rawBody, "{", `{"stream":true,`, 1)), "", 0, false, "", 2 * time.Minute},
		{"pipelined requests whose answers nobody reads", strings.Repeat(rawOther, 1000), "", 0, false, "", 2 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) { synctest.Test(t, c.play) })
	}
}

func (c slowClient) play(t *testing.T) {
	d := newDoors(t)
	listener := memnet.Listen()
	server := newServer(d.live.handler(serveFlags{}), slog.New(slog.DiscardHandler))
	go func() { _ = server.Serve(listener) }()
	defer func() { _ = server.Close() }()
	conn, err := listener.DialContext(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	closed := make(chan time.Duration, 1)
	go func() {
		defer func() { closed <- time.Since(began) }()
		if _, err := io.WriteString(conn, c.fast); err != nil {
			return
		}
		for i := 0; c.pace > 0; i++ {
			<-time.After(c.pace)
			if _, err := conn.Write([]byte{c.slow[i%len(c.slow)]}); err != nil {
				return
			}
		}
	}()
	status := ""
	if c.reads {
		status = firstStatus(conn)
	} else {
		<-time.After(c.after)
	}
	gone := time.Since(began)
	_ = conn.SetReadDeadline(time.Now())
	if err := conn.SetWriteDeadline(time.Now().Add(time.Second)); err == nil {
		if _, err := io.WriteString(conn, "X"); err == nil {
			t.Errorf("after %v the connection is still there", gone)
		}
	}
	_ = conn.Close()
	<-closed
	if (status == "" || status == "400") && c.want == "400 or nothing" {
		status = c.want
	}
	if status != c.want || gone > c.after {
		t.Errorf("answered %q, want %q; closed after %v, want at most %v", status, c.want, gone, c.after)
	}
}

// firstStatus reads to the end of the connection: the status of what was answered.
func firstStatus(conn net.Conn) (status string) {
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	if err == nil {
		status = fmt.Sprint(resp.StatusCode)
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	_, _ = io.Copy(io.Discard, in)
	return status
}
