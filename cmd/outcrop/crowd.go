package main

import (
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// crowd keeps a server's connections within the descriptors that the process has: when few are left, idle connections are
// closed, and none is kept for a next request; when none is, new ones are closed at once. Else the upstreams could not
// be reached any more, nor a file be opened.
type crowd struct {
	most    int64 // connections; 0 is without bound
	open    atomic.Int64
	refused atomic.Uint64
	log     *slog.Logger

	crowded atomic.Bool // idle ones are not kept
	mu      sync.Mutex  // of changes to that
	swept   time.Time   // when they were closed last
}

const (
	// crowdedShare is at which part of the connections idle ones are closed, in percent, and easyShare below which they
	// are kept again.
	crowdedShare, easyShare = 90, 80
	// sweep is how often they are closed meanwhile: the server looks at all its connections.
	sweep = time.Second
)

// newCrowd leaves each of so many requests a descriptor for its upstream.
func newCrowd(r room, places int, log *slog.Logger) *crowd {
	const least = 32
	return &crowd{most: int64(max(r.descriptors-min(places, r.descriptors/2)-otherDescriptors/2, least)), log: log}
}

// watch follows the server's connections. net/http closes idle ones, and those that have sent nothing for 5 s, when it is
// told to keep none (https://pkg.go.dev/net/http#Server.SetKeepAlivesEnabled).
func (c *crowd) watch(server *http.Server) {
	server.ConnState = func(conn net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			if open := c.open.Add(1); open > c.most*crowdedShare/100 {
				c.clear(server, open)
				if open > c.most {
					c.refused.Add(1)
					_ = conn.Close() // it is counted off when the server finds it closed
				}
			}
		case http.StateClosed, http.StateHijacked:
			if c.open.Add(-1) < c.most*easyShare/100 && c.crowded.Load() {
				c.relax(server)
			}
		default: // it was counted when it came
		}
	}
}

// clear closes idle connections, and keeps none from now on.
func (c *crowd) clear(server *http.Server, open int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.swept) < sweep {
		return
	}
	if !c.crowded.Swap(true) {
		c.log.Warn("few descriptors are left: idle connections are closed, and none is kept", "connections", open, "most", c.most)
	}
	c.swept = time.Now()
	server.SetKeepAlivesEnabled(false)
}

// relax keeps idle connections again.
func (c *crowd) relax(server *http.Server) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.crowded.Swap(false) {
		c.swept = time.Time{}
		server.SetKeepAlivesEnabled(true)
	}
}
