//go:build load

package load

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// slowClient writes text a byte each half second, or text at once and reads nothing, until the server has cut it.
func slowClient(ctx context.Context, address, whole, drip string) (lasted time.Duration, err error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	began := time.Now()
	if _, err := io.WriteString(conn, whole); err != nil {
		return 0, err
	}
	for i := range drip {
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		if _, err := io.WriteString(conn, drip[i:i+1]); err != nil {
			return time.Since(began), nil // it was cut
		}
	}
	return time.Since(began), nil
}

// TestSlowClients: 200 that send headers or bodies slowly, or read nothing, are cut; others are answered meanwhile, and
// what they had in use comes back.
func TestSlowClients(t *testing.T) {
	const each = 67
	r := newRig(t, nil, "--max-requests", "300")
	var others tally
	c := client(20)
	for range 20 {
		r.chat(t.Context(), c, 1, question, &others)
	}
	memory, descriptors := r.rss(t), r.descriptors(t)
	head := "POST /openai/v1/chat/completions HTTP/1.1\r\nHost: gateway\r\nApi-Key: key-2\r\nContent-Type: application/json\r\n"
	stream := strings.Replace(question, "{", `{"stream":true,`, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	var slow, usual sync.WaitGroup
	lasted := make([]time.Duration, 3*each)
	address := strings.TrimPrefix(r.url, "http://")
	for i := range lasted {
		slow.Go(func() {
			var err error
			switch i % 3 {
			case 0:
				lasted[i], err = slowClient(ctx, address, "POST /openai/v1/chat/completions HTTP/1.1\r\n", strings.Repeat("X-Slow: 1\r\n", 100))
			case 1:
				lasted[i], err = slowClient(ctx, address, head+"Content-Length: 1000\r\n\r\n", strings.Repeat(" ", 999))
			default:
				lasted[i], err = r.unread(ctx, address, head+fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(stream), stream))
			}
			if err != nil {
				t.Errorf("slow client %d: %v", i, err)
			}
		})
	}
	over, done := context.WithCancel(ctx)
	usual.Go(func() { r.open(over, c, 20, 3, 8, &others) })
	var most, places int64
	ended := make(chan struct{})
	go func() { slow.Wait(); close(ended) }()
	for waiting := true; waiting; {
		most, places = max(most, r.rss(t)), max(places, int64(r.metric(t, "outcrop_load_running")))
		select {
		case <-ended:
			waiting = false
		case <-time.After(500 * time.Millisecond):
		}
	}
	done()
	usual.Wait()
	c.CloseIdleConnections()
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) && (r.running.Load() > 0 || r.metric(t, "outcrop_load_running") > 0 || r.descriptors(t) > descriptors+20) {
		<-time.After(200 * time.Millisecond)
	}
	if r.running.Load() > 0 || r.metric(t, "outcrop_load_running") > 0 || r.descriptors(t) > descriptors+20 {
		t.Errorf("the end: %d upstream calls, %v places, %d descriptors instead of %d", r.running.Load(), r.metric(t, "outcrop_load_running"), r.descriptors(t), descriptors)
	}
	if len(others.wrong)+len(others.refused) > 0 {
		t.Errorf("the others: %v, %d refused", others.wrong, len(others.refused))
	}
	if places < each || r.rss(t) > memory+100 {
		t.Errorf("%d places were taken; memory was %d MiB, is %d", places, memory, r.rss(t))
	}
	longest := [3]time.Duration{}
	for i, d := range lasted {
		longest[i%3] = max(longest[i%3], d)
	}
	t.Logf("| %d slow clients | headers %.0f s, body %.0f s, reading nothing %.0f s | %d, %d, %d | %.1f / %.1f | %d, %d |", len(lasted), longest[0].Seconds(), longest[1].Seconds(), longest[2].Seconds(),
		memory, most, r.rss(t), at(others.answered, 0.5), at(others.answered, 0.99), descriptors, r.descriptors(t))
}

// unread asks for a stream and reads nothing of it until the upstream has been let go.
func (r *rig) unread(ctx context.Context, address, request string) (time.Duration, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	began := time.Now()
	if _, err := io.WriteString(conn, request); err != nil {
		return 0, err
	}
	for begun := false; ; {
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		// The others do not stream, and take no longer than a moment.
		if n := r.streams.Load(); n == 0 && begun || n == 0 && time.Since(began) > 30*time.Second {
			return time.Since(began), nil
		} else if n > 0 {
			begun = true
		}
	}
}

// TestManyLargeBodies at once: they get the memory that bodies may have, and the others are refused.
func TestManyLargeBodies(t *testing.T) {
	r := newRig(t, []string{"GOMEMLIMIT=512MiB"})
	var large, small, health tally
	c := client(100)
	body := strings.Replace(question, "What", strings.Repeat("What is large? ", 1<<20), 1) // 15 MiB
	during(t, lasting(t), func(ctx context.Context, all *sync.WaitGroup) {
		for i := range 60 {
			all.Go(func() {
				for ctx.Err() == nil {
					if r.chat(context.WithoutCancel(ctx), c, i%callers, body, &large) {
						select {
						case <-time.After(time.Second):
						case <-ctx.Done():
						}
					}
				}
			})
		}
		all.Go(func() { r.open(ctx, c, 10, 0, callers, &small) })
		all.Go(func() { r.probe(ctx, &health) })
	})
	if len(health.wrong)+len(health.refused)+len(small.wrong) > 0 || len(large.answered) == 0 || len(large.refused) == 0 {
		t.Errorf("health %v, small %v; large: %d answered, %d refused", health.wrong, small.wrong, len(large.answered), len(large.refused))
	}
	cut := 0
	for text, n := range large.wrong { // a client that goes on sending may find its connection closed before it reads
		if cut += n; !strings.Contains(text, "reset") && !strings.Contains(text, "broken pipe") && !strings.Contains(text, "closed") {
			t.Errorf("large: %s, %d times", text, n)
		}
	}
	if r.peak(t) > 800 {
		t.Errorf("%d MiB", r.peak(t))
	}
	t.Logf("| 60 clients with bodies of 15 MiB, GOMEMLIMIT=512MiB | %d | %d + %d cut | %.1f / %.1f | %d small: %d refused, %.1f / %.1f | %.1f / %.1f | %d |", len(large.answered), len(large.refused), cut,
		at(large.refused, 0.5), at(large.refused, 0.99), len(small.answered), len(small.refused), at(small.answered, 0.5), at(small.answered, 0.99), at(health.answered, 0.5), at(health.answered, 0.99), r.peak(t))
}
