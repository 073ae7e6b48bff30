package redis_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/limit"
	"outcrop/internal/money"
	"outcrop/internal/redis"
	"outcrop/internal/redis/redistest"
)

// noon is a Wednesday.
func noon() time.Time { return time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC) }

// moment is a time in calendar windows of UTC, with weeks from Monday.
func moment(now time.Time) limit.Moment {
	m := limit.Moment{Now: now}
	y, month, d := now.UTC().Date()
	day := time.Date(y, month, d, 0, 0, 0, 0, time.UTC)
	m.Start[limit.Day], m.End[limit.Day] = day, day.AddDate(0, 0, 1)
	week := day.AddDate(0, 0, -(int(day.Weekday())+6)%7)
	m.Start[limit.Week], m.End[limit.Week] = week, week.AddDate(0, 0, 7)
	m.Start[limit.Month] = time.Date(y, month, 1, 0, 0, 0, 0, time.UTC)
	m.End[limit.Month] = m.Start[limit.Month].AddDate(0, 1, 0)
	return m
}

// bench is a store with a clock of its own.
type bench struct {
	*redis.Limits
	t    testing.TB
	now  time.Time
	next int
}

func newBench(t testing.TB, o redis.Options, lo redis.LimitsOptions) *bench {
	t.Helper()
	o.Timeout = max(o.Timeout, time.Second)
	l := redis.NewLimits(open(t, o), lo)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = l.Close(ctx)
	})
	return &bench{Limits: l, t: t, now: noon()}
}

func (b *bench) ask(change func(a *limit.Admission)) *limit.Admission {
	b.next++
	a := &limit.Admission{
		Account: limit.Account{Caller: "ann", Deployment: "claude"}, Ticket: fmt.Sprint("ticket ", b.next),
		Moment: moment(b.now), Limits: limit.None(), Need: limit.Amounts{Tokens: 10, Requests: 1, Cost: money.Dollar},
	}
	if change != nil {
		change(a)
	}
	return a
}

func (b *bench) admit(change func(a *limit.Admission)) (*limit.Admission, limit.Verdict) {
	b.t.Helper()
	a := b.ask(change)
	v, err := b.Admit(b.t.Context(), a)
	if err != nil {
		b.t.Fatal(err)
	}
	return a, v
}

func (b *bench) settle(a *limit.Admission, spent limit.Amounts, note string) {
	b.t.Helper()
	if !b.Settle(&limit.Settlement{Account: a.Account, Ticket: a.Ticket, Moment: moment(b.now), Reserved: a.Need, Spent: spent, Note: []byte(note)}) {
		b.t.Fatal("the settlement was not taken")
	}
}

// settled waits until all is counted.
func (b *bench) settled() {
	b.t.Helper()
	eventually(b.t, "the settlements", func() bool { return b.Pending() == 0 })
}

func (b *bench) used() limit.Used {
	b.t.Helper()
	used, err := b.Read(b.t.Context(), moment(b.now), []limit.Account{{Caller: "nobody", Deployment: "x"}, {Caller: "ann", Deployment: "claude"}})
	if err != nil {
		b.t.Fatal(err)
	}
	if used[0] != (limit.Used{}) {
		b.t.Errorf("nobody used %+v", used[0])
	}
	return used[1]
}

func (b *bench) want(tokens, requests int64, cost money.Amount) {
	b.t.Helper()
	if diff := cmp.Diff(use(tokens, requests, cost), b.used()); diff != "" {
		b.t.Errorf("used (-want +got):\n%s", diff)
	}
}

// use is the same amounts in all windows that there are.
func use(tokens, requests int64, cost money.Amount) (u limit.Used) {
	for _, w := range []limit.Window{limit.Minute, limit.Day, limit.Week, limit.Month} {
		u.Tokens[w], u.Cost[w] = tokens, cost
	}
	u.Requests[limit.Hour], u.Requests[limit.Day] = requests, requests
	return u
}

