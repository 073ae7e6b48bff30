package main

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// writeCounter counts what reaches the kernel.
type writeCounter struct {
	net.Listener
	writes atomic.Int64
}

type countedConn struct {
	net.Conn
	of *writeCounter
}

func (l *writeCounter) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &countedConn{c, l}, nil
}

func (c *countedConn) Write(p []byte) (int, error) {
	c.of.writes.Add(1)
	return c.Conn.Write(p)
}

// corked serves a handler as the program does, and returns its address and what it writes.
func corked(t *testing.T, h http.HandlerFunc) (url string, l *writeCounter) {
	t.Helper()
	plain, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l = &writeCounter{Listener: plain}
	server := newServer(h, slog.New(slog.DiscardHandler))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(corkListener{l}) // ends with Close
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-ended
	})
	return "http://" + plain.Addr().String(), l
}

// TestAFlushIsOneWrite, however much it flushes, and all of it arrives in its order.
func TestAFlushIsOneWrite(t *testing.T) {
	text := strings.Repeat("0123456789abcdef", 1<<10) // 16 KB
	for name, tt := range map[string]struct {
		kind    string
		pieces  int // each written twice over and flushed
		unended int // written after the last flush
		writes  int64
	}{
		"events":                       {"text/event-stream; charset=utf-8", 3, 0, 4}, // and the end
		"events, the last not flushed": {"text/event-stream", 2, 1, 4},
		"AWS's frames":                 {"application/vnd.amazon.eventstream", 1, 0, 2},
		"more than may wait":           {"text/event-stream", 0, 12, 5},
	} {
		t.Run(name, func(t *testing.T) {
			url, l := corked(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tt.kind)
				write := func() {
					if _, err := io.WriteString(w, text); err != nil {
						t.Error(err)
					}
				}
				for range tt.pieces {
					write()
					write()
					if err := http.NewResponseController(w).Flush(); err != nil {
						t.Error(err)
					}
				}
				for range tt.unended {
					write()
				}
			})
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for range 2 { // the connection is as good as new
				before := l.writes.Load()
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if want := strings.Repeat(text, 2*tt.pieces+tt.unended); string(got) != want || err != nil {
					t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
				}
				if n := l.writes.Load() - before; n > tt.writes {
					t.Errorf("%d writes, want %d", n, tt.writes)
				}
			}
		})
	}
}

// TestWhatIsNoStreamIsNotHeldBack, so that an error of the connection is the Write's.
func TestWhatIsNoStreamIsNotHeldBack(t *testing.T) {
	arrived := make(chan struct{})
	url, _ := corked(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if _, err := io.WriteString(w, strings.Repeat("x", 64<<10)); err != nil {
			t.Error(err)
		}
		select {
		case <-arrived:
		case <-r.Context().Done():
			select {
			case <-arrived: // and gone at once
			default:
				t.Error("it was held back")
			}
		}
	})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.ReadFull(resp.Body, make([]byte, 32<<10)); err != nil {
		t.Error(err)
	}
	close(arrived)
}

// TestCorkedConnectionsCanBeTakenOver, and one that breaks is told to who flushes.
func TestCorkedConnectionsCanBeTakenOver(t *testing.T) {
	url, _ := corked(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\n\r\nours\n")
		_ = conn.Close()
	})
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(bufio.NewReader(conn)); err != nil || !strings.HasSuffix(string(text), "\r\n\r\nours\n") {
		t.Errorf("%q, %v", text, err)
	}
	here, there := net.Pipe()
	_ = there.Close()
	broken := &corkConn{Conn: here}
	broken.cork()
	if n, err := broken.Write([]byte("held")); n != 4 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if err := broken.uncork(); err == nil {
		t.Error("nobody is told that the connection is broken")
	}
}
