//go:build load

package load

import (
	"context"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"
)

// during runs work until the time is over, and waits for what it began.
func during(t *testing.T, lasts time.Duration, work func(ctx context.Context, all *sync.WaitGroup)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), lasts)
	defer cancel()
	var all sync.WaitGroup
	work(ctx, &all)
	all.Wait()
}

// open asks at a rate, whatever the answers: each in turn as one of so many callers.
func (r *rig) open(ctx context.Context, c *http.Client, rate, from, callers int, into *tally) {
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	var all sync.WaitGroup
	defer all.Wait()
	for i := 0; ; i++ {
		select {
		case <-tick.C:
			all.Go(func() { r.chat(context.WithoutCancel(ctx), c, from+i%callers, question, into) })
		case <-ctx.Done():
			return
		}
	}
}

// closed asks, reads the answer, and asks again; after a refusal it pauses.
func (r *rig) closed(ctx context.Context, c *http.Client, caller int, pause time.Duration, into *tally) {
	for ctx.Err() == nil {
		if r.chat(ctx, c, caller, question, into) {
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
		}
	}
}

// probe asks for the health, with a new connection each time.
func (r *rig) probe(ctx context.Context, into *tally) {
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for ctx.Err() == nil {
		req, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodGet, r.url+"/health", nil)
		if err != nil {
			return
		}
		began := time.Now()
		resp, err := c.Do(req)
		if err == nil {
			_ = resp.Body.Close()
		}
		into.add(time.Since(began), resp, err)
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// TestTwiceTheCapacity for a while: what can be answered is, the rest is refused fast, nothing grows, and when it is over
// everything is answered at once.
func TestTwiceTheCapacity(t *testing.T) {
	const places, capacity = 16, 160 // requests a second
	for _, kind := range []string{"open loop, 320 requests/s", "closed loop, 64 connections"} {
		t.Run(kind, func(t *testing.T) {
			r := newRig(t, []string{"GOMEMLIMIT=128MiB"}, "--max-requests", "16")
			var chats, health tally
			lasts, c := lasting(t), client(200)
			began := time.Now()
			during(t, lasts, func(ctx context.Context, all *sync.WaitGroup) {
				all.Go(func() { r.probe(ctx, &health) })
				if kind[0] == 'o' {
					all.Go(func() { r.open(ctx, c, 2*capacity, 0, callers, &chats) })
					return
				}
				for i := range 64 {
					all.Go(func() { r.closed(ctx, c, i%callers, 100*time.Millisecond, &chats) })
				}
			})
			took := time.Since(began)
			var after tally
			for i := range 30 {
				r.chat(t.Context(), c, i%callers, question, &after)
			}
			if len(chats.wrong)+len(health.wrong)+len(after.wrong)+len(health.refused)+len(after.refused) > 0 {
				t.Errorf("wrong: %v, health %v %d, after %v %d", chats.wrong, health.wrong, len(health.refused), after.wrong, len(after.refused))
			}
			rate := float64(len(chats.answered)) / took.Seconds()
			if rate < capacity/2 || len(chats.refused) == 0 || at(chats.refused, 0.99) > 1000 || at(health.answered, 0.99) > 1000 || r.peak(t) > 256 {
				t.Error("the load is not held")
			}
			if n := r.metric(t, "outcrop_requests_shed_total"); int(n) != len(chats.refused) {
				t.Errorf("the metric has %v refusals, the clients %d", n, len(chats.refused))
			}
			t.Logf("| %s, %v | %.0f/s of %d/s | %d | %.1f / %.1f | %.1f / %.1f | %.1f / %.1f | %d | %.0f |", kind, lasts, rate, capacity, len(chats.refused),
				at(chats.answered, 0.5), at(chats.answered, 0.99), at(chats.refused, 0.5), at(chats.refused, 0.99),
				at(health.answered, 0.5), at(health.answered, 0.99), r.peak(t), at(after.answered, 1))
		})
	}
}

// TestOneCallersFlood leaves another caller's requests as they were, but for a little.
func TestOneCallersFlood(t *testing.T) {
	r := newRig(t, nil, "--max-requests", "8")
	var alone, beside, flood tally
	lasts, c := lasting(t), client(200)
	during(t, lasts, func(ctx context.Context, all *sync.WaitGroup) {
		all.Go(func() { r.open(ctx, c, 20, 1, 1, &alone) })
	})
	during(t, lasts, func(ctx context.Context, all *sync.WaitGroup) {
		for range 64 {
			all.Go(func() { r.closed(ctx, c, 0, 50*time.Millisecond, &flood) })
		}
		all.Go(func() { r.open(ctx, c, 20, 1, 1, &beside) })
	})
	if len(alone.wrong)+len(beside.wrong)+len(flood.wrong)+len(alone.refused) > 0 {
		t.Errorf("wrong: %v, %v, %v; %d refused alone", alone.wrong, beside.wrong, flood.wrong, len(alone.refused))
	}
	if len(flood.refused) == 0 || len(beside.refused)*20 > len(beside.answered) {
		t.Errorf("of the flood %d were refused, of the other caller %d of %d", len(flood.refused), len(beside.refused), len(beside.refused)+len(beside.answered))
	}
	was, is := at(alone.answered, 0.99), at(beside.answered, 0.99)
	if is > 2*was && os.Getenv("OUTCROP_LOAD_STRICT") != "" || is > 10*was {
		t.Errorf("p99 was %.1f ms, is %.1f ms", was, is)
	}
	t.Logf("| another caller's flood, 64 connections | %.1f / %.1f | %.1f / %.1f | %.2f | %d of %d | %d of the flood answered, %d refused |", at(alone.answered, 0.5), was,
		at(beside.answered, 0.5), is, is/was, len(beside.refused), len(beside.refused)+len(beside.answered), len(flood.answered), len(flood.refused))
}
