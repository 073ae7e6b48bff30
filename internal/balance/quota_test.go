package balance

import (
	"math/rand/v2"
	"testing"
	"time"

	"outcrop/internal/llm"
)

// account is an upstream that enforces its quota as AWS does: a bucket that a minute fills. A request reserves its
// prompt and its max_tokens, or is refused; at the end the reservation is given back, and what was spent is taken:
// the prompt, and the answer times the burndown. What was read from the cache is not counted.
// https://docs.aws.amazon.com/bedrock/latest/userguide/quotas-token-burndown.html
type account struct {
	quota, left float64
	burndown    int
	at          time.Time
}

func (a *account) fill(now time.Time) {
	a.left = min(a.quota, a.left+now.Sub(a.at).Minutes()*a.quota)
	a.at = now
}

func (a *account) admit(now time.Time, reserved float64) bool {
	if a.fill(now); a.left < reserved {
		return false
	}
	a.left -= reserved
	return true
}

// call is a request of the simulation.
type call struct {
	prompt, longest int
	usage           llm.Usage
	took            time.Duration
}

func (c call) reserved() float64 { return float64(c.prompt + c.longest) }

func (a *account) spent(c call) float64 {
	return float64(c.usage.Input + c.usage.CacheWrite + c.usage.Output*a.burndown)
}

// randomCall is a chat of a few hundred to a few thousand tokens.
func randomCall(r *rand.Rand) call {
	prompt, output := 200+r.IntN(1800), 50+r.IntN(450)
	read := 0
	if r.IntN(3) == 0 {
		read = prompt / 2
	}
	return call{
		prompt: prompt, longest: 1000, took: time.Second + time.Duration(output)*10*time.Millisecond,
		usage: llm.Usage{Input: prompt - read, CacheRead: read, Output: output},
	}
}

// outcome is what became of a simulation's calls.
type outcome struct{ calls, throttled, used float64 }

// quotas are those of four accounts, in tokens per minute.
var quotas = [...]float64{100_000, 200_000, 400_000, 1_000_000} //nolint:gochecknoglobals // constant

// simulateQuotas plays an hour of calls; choose sends one to an account, and says whether it was admitted.
func simulateQuotas(t *testing.T, burndown int, load float64, choose func(c *clock, accounts []*account, what call) (sent []bool)) outcome {
	t.Helper()
	c, r := newClock(), rand.New(rand.NewPCG(5, 6))
	accounts, total := make([]*account, len(quotas)), 0.0
	for i, q := range quotas {
		accounts[i] = &account{quota: q, left: q, burndown: burndown, at: c.now}
		total += q
	}
	mean := 0.0
	for range 10_000 {
		mean += accounts[0].spent(randomCall(r)) / 10_000
	}
	var out outcome
	const length = time.Hour
	for began := c.now; c.now.Sub(began) < length; {
		c.pass(time.Duration(r.ExpFloat64() * mean / (load * total) * float64(time.Minute)))
		what := randomCall(r)
		for _, admitted := range choose(c, accounts, what) {
			if out.calls++; !admitted {
				out.throttled++
				continue
			}
			out.used += accounts[0].spent(what)
		}
	}
	out.used /= total * (length.Minutes() + 1) // what they begin with among it
	out.throttled /= out.calls
	return out
}

// roundRobin is a balancer that knows nothing.
func roundRobin() func(*clock, []*account, call) []bool {
	turn := 0
	ends := newEndings()
	return func(c *clock, accounts []*account, what call) []bool {
		ends.until(c.now)
		a := accounts[turn%len(accounts)]
		turn++
		if !a.admit(c.now, what.reserved()) {
			return []bool{false}
		}
		ends.add(c.now.Add(what.took), func(now time.Time) { a.settle(now, what) })
		return []bool{true}
	}
}

func (a *account) settle(now time.Time, what call) {
	a.fill(now)
	a.left = min(a.quota, a.left+what.reserved()-a.spent(what))
}