func TestLimitsReserveAndSettle(t *testing.T) {
	b := newBench(t, redis.Options{URL: redistest.Start(t).URL()}, redis.LimitsOptions{})
	first, v := b.admit(nil)
	if !v.Admitted || v.Used != (limit.Used{}) {
		t.Errorf("%+v", v)
	}
	b.want(10, 1, money.Dollar)
	_, v = b.admit(func(a *limit.Admission) { a.Limits.Tokens[limit.Day] = 19 })
	if v.Admitted || !v.Tokens[limit.Day] || v.Tokens[limit.Week] || v.RetryAfter != time.Second || v.Used != use(10, 1, money.Dollar) {
		t.Errorf("%+v", v)
	}
	if _, v = b.admit(func(a *limit.Admission) { a.Limits.Tokens[limit.Day] = 20 }); !v.Admitted {
		t.Errorf("%+v", v)
	}
	b.settle(first, limit.Amounts{Tokens: 3, Cost: 5}, "")
	b.settled()
	b.want(13, 2, money.Dollar+5)
	b.settle(&limit.Admission{Account: first.Account}, limit.Amounts{Tokens: 1, Requests: 1, Cost: 1}, "")
	b.settled()
	b.want(14, 3, money.Dollar+6)
}

// Amounts beyond 2^53, where Lua's numbers are not exact, count exactly, and beyond 2^63 as the largest.
func TestLimitsAreExact(t *testing.T) {
	b := newBench(t, redis.Options{URL: redistest.Start(t).URL()}, redis.LimitsOptions{})
	const large = 1<<53 + 1
	at := func(l int64) func(a *limit.Admission) {
		return func(a *limit.Admission) {
			a.Need = limit.Amounts{Tokens: large, Cost: large}
			a.Limits.Tokens[limit.Month], a.Limits.Cost[limit.Minute] = l, money.Amount(l)
		}
	}
	if _, v := b.admit(at(large - 1)); v.Admitted || !v.Tokens[limit.Month] || !v.Cost[limit.Minute] {
		t.Errorf("%+v", v)
	}
	first, v := b.admit(at(large))
	if !v.Admitted {
		t.Errorf("%+v", v)
	}
	if _, v := b.admit(at(2*large - 1)); v.Admitted {
		t.Errorf("%+v", v)
	}
	second, v := b.admit(at(2 * large))
	if !v.Admitted {
		t.Errorf("%+v", v)
	}
	b.want(2*large, 0, 2*large)
	b.settle(first, limit.Amounts{Tokens: math.MaxInt64 - 3, Cost: money.Max - 3}, "")
	b.settle(second, limit.Amounts{Tokens: 1, Cost: 1}, "")
	b.settled()
	b.want(math.MaxInt64-2, 0, money.Max-2)
	b.settle(b.ask(nil), limit.Amounts{Tokens: 1000, Cost: 1000}, "")
	b.settled()
	b.want(math.MaxInt64, 0, money.Max)
	if _, v = b.admit(func(a *limit.Admission) { a.Limits.Tokens[limit.Day] = math.MaxInt64 - 1 }); v.Admitted {
		t.Errorf("%+v", v)
	}
}

func TestLimitsOfMinuteAndHour(t *testing.T) {
	b := newBench(t, redis.Options{URL: redistest.Start(t).URL()}, redis.LimitsOptions{})
	spend := func(tokens int64) {
		a, v := b.admit(func(a *limit.Admission) { a.Need.Tokens = 0 })
		if !v.Admitted {
			t.Fatalf("%+v", v)
		}
		b.settle(a, limit.Amounts{Tokens: tokens, Cost: money.Amount(tokens)}, "")
		b.settled()
	}
	spend(100)
	b.now = b.now.Add(30*time.Second + 500*time.Millisecond)
	spend(50)
	refused := func(need, tokens int64, after time.Duration) {
		t.Helper()
		_, v := b.admit(func(a *limit.Admission) { a.Need.Tokens, a.Limits.Tokens[limit.Minute] = need, tokens })
		if v.Admitted || !v.Tokens[limit.Minute] || v.RetryAfter != after {
			t.Errorf("%+v, want %s", v, after)
		}
	}
	refused(60, 200, 29500*time.Millisecond)
	refused(160, 200, 59500*time.Millisecond)
	refused(1000, 150, 59500*time.Millisecond) // beyond its limit: when nothing is used
	b.now = b.now.Add(29 * time.Second)        // 12:00:59.5
	if got := b.used().Tokens[limit.Minute]; got != 150 {
		t.Errorf("used after 59.5 s: %d", got)
	}
	b.now = b.now.Add(time.Second)
	if got := b.used(); got.Tokens[limit.Minute] != 50 || got.Cost[limit.Minute] != 50 || got.Tokens[limit.Day] != 150 || got.Requests[limit.Hour] != 2 {
		t.Errorf("used after 60.5 s: %+v", got)
	}
	b.now = noon().Add(59*time.Minute + 59*time.Second)
	if got := b.used(); got.Tokens[limit.Minute] != 0 || got.Requests[limit.Hour] != 2 {
		t.Errorf("used after an hour but a second: %+v", got)
	}
	_, v := b.admit(func(a *limit.Admission) { a.Limits.Requests[limit.Hour] = 2 })
	if v.Admitted || !v.Requests[limit.Hour] || v.RetryAfter != time.Second {
		t.Errorf("%+v", v)
	}
	b.now = noon().Add(time.Hour)
	if got := b.used(); got.Requests[limit.Hour] != 0 || got.Requests[limit.Day] != 2 {
		t.Errorf("used after an hour: %+v", got)
	}
}

