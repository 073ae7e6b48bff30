package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// silence is how long a server says nothing that still has a connection open.
const silence = 4 * time.Second

// TestHostileHTTP: bytes that hide a request, or are none, sent to the listener that outcrop serve opens. The table has
// every answer with the id of its request, whether the connection was closed, and how many calls reached Bedrock.
func TestHostileHTTP(t *testing.T) {
	d := newDoors(t)
	at := d.listen()
	groups := []struct {
		head  string
		cases []rawRequest
	}{
		{"where a request ends (behind each stands another, with the id hidden)", lengths()},
		{"chunks (likewise)", chunks()},
		{"first lines and headers (likewise)", rawHeads()},
		{"targets and methods, without a key", rawTargets()},
		{"several requests at once", pipelines()},
	}
	var b bytes.Buffer
	b.WriteString("What hostile bytes get at the listener of outcrop serve: the statuses with the ids of their requests (plain: an answer of net/http's,\n" +
		"before there is a request), whether the connection is closed after them, and how often Bedrock was called.\n" +
		"go test ./cmd/outcrop -run TestHostileHTTP -update writes this file; without -update it is compared.\n")
	lines := make([][]string, len(groups))
	var all sync.WaitGroup
	for i, g := range groups {
		all.Go(func() { lines[i] = d.sendAll(at, g.cases) })
	}
	all.Wait()
	for i, g := range groups {
		fmt.Fprintf(&b, "\n== %s\n\n%s", g.head, strings.Join(lines[i], ""))
	}
	golden(t, filepath.Join("testdata", "hostile-http.txt"), b.Bytes())
	if w := d.ask(http.MethodGet, "/v1/user/info", "", http.Header{"Api-Key": {"a-key-of-team-a"}}); w.Code != http.StatusOK {
		t.Errorf("after all that: %d %s", w.Code, w.Body)
	}
}

// listen serves as outcrop serve does, at a port of the loopback.
func (d *doors) listen() net.Addr {
	d.t.Helper()
	log := slog.New(slog.DiscardHandler)
	listener, err := listen(d.t.Context(), "127.0.0.1:0")
	if err != nil {
		d.t.Fatal(err)
	}
	server := newServer(d.live.handler(serveFlags{}), log)
	done := make(chan error, 1)
	go func() {
		done <- service{server: server, listener: listener, ready: d.ready, log: log}.run(d.t.Context())
	}()
	d.t.Cleanup(func() {
		if err := <-done; err != nil {
			d.t.Error(err)
		}
	})
	return listener.Addr()
}

// sendAll sends the cases side by side. What a chat says tells which case has come through to Bedrock.
func (d *doors) sendAll(at net.Addr, cases []rawRequest) []string {
	lines := make([]string, len(cases))
	var all sync.WaitGroup
	for i, c := range cases {
		all.Go(func() {
			mark := fmt.Sprintf("C%04d", d.marks.Add(1)) // as long as what it replaces
			line := exchangeRaw(d.t.Context(), at, strings.ReplaceAll(c.bytes, "Hello", mark))
			d.mu.Lock()
			defer d.mu.Unlock()
			lines[i] = fmt.Sprintf("%-64s %s, %d calls\n", shown(c.name), line, d.heard[mark])
		})
	}
	all.Wait()
	return lines
}

func shown(name string) string {
	if name == "" {
		return "(no target)"
	}
	return name
}

// exchangeRaw sends bytes and reads answers until the server closes, or says no more.
func exchangeRaw(ctx context.Context, at net.Addr, text string) string {
	conn, err := (&net.Dialer{}).DialContext(ctx, at.Network(), at.String())
	if err != nil {
		return err.Error()
	}
	defer func() { _ = conn.Close() }()
	go func() { _, _ = io.WriteString(conn, text) }() // the server may answer before it has read all
	in := bufio.NewReader(conn)
	var answers []string
	for {
		if err := conn.SetReadDeadline(time.Now().Add(silence)); err != nil {
			return err.Error()
		}
		head := strings.HasPrefix(text, "HEAD")
		method := http.MethodGet
		if head && len(answers) == 0 {
			method = http.MethodHead
		}
		resp, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			return ended(answers, err)
		}
		if resp.StatusCode == http.StatusContinue {
			answers = append(answers, "100")
			continue
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		answers = append(answers, answered(resp, body, err))
	}
}

func answered(resp *http.Response, body []byte, err error) string {
	id := resp.Header.Get("X-Request-Id")
	switch {
	case err != nil:
		id = "broken"
	case id == "" && (bytes.HasPrefix(body, []byte("4")) || bytes.HasPrefix(body, []byte("5")) || bytes.Contains(body, []byte("nsupported"))):
		id = "plain"
	case len(id) == 26: // made here
		id = "-"
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s", resp.StatusCode, id))
}

// ended is the line of a connection: closed, or open when the server said no more.
func ended(answers []string, err error) string {
	state := "closed"
	if errors.Is(err, os.ErrDeadlineExceeded) {
		state = "open"
	}
	if len(answers) > 5 {
		answers = []string{fmt.Sprintf("%d times %s", len(answers), answers[0])}
	}
	return fmt.Sprintf("%-30s %s", strings.Join(answers, ", "), state)
}
