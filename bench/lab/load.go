package main

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"
)

// candidate is one of those that are compared.
type candidate struct {
	name    string
	process *process
	direct  bool                                                  // the mock itself, over TLS
	request func(w *work) (wire []byte, check func([]byte) error) // nil for a work that it cannot do
	dial    func() (*client, error)
}

// closedLoop lets as many clients as the work has send one request after the other until the time is over, and
// returns how many were answered. Every answer is checked.
func closedLoop(c *candidate, w *work, least time.Duration) (answered int, err error) {
	request, check := c.request(w)
	counts, errs := make([]int, w.conns), make([]error, w.conns)
	until := time.Now().Add(least)
	var all sync.WaitGroup
	for i := range w.conns {
		conn, err := c.dial()
		if err != nil {
			return 0, err
		}
		all.Go(func() {
			defer func() { _ = conn.conn.Close() }()
			for counts[i] == 0 || time.Now().Before(until) {
				body, err := conn.do(request)
				if err == nil {
					err = check(body)
				}
				if err != nil {
					errs[i] = err
					return
				}
				counts[i]++
			}
		})
	}
	all.Wait()
	for i, n := range counts {
		if errs[i] != nil {
			return 0, errs[i]
		}
		answered += n
	}
	return answered, nil
}

// openLoop sends requests at a rate, whether earlier ones have been answered or not, and returns how long each took from
// the moment at which it was due.
func openLoop(c *candidate, w *work, rate int, lasting time.Duration) ([]time.Duration, error) {
	const conns = 32
	request, check := c.request(w)
	total := int(float64(rate) * lasting.Seconds())
	took, errs := make([]time.Duration, total), make([]error, conns)
	clients := make([]*client, conns)
	for i := range clients {
		conn, err := c.dial()
		if err != nil {
			return nil, err
		}
		defer func() { _ = conn.conn.Close() }()
		if _, err := conn.do(request); err != nil { // the connection is warm, also its handshake
			return nil, err
		}
		clients[i] = conn
	}
	start := time.Now()
	var all sync.WaitGroup
	for i, conn := range clients {
		all.Go(func() {
			timer := time.NewTimer(0)
			for n := i; n < total; n += conns {
				due := start.Add(time.Duration(n) * time.Second / time.Duration(rate))
				timer.Reset(time.Until(due))
				<-timer.C
				body, err := conn.do(request)
				if err == nil {
					err = check(body)
				}
				if took[n] = time.Since(due); err != nil {
					errs[i] = err
					return
				}
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(took)
	return took, nil
}

// held are streams that stay open.
type held struct {
	stop    context.CancelFunc
	all     sync.WaitGroup
	mu      sync.Mutex
	pieces  []int // that each stream has had
	failed  error
	stopped bool
}

// hold opens n slow streams, some at a time, and keeps reading them.
func hold(c *candidate, w *work, n int) (*held, error) {
	request, _ := c.request(w)
	h := &held{pieces: make([]int, n)}
	ctx, stop := context.WithCancel(context.Background())
	h.stop = stop
	for i := range n {
		conn, err := c.dial()
		if err != nil {
			h.end()
			return nil, err
		}
		mine := request
		if i%2 == 1 {
			mine = bytes.Replace(request, []byte(labKey), []byte(otherKey), 1)
		}
		if err := conn.begin(mine); err != nil {
			h.end()
			return nil, err
		}
		h.all.Go(func() { h.follow(ctx, conn, i) })
		if i%64 == 63 {
			<-time.After(50 * time.Millisecond)
		}
	}
	return h, nil
}

func (h *held) follow(ctx context.Context, conn *client, i int) {
	defer context.AfterFunc(ctx, func() { _ = conn.conn.Close() })()
	defer func() { _ = conn.conn.Close() }()
	err := conn.read(func(size int) error {
		if err := conn.conn.SetDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		_, err := conn.r.Discard(size)
		h.mu.Lock()
		defer h.mu.Unlock()
		h.pieces[i]++
		return err
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.stopped && h.failed == nil {
		h.failed = err
	}
}

// least is how many pieces the stream has had that had the fewest, and what ended one of them.
func (h *held) least() (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Min(h.pieces), h.failed
}

func (h *held) end() {
	h.mu.Lock()
	h.stopped = true
	h.mu.Unlock()
	h.stop()
	h.all.Wait()
}