func TestLimitsOfTheCalendar(t *testing.T) {
	b := newBench(t, redis.Options{URL: redistest.Start(t).URL()}, redis.LimitsOptions{})
	a, _ := b.admit(nil)
	b.settle(a, limit.Amounts{Tokens: 7, Cost: 7}, "")
	b.settled()
	for _, c := range []struct {
		at               time.Time
		day, week, month int64
	}{
		{time.Date(2026, 11, 25, 23, 59, 59, 0, time.UTC), 7, 7, 7},
		{time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC), 0, 7, 7},
		{time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC), 0, 0, 7},
		{time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), 0, 0, 0},
		{time.Date(2026, 11, 30, 23, 59, 59, 0, time.UTC), 0, 0, 7}, // a clock that is behind
	} {
		b.now = c.at
		u := b.used()
		if u.Tokens[limit.Day] != c.day || u.Tokens[limit.Week] != c.week || u.Tokens[limit.Month] != c.month || int64(u.Cost[limit.Week]) != c.week {
			t.Errorf("%s: %+v", c.at, u)
		}
	}
	// A replica whose clock is behind at midnight counts into the day before.
	b.now = time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)
	a, _ = b.admit(nil)
	b.now = b.now.Add(-time.Second)
	b.settle(a, limit.Amounts{Tokens: 2}, "")
	b.settled()
	if u := b.used(); u.Tokens[limit.Day] != 2 {
		t.Errorf("the day before: %+v", u)
	}
	b.now = b.now.Add(2 * time.Second)
	if u := b.used(); u.Tokens[limit.Day] != 0 || u.Tokens[limit.Week] != 9 {
		t.Errorf("%+v", u)
	}
}

// A clock that was a year ahead for a while leaves no window that never ends.
func TestLimitsAfterAClockWasWrong(t *testing.T) {
	b := newBench(t, redis.Options{URL: redistest.Start(t).URL()}, redis.LimitsOptions{})
	spend := func() {
		a, _ := b.admit(nil)
		b.settle(a, limit.Amounts{Tokens: 5}, "")
		b.settled()
	}
	b.now = noon().AddDate(1, 0, 0)
	spend()
	b.now = noon()
	spend()
	if u := b.used(); u.Tokens[limit.Minute] != 10 || u.Tokens[limit.Day] != 5 {
		t.Errorf("%+v", u)
	}
	b.now = noon().Add(time.Minute)
	if u := b.used(); u.Tokens[limit.Minute] != 0 {
		t.Errorf("%+v", u)
	}
	b.now = noon().AddDate(0, 1, 0)
	if u := b.used(); u != (limit.Used{}) {
		t.Errorf("%+v", u)
	}
}

func TestLimitsLoose(t *testing.T) {
	b := newBench(t, redis.Options{URL: redistest.Start(t).URL()}, redis.LimitsOptions{})
	loose := func(a *limit.Admission) {
		a.Loose, a.Limits.Tokens[limit.Minute], a.Limits.Requests[limit.Day] = true, 5, 3
	}
	first, v := b.admit(loose)
	if _, v2 := b.admit(loose); !v.Admitted || !v2.Admitted {
		t.Errorf("%+v %+v", v, v2)
	}
	b.want(0, 2, 0)
	b.settle(first, limit.Amounts{Tokens: 5}, "")
	b.settled()
	if _, v = b.admit(loose); v.Admitted || !v.Tokens[limit.Minute] || v.Requests[limit.Day] || v.RetryAfter != time.Minute {
		t.Errorf("%+v", v)
	}
}

