package limittest

import (
	"context"
	"math"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"outcrop/internal/limit"
	"outcrop/internal/money"
)

// TestStore checks that a store counts as all do. open gives an empty one; settled waits until all settlements count,
// for a store that settles in the background.
func TestStore(t *testing.T, open func(t *testing.T) limit.Store, settled func(limit.Store)) {
	for name, test := range map[string]func(*bench){
		"what is reserved counts until it is settled":  reserves,
		"loose admits what is below":                   loose,
		"a minute and an hour go with the time":        rolling,
		"a day, a week and a month are the calendar's": calendars,
		"requests that are admitted stay counted":      requests,
		"cost is over all deployments":                 costs,
		"so many at a time":                            concurrent,
		"a burst stays within the limit":               burst,
		"large numbers are exact, and do not wrap":     large,
		"a clock that goes back unlocks nothing":       clocks,
		"what needed no ticket counts too":             ticketless,
	} {
		t.Run(name, func(t *testing.T) {
			test(&bench{T: t, store: open(t), settled: settled, me: limit.Account{Caller: "Keys/" + name + "/", Deployment: "gpt"}})
		})
	}
}

type bench struct {
	*testing.T
	store   limit.Store
	settled func(limit.Store)
	me      limit.Account
	n       int
}

// at is a moment so long after a Wednesday's noon, the 25th of November 2026.
func at(after time.Duration) limit.Moment {
	return limit.Schedule{WeekStart: time.Monday}.Moment(time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC).Add(after))
}

func (b *bench) admission(after time.Duration, limits limit.Limits, tokens int64) *limit.Admission {
	b.n++
	return &limit.Admission{
		Account: b.me, Ticket: "ticket-" + strconv.Itoa(b.n), Moment: at(after), Limits: limits, Need: limit.Amounts{Tokens: tokens, Requests: 1},
	}
}

func (b *bench) ask(a *limit.Admission) limit.Verdict {
	b.Helper()
	v, err := b.store.Admit(b.Context(), a)
	if err != nil {
		b.Fatal(err)
	}
	return v
}

func (b *bench) admit(a *limit.Admission, want bool) limit.Verdict {
	b.Helper()
	v := b.ask(a)
	if v.Admitted != want {
		b.Errorf("admitted: %v, want %v: %+v", v.Admitted, want, v)
	}
	return v
}

func (b *bench) settle(a *limit.Admission, after time.Duration, spent limit.Amounts) {
	b.Helper()
	held := limit.Amounts{Tokens: a.Need.Tokens, Cost: a.Need.Cost}
	if a.Loose {
		held = limit.Amounts{}
	}
	if !b.store.Settle(&limit.Settlement{Account: a.Account, Ticket: a.Ticket, Moment: at(after), Reserved: held, Spent: spent}) {
		b.Error("the settlement was not taken")
	}
	b.settled(b.store)
}

func (b *bench) used(after time.Duration) limit.Used {
	b.Helper()
	used, err := b.store.Read(b.Context(), at(after), []limit.Account{b.me})
	if err != nil {
		b.Fatal(err)
	}
	return used[0]
}

func tokens(w limit.Window, n int64) limit.Limits {
	l := limit.None()
	l.Tokens[w] = n
	return l
}

func reserves(b *bench) {
	limits := tokens(limit.Day, 100)
	first := b.admission(0, limits, 60)
	b.admit(first, true)
	v := b.admit(b.admission(time.Second, limits, 60), false)
	if !v.Tokens[limit.Day] || v.Used.Tokens[limit.Day] != 60 || v.RetryAfter <= 0 {
		b.Errorf("%+v", v)
	}
	second := b.admission(time.Second, limits, 40)
	b.admit(second, true)
	b.admit(b.admission(time.Second, limits, 0), false) // it is full
	b.settle(first, 2*time.Second, limit.Amounts{Tokens: 10})
	b.settle(second, 2*time.Second, limit.Amounts{Tokens: 20})
	if used := b.used(2 * time.Second); used.Tokens[limit.Day] != 30 || used.Tokens[limit.Minute] != 30 || used.Tokens[limit.Month] != 30 {
		b.Errorf("%+v", used)
	}
	b.admit(b.admission(3*time.Second, limits, 70), true)
}

func loose(b *bench) {
	limits := tokens(limit.Minute, 100)
	for range 3 {
		a := b.admission(0, limits, 1000)
		a.Loose = true
		b.admit(a, true)
	}
	a := b.admission(0, limits, 0)
	a.Loose = true
	b.admit(a, true)
	b.settle(a, 0, limit.Amounts{Tokens: 100})
	again := b.admission(time.Second, limits, 1)
	again.Loose = true
	if v := b.admit(again, false); v.RetryAfter != 59*time.Second {
		b.Errorf("%v", v.RetryAfter)
	}
}

func rolling(b *bench) {
	limits := tokens(limit.Minute, 100)
	limits.Requests[limit.Hour] = 3
	for i, after := range []time.Duration{0, 30 * time.Second} {
		a := b.admission(after, limits, 50)
		b.admit(a, true)
		b.settle(a, after, limit.Amounts{Tokens: 50})
		if used := b.used(after); used.Tokens[limit.Minute] != int64(50*(i+1)) {
			b.Errorf("%+v", used)
		}
	}
	if v := b.admit(b.admission(59*time.Second, limits, 50), false); v.RetryAfter != time.Second {
		b.Errorf("there is room again after %v", v.RetryAfter)
	}
	third := b.admission(60*time.Second, limits, 50)
	b.admit(third, true)
	b.settle(third, 60*time.Second, limit.Amounts{Tokens: 1})
	if v := b.admit(b.admission(5*time.Minute, limits, 1), false); !v.Requests[limit.Hour] || v.RetryAfter != 55*time.Minute {
		b.Errorf("%+v", v)
	}
	b.admit(b.admission(time.Hour, limits, 1), true)
}

