package main

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/config"
	"outcrop/internal/gateway"
	"outcrop/internal/memnet"
)

// TestLoadOptions: the flags go before the settings, these before what the process has room for.
func TestLoadOptions(t *testing.T) {
	unstated := config.LoadBounds{Queue: -1}
	for name, test := range map[string]struct {
		flags  loadFlags
		stated config.LoadBounds
		room   room
		want   gateway.LoadOptions
	}{
		"descriptors":     {loadFlags{}, unstated, room{24 << 30, 20_000}, gateway.LoadOptions{Places: 9900, Queue: 256, Wait: time.Second, Bodies: 24 << 30 / 16}},
		"memory":          {loadFlags{}, unstated, room{512 << 20, math.MaxInt32}, gateway.LoadOptions{Places: 2048, Queue: 256, Wait: time.Second, Bodies: 32 << 20}},
		"next to no room": {loadFlags{}, unstated, room{1 << 20, 64}, gateway.LoadOptions{Places: 1, Queue: 16, Wait: time.Second, Bodies: 32 << 20}},
		"settings": {
			loadFlags{}, config.LoadBounds{Requests: 50, PerCaller: 5, Queue: 0, Wait: time.Minute, Bodies: 1000},
			room{1 << 30, 1000}, gateway.LoadOptions{Places: 50, Share: 5, Wait: time.Minute, Bodies: 1000},
		},
		"flags": {
			loadFlags{requests: 40, bodies: 2000}, config.LoadBounds{Requests: 50, PerCaller: 5, Queue: -1, Bodies: 1000},
			room{1 << 30, 1000}, gateway.LoadOptions{Places: 40, Share: 5, Queue: 40, Wait: time.Second, Bodies: 2000},
		},
	} {
		if diff := cmp.Diff(test.want, test.flags.options(test.stated, test.room)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if err := (loadFlags{requests: -1}).check(); err == nil {
		t.Error("a negative number of requests is taken")
	}
	if err := (loadFlags{bodies: -1}).check(); err == nil {
		t.Error("a negative number of bytes is taken")
	}
}

func TestMachineMemory(t *testing.T) {
	for text, want := range map[string]int64{
		"MemTotal:       24682512 kB\nMemFree:        1 kB\n": 24682512 << 10,
		"MemFree: 1 kB\n":  usualMemory,
		"MemTotal: many\n": usualMemory,
	} {
		if got := machineMemory(func(string) ([]byte, error) { return []byte(text), nil }); got != want {
			t.Errorf("%q: %d", text, got)
		}
	}
	if got := machineMemory(func(string) ([]byte, error) { return nil, os.ErrNotExist }); got != usualMemory {
		t.Errorf("without the file: %d", got)
	}
}

// TestConnectionsKeepWithinTheDescriptors: when few are left idle ones are closed, and those that send nothing; when none
// is, new ones are; afterwards they are kept again.
func TestConnectionsKeepWithinTheDescriptors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := slog.New(slog.DiscardHandler)
		server := newServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), log)
		c := &crowd{most: 10, log: log}
		c.watch(server)
		listener := memnet.Listen()
		done := make(chan error, 1)
		go func() { done <- server.Serve(listener) }()
		dial := func() net.Conn {
			conn, err := listener.DialContext(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			return conn
		}
		ask := func(conn net.Conn) (closes bool) {
			t.Helper()
			if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := resp.Body.Close(); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			return resp.Close
		}
		isOpen := func(conn net.Conn) bool {
			_ = conn.SetReadDeadline(time.Now().Add(time.Millisecond))
			_, err := conn.Read(make([]byte, 1))
			_ = conn.SetReadDeadline(time.Time{})
			return errors.Is(err, os.ErrDeadlineExceeded)
		}
		idle, silent := dial(), dial()
		if ask(idle) {
			t.Error("a connection is not kept although there is room")
		}
		time.Sleep(7 * time.Second)
		var others []net.Conn
		for range 8 {
			others = append(others, dial())
		}
		synctest.Wait()
		if isOpen(idle) || isOpen(silent) || !isOpen(others[7]) {
			t.Errorf("idle %t, silent %t, new %t", isOpen(idle), isOpen(silent), isOpen(others[7]))
		}
		if !ask(others[7]) {
			t.Error("a connection is kept although few are left")
		}
		for range 3 {
			others = append(others, dial())
		}
		synctest.Wait()
		if extra := dial(); isOpen(extra) || c.refused.Load() != 1 {
			t.Errorf("one too many is open: %t, %d refused, %d are open", isOpen(extra), c.refused.Load(), c.open.Load())
		}
		for _, conn := range others {
			_ = conn.Close()
		}
		synctest.Wait()
		if late := dial(); ask(late) || c.open.Load() != 1 {
			t.Errorf("afterwards connections are not kept, %d are open", c.open.Load())
		}
		_ = server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}