func TestLimitsConcurrent(t *testing.T) {
	b := newBench(t, redis.Options{URL: redistest.Start(t).URL()}, redis.LimitsOptions{})
	two := func(a *limit.Admission) { a.Concurrent, a.Deployment = 2, fmt.Sprint("model ", b.next) }
	first, _ := b.admit(two)
	b.admit(two)
	if _, v := b.admit(two); v.Admitted || !v.Concurrent || v.RetryAfter != time.Second {
		t.Errorf("%+v", v)
	}
	b.settle(first, limit.Amounts{}, "")
	b.settled()
	if _, v := b.admit(two); !v.Admitted {
		t.Errorf("%+v", v)
	}
}

// Replicas together admit exactly what the limit allows.
func TestLimitsAreShared(t *testing.T) {
	server := redistest.Start(t)
	one := newBench(t, redis.Options{URL: server.URL()}, redis.LimitsOptions{})
	two := newBench(t, redis.Options{URL: server.URL()}, redis.LimitsOptions{})
	var mu sync.Mutex
	var all sync.WaitGroup
	admitted := 0
	for i := range 400 {
		all.Go(func() {
			b := []*bench{one, two}[i%2]
			limits := limit.None()
			limits.Cost[limit.Month] = 100
			v, err := b.Admit(t.Context(), &limit.Admission{
				Account: limit.Account{Caller: "ann", Deployment: fmt.Sprint(i % 7)}, Ticket: fmt.Sprint(i), Moment: moment(noon()),
				Limits: limits, Need: limit.Amounts{Cost: 1},
			})
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			if v.Admitted {
				admitted++
			}
		})
	}
	all.Wait()
	if admitted != 100 {
		t.Errorf("%d were admitted, want 100", admitted)
	}
	eventually(t, "two replicas", func() bool { return max(one.Replicas(), two.Replicas()) == 2 })
}

// notes are the notes after a position.
func notes(t testing.TB, n *redis.Notes, after string) (texts []string, last string) {
	t.Helper()
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		some, err := n.Read(ctx, after, 7)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		if len(some) == 0 {
			return texts, after
		}
		for _, s := range some {
			texts, after = append(texts, string(s.Data)), s.Position
		}
	}
}

func TestNotes(t *testing.T) {
	server := redistest.Start(t)
	b := newBench(t, redis.Options{URL: server.URL()}, redis.LimitsOptions{})
	n := redis.NewNotes(open(t, redis.Options{URL: server.URL()}))
	var want []string
	for i := range 20 {
		want = append(want, fmt.Sprint("\x00note ", i))
		b.settle(b.ask(nil), limit.Amounts{}, want[i])
	}
	b.settle(b.ask(nil), limit.Amounts{}, "")
	b.settled()
	got, last := notes(t, n, "")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("notes (-want +got):\n%s", diff)
	}
	first, err := n.Read(t.Context(), "", 5)
	if err != nil || len(first) != 5 {
		t.Fatal(first, err)
	}
	if err := n.Trim(t.Context(), first[4].Position); err != nil {
		t.Fatal(err)
	}
	if got, _ := notes(t, n, ""); !slices.Equal(got, want[5:]) {
		t.Errorf("after Trim: %q", got)
	}
	// Read waits.
	read := make(chan string, 1)
	go func() {
		some, err := n.Read(t.Context(), last, 10)
		if err != nil || len(some) != 1 {
			t.Error(some, err)
		}
		read <- string(some[0].Data)
	}()
	b.settle(b.ask(nil), limit.Amounts{}, "late")
	if got := <-read; got != "late" {
		t.Errorf("%q", got)
	}
	if _, err := n.Read(t.Context(), "nowhere", 1); err == nil {
		t.Error("a position that is none was read")
	}
}

// TestNotesThatNobodyReads are not kept: no settlement's, and none of a ticket whose process was killed.
func TestNotesThatNobodyReads(t *testing.T) {
	server := redistest.Start(t)
	b := newBench(t, redis.Options{URL: server.URL()}, redis.LimitsOptions{Unnoted: true})
	a, _ := b.admit(func(a *limit.Admission) { a.Note = []byte("of an admission") })
	_, _ = b.admit(func(a *limit.Admission) { a.Note = []byte("of an admission") })
	b.settle(a, limit.Amounts{Tokens: 3}, "of a settlement")
	b.settled()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	notes, err := redis.NewNotes(open(t, redis.Options{URL: server.URL()})).Read(ctx, "", 10)
	if err != nil || len(notes) != 0 {
		t.Errorf("%d notes, %v", len(notes), err)
	}
	if used := b.used(); used.Tokens[limit.Day] != 13 {
		t.Errorf("what was used is %+v", used)
	}
}
