package redis_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/limit"
	"outcrop/internal/money"
	"outcrop/internal/redis"
	"outcrop/internal/redis/redistest"
)

// Redis and memory count alike, whatever comes, also when the clock jumps.
func TestLimitsCountLikeMemory(t *testing.T) {
	server := redistest.Start(t)
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			b := newBench(t, redis.Options{URL: server.URL(), Prefix: t.Name()}, redis.LimitsOptions{})
			c := &couple{bench: b, memory: limit.NewMemory(nil), dice: rand.New(rand.NewPCG(seed, 1))}
			for range 700 {
				c.step()
				if t.Failed() {
					return
				}
			}
		})
	}
}

// couple does the same to both stores.
type couple struct {
	*bench
	memory *limit.Memory
	dice   *rand.Rand
	open   []*limit.Admission
}

func (c *couple) step() {
	switch n := c.dice.IntN(20); {
	case n < 9:
		c.admitBoth()
	case n < 15 && len(c.open) > 0:
		i := c.dice.IntN(len(c.open))
		c.settleBoth(c.open[i])
		c.open[i] = c.open[len(c.open)-1]
		c.open = c.open[:len(c.open)-1]
	case n == 15:
		c.settleBoth(&limit.Admission{Account: c.account()})
	case n == 16:
		c.now = c.now.Add(-time.Duration(c.dice.Int64N(int64(100 * time.Second))))
	case n == 17 && c.dice.IntN(4) == 0:
		c.now = c.now.Add(time.Duration(c.dice.Int64N(int64(40*24*time.Hour))) - 10*24*time.Hour)
	case n == 18:
		c.now = c.now.Add(time.Duration(c.dice.Int64N(int64(50 * time.Minute))))
	default:
		c.now = c.now.Add(time.Duration(c.dice.Int64N(int64(20 * time.Second))))
	}
	c.readBoth()
}

func (c *couple) account() limit.Account {
	return limit.Account{Caller: fmt.Sprint(c.dice.IntN(2)), Deployment: fmt.Sprint(c.dice.IntN(2))}
}

// some is an amount, at times beyond what a double holds exactly.
func (c *couple) some() int64 {
	switch c.dice.IntN(10) {
	case 0:
		return 0
	case 1:
		return c.dice.Int64N(1 << 56)
	default:
		return c.dice.Int64N(100)
	}
}

func (c *couple) limit() int64 {
	switch c.dice.IntN(12) {
	case 0:
		return c.dice.Int64N(1 << 59)
	case 1:
		return c.dice.Int64N(500)
	default:
		return limit.Unlimited
	}
}

func (c *couple) admitBoth() {
	a := c.ask(func(a *limit.Admission) {
		a.Account = c.account()
		a.Need = limit.Amounts{Tokens: c.some(), Requests: c.dice.Int64N(2), Cost: money.Amount(c.some())}
		a.Loose, a.Concurrent = c.dice.IntN(4) == 0, c.dice.IntN(20)
		for _, w := range []limit.Window{limit.Minute, limit.Day, limit.Week, limit.Month} {
			a.Limits.Tokens[w], a.Limits.Cost[w] = c.limit(), money.Amount(c.limit())
		}
		a.Limits.Requests[limit.Hour], a.Limits.Requests[limit.Day] = c.limit(), c.limit()
	})
	want, err := c.memory.Admit(c.t.Context(), a)
	if err != nil {
		c.t.Fatal(err)
	}
	got, err := c.Admit(c.t.Context(), a)
	if err != nil {
		c.t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		c.t.Errorf("%s: %+v (-memory +redis):\n%s", c.now, a, diff)
	}
	if want.Admitted {
		c.open = append(c.open, a)
	}
}

func (c *couple) settleBoth(a *limit.Admission) {
	s := &limit.Settlement{Account: a.Account, Ticket: a.Ticket, Moment: moment(c.now), Reserved: a.Need}
	if a.Loose {
		s.Reserved = limit.Amounts{}
	}
	s.Spent = limit.Amounts{Tokens: c.some(), Requests: c.dice.Int64N(2), Cost: money.Amount(c.some())}
	c.memory.Settle(s)
	c.Settle(s)
	c.settled()
}

func (c *couple) readBoth() {
	accounts := []limit.Account{{Caller: "0", Deployment: "0"}, {Caller: "0", Deployment: "1"}, {Caller: "1", Deployment: "0"}, {Caller: "1", Deployment: "1"}}
	want, _ := c.memory.Read(c.t.Context(), moment(c.now), accounts)
	got, err := c.Read(c.t.Context(), moment(c.now), accounts)
	if err != nil {
		c.t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		c.t.Errorf("%s (-memory +redis):\n%s", c.now, diff)
	}
}
