package redis_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"outcrop/internal/limit"
	"outcrop/internal/money"
	"outcrop/internal/redis"
	"outcrop/internal/redis/redistest"
)

// Requests go on while Redis restarts, killed or in order. By a policy that admits them then, each of them is counted
// and noted once, and nothing stays reserved.
func TestRestartWhileAdmitting(t *testing.T) {
	server := redistest.Start(t, "--appendfsync", "always")
	const workers = 8
	b := newBench(t, redis.Options{URL: server.URL(), Timeout: 200 * time.Millisecond}, redis.LimitsOptions{Heartbeat: 100 * time.Millisecond})
	var done atomic.Bool
	var all sync.WaitGroup
	var tokens, count, errs atomic.Int64
	for w := range workers {
		all.Go(func() {
			for i := 0; !done.Load(); i++ {
				a := &limit.Admission{
					Account: limit.Account{Caller: "ann", Deployment: "claude"}, Ticket: fmt.Sprint(w, "/", i), Moment: moment(b.now),
					Limits: limit.None(), Need: limit.Amounts{Tokens: 1000, Cost: 1000},
				}
				if _, err := b.Admit(t.Context(), a); err != nil {
					errs.Add(1)
					<-time.After(time.Millisecond)
				}
				if !b.Settle(&limit.Settlement{
					Account: a.Account, Ticket: a.Ticket, Moment: a.Moment, Spent: limit.Amounts{Tokens: int64(i), Cost: money.Amount(i)}, Note: []byte(a.Ticket),
				}) {
					t.Error("a settlement was not taken")
				}
				tokens.Add(int64(i))
				count.Add(1)
			}
		})
	}
	for _, end := range []func(){server.Kill, server.Stop, server.Kill} {
		<-time.After(300 * time.Millisecond)
		end()
		<-time.After(200 * time.Millisecond)
		server.Restart()
		eventually(t, "Redis", b.up)
	}
	done.Store(true)
	all.Wait()
	// Longer than doubtful admissions are remembered.
	<-time.After(time.Second)
	b.settled()
	got, _ := notes(t, redis.NewNotes(open(t, redis.Options{URL: server.URL(), Timeout: time.Second})), "")
	slices.Sort(got)
	if n := len(got); int64(n) != count.Load() || len(slices.Compact(got)) != n {
		t.Errorf("%d notes (%d different ones) of %d settlements", n, len(slices.Compact(got)), count.Load())
	}
	b.want(tokens.Load(), 0, money.Amount(tokens.Load()))
	if _, v := b.admit(func(a *limit.Admission) { a.Concurrent = 1 }); !v.Admitted {
		t.Errorf("a ticket stayed open: %+v", v)
	}
	t.Logf("%d requests, %d of them while Redis was away", count.Load(), errs.Load())
}

func (b *bench) up() bool {
	_, err := b.Read(b.t.Context(), moment(b.now), []limit.Account{{}})
	return err == nil
}