func calendars(b *bench) {
	for w, ends := range map[limit.Window]time.Duration{limit.Day: 12 * time.Hour, limit.Week: 108 * time.Hour, limit.Month: 132 * time.Hour} {
		b.me.Deployment = "of window " + strconv.Itoa(int(w))
		limits := tokens(w, 10)
		a := b.admission(0, limits, 10)
		b.admit(a, true)
		b.settle(a, 0, limit.Amounts{Tokens: 10})
		if v := b.admit(b.admission(ends-time.Second, limits, 1), false); v.RetryAfter != time.Second || !v.Tokens[w] {
			b.Errorf("window %d: %+v", w, v)
		}
		b.admit(b.admission(ends, limits, 10), true)
	}
}

func requests(b *bench) {
	limits := limit.None()
	limits.Requests[limit.Day] = 2
	first := b.admission(0, limits, 5)
	b.admit(first, true)
	b.settle(first, 0, limit.Amounts{})
	b.admit(b.admission(0, limits, 5), true)
	b.admit(b.admission(0, limits, 5), false)
	if used := b.used(0); used.Requests[limit.Day] != 2 || used.Requests[limit.Hour] != 2 {
		b.Errorf("%+v", used)
	}
}

func costs(b *bench) {
	limits := limit.None()
	limits.Cost[limit.Month] = money.Dollar
	a := b.admission(0, limits, 0)
	a.Need.Cost = money.Dollar * 3 / 4
	b.admit(a, true)
	b.me.Deployment = "another"
	other := b.admission(0, limits, 0)
	other.Need.Cost = money.Dollar / 2
	if v := b.admit(other, false); !v.Cost[limit.Month] || v.Used.Cost[limit.Month] != money.Dollar*3/4 {
		b.Errorf("%+v", v)
	}
	b.settle(a, 0, limit.Amounts{Cost: 1})
	if used := b.used(0); used.Cost[limit.Minute] != 1 || used.Cost[limit.Month] != 1 {
		b.Errorf("%+v", used)
	}
	b.admit(other, true)
}

func concurrent(b *bench) {
	a := b.admission(0, limit.None(), 0)
	a.Concurrent = 1
	b.admit(a, true)
	b.me.Deployment = "another"
	other := b.admission(0, limit.None(), 0)
	other.Concurrent = 1
	if v := b.admit(other, false); !v.Concurrent || v.RetryAfter != time.Second {
		b.Errorf("%+v", v)
	}
	b.settle(a, 0, limit.Amounts{})
	b.admit(other, true)
}

func burst(b *bench) {
	limits := tokens(limit.Minute, 1000)
	var admitted atomic.Int64
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			for j := range 10 {
				a := &limit.Admission{Account: b.me, Ticket: strconv.Itoa(i*100 + j), Moment: at(0), Limits: limits, Need: limit.Amounts{Tokens: 7, Requests: 1}}
				v, err := b.store.Admit(context.WithoutCancel(b.Context()), a)
				if err != nil {
					b.Error(err)
					return
				}
				if v.Admitted {
					admitted.Add(1)
					b.store.Settle(&limit.Settlement{Account: b.me, Ticket: a.Ticket, Moment: at(0), Reserved: limit.Amounts{Tokens: 7}, Spent: limit.Amounts{Tokens: 7}})
				}
			}
		})
	}
	all.Wait()
	b.settled(b.store)
	if used := b.used(0); admitted.Load() != 142 || used.Tokens[limit.Minute] != 994 || used.Requests[limit.Hour] != 142 {
		b.Errorf("%d admitted, %+v", admitted.Load(), used)
	}
}

func large(b *bench) {
	const beyond = 1<<53 + 1
	limits := tokens(limit.Month, math.MaxInt64-1)
	a := b.admission(0, limits, beyond)
	b.admit(a, true)
	b.settle(a, 0, limit.Amounts{Tokens: beyond, Cost: money.Max - 5})
	if used := b.used(0); used.Tokens[limit.Month] != beyond || used.Cost[limit.Month] != money.Max-5 {
		b.Errorf("%+v", used)
	}
	huge := b.admission(0, limits, math.MaxInt64)
	b.admit(huge, false)
	a = b.admission(0, limits, 1)
	b.admit(a, true)
	b.settle(a, 0, limit.Amounts{Tokens: math.MaxInt64, Cost: money.Max})
	if used := b.used(0); used.Tokens[limit.Month] != math.MaxInt64 || used.Cost[limit.Month] != money.Max {
		b.Errorf("%+v", used)
	}
}

func clocks(b *bench) {
	limits := tokens(limit.Minute, 100)
	a := b.admission(0, limits, 100)
	b.admit(a, true)
	b.settle(a, 0, limit.Amounts{Tokens: 100})
	b.admit(b.admission(-10*time.Second, limits, 1), false)
	b.admit(b.admission(-time.Hour, limits, 1), false)
	b.admit(b.admission(-time.Hour+61*time.Second, limits, 1), true) // the clock was wrong: nobody waits an hour for it
}

func ticketless(b *bench) {
	if !b.store.Settle(&limit.Settlement{Account: b.me, Moment: at(0), Spent: limit.Amounts{Tokens: 5, Requests: 1, Cost: 7}}) {
		b.Error("the settlement was not taken")
	}
	b.settled(b.store)
	if used := b.used(0); used.Tokens[limit.Week] != 5 || used.Requests[limit.Day] != 1 || used.Cost[limit.Day] != 7 {
		b.Errorf("%+v", used)
	}
}
