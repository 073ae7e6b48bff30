package limit

import (
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"outcrop/internal/money"
)

// spent is a use that the simulation remembers, to count it again as slowly as can be.
type spent struct {
	at     time.Time
	tokens int64
	cost   money.Amount
}

// simulated is a caller of the simulation: what it runs, and all that it has used.
type simulated struct {
	running []struct {
		until  time.Time
		ticket *Ticket
		tokens int64
	}
	used               []spent
	admitted, refusals int
}

// TestAMonthOfLimits plays a month in virtual time: callers with bursts of requests, whose estimates are exact. No window
// is ever over its limit, by a count that remembers every use; and the limits are used, not only kept.
func TestAMonthOfLimits(t *testing.T) {
	for i, zoneName := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe"} {
		schedule := Schedule{Zone: zone(t, zoneName), WeekStart: time.Weekday(i * 3), Reset: time.Duration(i) * 150 * time.Minute}
		random := rand.New(rand.NewPCG(7, uint64(i)))
		now := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC) // clocks change in this month, or the next
		l := New(Options{Store: NewMemory(nil), Now: func() time.Time { return now }})
		l.Keep(schedule)
		limits := None()
		limits.Tokens = [Windows]int64{10_000, Unlimited, 600_000, 3_000_000, 9_000_000}
		limits.Requests[Hour], limits.Requests[Day] = 200, 2000
		limits.Cost[Day], limits.Cost[Month] = 5*money.Dollar, 80*money.Dollar
		callers := make([]simulated, 5)
		for end := now.Add(33 * 24 * time.Hour); now.Before(end); now = now.Add(time.Duration(random.IntN(90)) * time.Second) {
			i := random.IntN(len(callers))
			c := &callers[i]
			c.settle(now)
			for range random.IntN(12) {
				c.ask(t, l, "Keys/"+strconv.Itoa(i)+"/", limits, random, now)
			}
			if random.IntN(400) == 0 {
				c.check(t, schedule, limits, now)
			}
		}
		for i := range callers {
			c := &callers[i]
			c.check(t, schedule, limits, now)
			total := int64(0)
			for _, u := range c.used {
				total += u.tokens
			}
			if total < limits.Tokens[Month]*8/10 || c.refusals == 0 {
				t.Errorf("%s: caller %d used %d of %d tokens, %d requests were refused", zoneName, i, total, limits.Tokens[Month], c.refusals)
			}
		}
	}
}

// ask is a request that uses just what it may.
func (c *simulated) ask(t *testing.T, l *Limiter, caller string, limits Limits, random *rand.Rand, now time.Time) {
	t.Helper()
	tokens := int64(1 + random.IntN(3000))
	ticket, err := l.Admit(t.Context(), &Ask{
		Account: Account{caller, "gpt"}, Limits: limits, Estimate: Amounts{Tokens: tokens, Cost: money.Amount(tokens) * money.Dollar / 100_000},
	})
	if err != nil {
		if c.refusals++; err.(*Refusal).RetryAfter < time.Second { //nolint:errorlint,forcetypeassert // there is no other
			t.Errorf("%v: come back after %v", err, err.(*Refusal).RetryAfter) //nolint:errorlint,forcetypeassert // as above
		}
		return
	}
	c.admitted++
	c.running = append(c.running, struct {
		until  time.Time
		ticket *Ticket
		tokens int64
	}{now.Add(time.Duration(random.IntN(20)) * time.Second), ticket, tokens})
}

// settle ends what has ended.
func (c *simulated) settle(now time.Time) {
	rest := c.running[:0]
	for _, r := range c.running {
		if now.Before(r.until) {
			rest = append(rest, r)
			continue
		}
		cost := money.Amount(r.tokens) * money.Dollar / 100_000
		r.ticket.Settle(Amounts{Tokens: r.tokens, Cost: cost}, nil)
		c.used = append(c.used, spent{now, r.tokens, cost})
	}
	c.running = rest
}

// check counts all again, window by window.
func (c *simulated) check(t *testing.T, schedule Schedule, limits Limits, now time.Time) {
	t.Helper()
	at := schedule.Moment(now)
	at.Start[Minute] = now.Add(-59 * time.Second)
	for _, w := range []Window{Minute, Day, Week, Month} {
		var tokens int64
		var cost money.Amount
		for i := len(c.used) - 1; i >= 0 && !c.used[i].at.Before(at.Start[w]); i-- {
			tokens, cost = tokens+c.used[i].tokens, cost+c.used[i].cost
		}
		if tokens > limits.Tokens[w] || cost > limits.Cost[w] {
			t.Errorf("at %v window %d has %d of %d tokens, $%v of %v", now, w, tokens, limits.Tokens[w], cost, limits.Cost[w])
		}
	}
}

// TestABurstThatDoesNotReserve: DIAL's rule goes as far beyond a limit as there are requests at a time; reserving does
// not go beyond it at all.
func TestABurstThatDoesNotReserve(t *testing.T) {
	for _, loose := range []bool{true, false} {
		l := New(Options{Store: NewMemory(nil), Loose: loose})
		limits := None()
		limits.Tokens[Minute] = 10_000
		var tickets []*Ticket
		for range 100 {
			ticket, err := l.Admit(t.Context(), &Ask{Account: Account{"a", "gpt"}, Limits: limits, Estimate: Amounts{Tokens: 1000}})
			if err == nil {
				tickets = append(tickets, ticket)
			}
		}
		for _, ticket := range tickets {
			ticket.Settle(Amounts{Tokens: 1000}, nil)
		}
		used, _, err := l.Used(t.Context(), Account{"a", "gpt"})
		want := int64(10_000)
		if loose {
			want = 100_000
		}
		if err != nil || used[0].Tokens[Minute] != want {
			t.Errorf("loose: %v: %d tokens of 10000, %v", loose, used[0].Tokens[Minute], err)
		}
	}
}