// Admissions return in time while Redis is stalled. What it does of them afterwards is taken back.
func TestAdmitWhileStalled(t *testing.T) {
	server := redistest.Start(t)
	const timeout = 100 * time.Millisecond
	client := open(t, redis.Options{URL: server.URL(), Timeout: timeout})
	l := redis.NewLimits(client, redis.LimitsOptions{Heartbeat: 100 * time.Millisecond})
	b := &bench{Limits: l, t: t, now: noon()}
	server.Pause()
	for range 10 {
		began := time.Now()
		_, err := l.Admit(t.Context(), b.ask(nil))
		var down *redis.Down
		if took := time.Since(began); !errors.As(err, &down) || took > timeout+200*time.Millisecond {
			t.Errorf("%v after %s", err, took)
		}
	}
	paid := b.ask(nil)
	b.settle(paid, limit.Amounts{Tokens: 5}, "paid")
	server.Resume()
	eventually(t, "all that was stalled", func() bool { return b.up() && b.Pending() == 0 && b.used().Cost[limit.Month] == 0 })
	<-time.After(time.Second)
	b.settled()
	u := b.used()
	if u.Tokens[limit.Month] != 5 || u.Cost[limit.Month] != 0 {
		t.Errorf("%+v", u)
	}
	if err := l.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// A settlement whose answer was lost is sent again, and counts once.
func TestAnswersAreLost(t *testing.T) {
	server := redistest.Start(t)
	wire := redistest.NewWire(t, server)
	b := newBench(t, redis.Options{URL: wire.URL()}, redis.LimitsOptions{Heartbeat: 100 * time.Millisecond})
	other := newBench(t, redis.Options{URL: server.URL()}, redis.LimitsOptions{})
	a, _ := b.admit(nil)
	wire.Deafen()
	b.settle(a, limit.Amounts{Tokens: 1}, "one")
	b.settle(&limit.Admission{Account: a.Account}, limit.Amounts{Tokens: 2}, "two")
	eventually(t, "the first settlement", func() bool { return other.used().Tokens[limit.Month] != 10 })
	b.settle(b.ask(nil), limit.Amounts{Tokens: 4}, "three")
	wire.Mend()
	b.settled()
	got, _ := notes(t, redis.NewNotes(open(t, redis.Options{URL: server.URL()})), "")
	if !slices.Equal(got, []string{"one", "two", "three"}) {
		t.Errorf("notes %q", got)
	}
	b.want(7, 1, 0)
}

// The tickets of a replica that was killed are settled by the others, once: what was needed counts as used. If it was
// only paused, what it settles later does not count again.
func TestLostReplica(t *testing.T) {
	server := redistest.Start(t)
	wire := redistest.NewWire(t, server)
	o := redis.LimitsOptions{
		Heartbeat: 50 * time.Millisecond,
		Lost:      func(note []byte) []byte { return append([]byte("lost "), note...) },
	}
	paused := newBench(t, redis.Options{URL: wire.URL(), Timeout: time.Second}, o)
	one, two := newBench(t, redis.Options{URL: server.URL()}, o), newBench(t, redis.Options{URL: server.URL()}, o)
	var open20 []*limit.Admission
	for i := range 20 {
		a, _ := paused.admit(func(a *limit.Admission) { a.Note, a.Loose = fmt.Appendf(nil, "%02d", i), i%2 == 0 })
		open20 = append(open20, a)
	}
	mine, _ := one.admit(nil)
	n := redis.NewNotes(open(t, redis.Options{URL: server.URL()}))
	<-time.After(time.Second)
	if got, _ := notes(t, n, ""); len(got) > 0 {
		t.Fatalf("the living were settled: %q", got)
	}
	wire.Cut()
	eventually(t, "the settlements of the lost replica", func() bool {
		used := two.used()
		return used.Tokens[limit.Month] == 210 && two.Replicas() == 2
	})
	one.settle(mine, limit.Amounts{}, "")
	one.settled()
	want := func(count int) {
		t.Helper()
		two.settled()
		got, _ := notes(t, n, "")
		slices.Sort(got)
		if len(got) != count || !strings.HasPrefix(got[0], "lost 00") || len(slices.Compact(got)) != count {
			t.Errorf("notes %q", got)
		}
		two.want(200, 21, 20*money.Dollar)
	}
	eventually(t, "all notes", func() bool { got, _ := notes(t, n, ""); return len(got) == 20 })
	want(20)
	for i, a := range open20 {
		paused.settle(a, limit.Amounts{Tokens: 1}, fmt.Sprint(i))
	}
	wire.Mend()
	paused.settled()
	want(20)
	eventually(t, "that it lives again", func() bool { return two.Replicas() == 3 })
	if _, v := paused.admit(func(a *limit.Admission) { a.Concurrent = 1 }); !v.Admitted {
		t.Errorf("a ticket stayed open: %+v", v)
	}
}

// While nobody could say that it lives, nobody is dead.
func TestRestartIsNotDeath(t *testing.T) {
	server := redistest.Start(t)
	o := redis.LimitsOptions{Heartbeat: 100 * time.Millisecond}
	one, two := newBench(t, redis.Options{URL: server.URL()}, o), newBench(t, redis.Options{URL: server.URL()}, o)
	one.admit(func(a *limit.Admission) { a.Note = []byte("open") })
	server.Stop()
	<-time.After(time.Second)
	server.Restart()
	eventually(t, "Redis", func() bool { return one.up() && two.up() })
	<-time.After(time.Second)
	if got, _ := notes(t, redis.NewNotes(open(t, redis.Options{URL: server.URL()})), ""); len(got) > 0 {
		t.Errorf("the living were settled: %q", got)
	}
}

// What waits for Redis is bounded, and counted by Close when Redis is back in time.
func TestSettlementsAreBounded(t *testing.T) {
	server := redistest.Start(t)
	client := open(t, redis.Options{URL: server.URL()})
	l := redis.NewLimits(client, redis.LimitsOptions{Queue: 10})
	b := &bench{Limits: l, t: t, now: noon()}
	server.Stop()
	s := &limit.Settlement{Account: b.ask(nil).Account, Moment: moment(b.now), Spent: limit.Amounts{Tokens: 1}, Note: []byte("note")}
	taken := 0
	for range 100 {
		if l.Settle(s) {
			taken++
		}
	}
	if taken != 10 || l.Pending() != 10 {
		t.Errorf("%d were taken, %d wait", taken, l.Pending())
	}
	server.Begin()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := l.Close(ctx); err != nil {
		t.Error(err)
	}
	if l.Settle(s) {
		t.Error("a settlement was taken after Close")
	}
	b.want(10, 0, 0)
	server.Stop()
	l = redis.NewLimits(client, redis.LimitsOptions{QueueBytes: 2000})
	taken = 0
	for l.Settle(s) {
		taken++
	}
	if taken < 2 || taken > 8 {
		t.Errorf("%d were taken of 2000 bytes", taken)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := l.Close(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("Close = %v with settlements that are lost", err)
	}
}