// balancing is the group, which knows the quotas, and of a prompt only about how long it is.
func balancing(t *testing.T, burndown int) func(*clock, []*account, call) []bool {
	t.Helper()
	var g *Group
	ends, r := newEndings(), rand.New(rand.NewPCG(8, 9))
	return func(c *clock, accounts []*account, what call) (sent []bool) {
		if g == nil {
			var upstreams []Upstream
			for _, q := range quotas {
				upstreams = append(upstreams, Upstream{Weight: 1, Quota: Quota{TokensPerMinute: int64(q), Burndown: burndown}})
			}
			g = groupOf(c, len(accounts), upstreams...)
		}
		ends.until(c.now)
		guess := int(float64(what.prompt) * (0.8 + 0.4*r.Float64()))
		turn := begin(t, g, Ask{Need: Need{Prompt: guess, Output: what.longest}})
		for i := next(turn); i >= 0; i = next(turn) {
			a := accounts[i]
			if !a.admit(c.now, what.reserved()) {
				sent = append(sent, false)
				turn.Fail(Failure{Status: 429})
				continue
			}
			ends.add(c.now.Add(what.took), func(now time.Time) {
				a.settle(now, what)
				turn.Done(&what.usage)
			})
			turn.First()
			return append(sent, true)
		}
		return sent
	}
}

// endings are what happens when answers end.
type endings struct {
	at   []time.Time
	what []func(time.Time)
}

func newEndings() *endings { return &endings{} }

func (e *endings) add(at time.Time, what func(time.Time)) {
	e.at, e.what = append(e.at, at), append(e.what, what)
}

func (e *endings) until(now time.Time) {
	n := 0
	for i, at := range e.at {
		if at.After(now) {
			e.at[n], e.what[n] = at, e.what[i]
			n++
			continue
		}
		e.what[i](now)
	}
	e.at, e.what = e.at[:n], e.what[:n]
}

// TestQuotasAreUsed: nearly all of them, and hardly a call is refused, where taking turns has many refused.
func TestQuotasAreUsed(t *testing.T) {
	for _, burndown := range []int{1, 5} {
		plain := simulateQuotas(t, burndown, 0.98, roundRobin())
		ours := simulateQuotas(t, burndown, 0.98, balancing(t, burndown))
		t.Logf("burndown %d: round-robin has %.1f %% of %.0f calls throttled and uses %.1f %% of the quotas; the balancer %.2f %% of %.0f and %.1f %%",
			burndown, 100*plain.throttled, plain.calls, 100*plain.used, 100*ours.throttled, ours.calls, 100*ours.used)
		if plain.throttled < 0.2 || ours.throttled >= 0.01 || ours.used < 0.95 {
			t.Error("not as promised")
		}
	}
}

// TestAClientThatLeaves before there is an answer takes of the quota what its prompt is, and no answer.
func TestAClientThatLeaves(t *testing.T) {
	g := New(Options{Name: "model:m", Attempts: 1, Upstreams: []Upstream{{ID: "a", Weight: 1, Quota: Quota{TokensPerMinute: 10_000, MaxOutput: 8000}}}})
	now := time.Now()
	g.now = func() time.Time { return now }
	g.states[0].bucket = newBucket(g.upstreams[0].Quota, now)
	for _, tt := range []struct {
		ask  Ask
		left float64
	}{{Ask{Need: Need{Prompt: 100}}, 9900}, {Ask{Need: Need{Prompt: 100, Output: 500}}, 9800}, {Ask{Need: Need{Prompt: 100}, Free: true}, 9800}} {
		turn := begin(t, g, tt.ask)
		next(turn)
		turn.Done(nil)
		if left := g.State()[0].Left; left != tt.left {
			t.Errorf("%+v: %v tokens are left, not %v", tt.ask, left, tt.left)
		}
	}
}
