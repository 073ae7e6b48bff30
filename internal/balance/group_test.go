package balance

import (
	"errors"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"

	"outcrop/internal/llm"
)

// clock is a time that passes when it is told to.
type clock struct{ now time.Time }

func newClock() *clock                { return &clock{time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)} }
func (c *clock) Now() time.Time       { return c.now }
func (c *clock) pass(d time.Duration) { c.now = c.now.Add(d) }

func seeded(seed uint64) func(uint64) uint64 {
	return rand.New(rand.NewPCG(seed, 1)).Uint64N
}

func groupOf(c *clock, attempts int, upstreams ...Upstream) *Group {
	return New(Options{Name: "model:m", Upstreams: upstreams, Attempts: attempts, now: c.Now, random: seeded(7)})
}

func begin(t *testing.T, g *Group, a Ask) *Turn {
	t.Helper()
	turn, err := g.Begin(a)
	if err != nil {
		t.Fatal(err)
	}
	return turn
}

// next is the upstream that a request is sent to, -1 for none.
func next(turn *Turn) int {
	if i, ok := turn.Next(); ok {
		return i
	}
	return -1
}

// TestWhenAnUpstreamIsBack checks how long it rests after each kind of failure.
func TestWhenAnUpstreamIsBack(t *testing.T) {
	for _, tt := range []struct {
		name    string
		failure Failure
		rests   []time.Duration // after the first, the second …
	}{
		{"a throttle", Failure{Status: 429}, []time.Duration{30 * time.Second, 30 * time.Second}},
		{"a guess is no less than the default", Failure{Status: 429, RetryAfter: 5 * time.Second}, []time.Duration{30 * time.Second}},
		{"a long guess counts", Failure{Status: 429, RetryAfter: time.Hour}, []time.Duration{time.Hour}},
		{"a throttle that says how long", Failure{Status: 429, RetryAfter: 3 * time.Second, Stated: true}, []time.Duration{3 * time.Second, 3 * time.Second}},
		{"an outage", Failure{Status: 503}, []time.Duration{2, 4, 8, 16, 32, 64, 128, 256, 300, 300}},
		{"an outage that says how long", Failure{Status: 502, RetryAfter: 7 * time.Second, Stated: true}, []time.Duration{7 * time.Second}},
		{"a failure that is passed on", Failure{Status: 500}, []time.Duration{2, 4}},
		{"a mistake of the client's", Failure{Status: 400}, []time.Duration{0, 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newClock()
			g := groupOf(c, 2, Upstream{ID: "a", Weight: 1}, Upstream{ID: "b", Weight: 1, Tier: 1})
			for _, rest := range tt.rests {
				if rest < time.Second {
					rest *= time.Second
				}
				turn := begin(t, g, Ask{})
				if i := next(turn); i != 0 {
					t.Fatalf("upstream %d is asked", i)
				}
				turn.Fail(tt.failure)
				if rest > 0 {
					c.pass(rest - time.Millisecond)
					if turn = begin(t, g, Ask{}); next(turn) != 1 {
						t.Errorf("it is asked before %v have passed", rest)
					}
					turn.Done(nil)
				}
				c.pass(time.Millisecond)
			}
			turn := begin(t, g, Ask{})
			if next(turn) != 0 {
				t.Fatal("it is not back")
			}
			turn.First()
			turn.Done(nil)
			if turn = begin(t, g, Ask{}); next(turn) != 0 {
				t.Fatal("it answered, and is not asked")
			}
			turn.Fail(Failure{Status: 503})
			if c.pass(2 * time.Second); next(begin(t, g, Ask{})) != 0 {
				t.Error("the failures before its answer still count")
			}
		})
	}
}

// TestOneOutageCountsOnce: requests that were all under way when it began say nothing new.
func TestOneOutageCountsOnce(t *testing.T) {
	c := newClock()
	g := groupOf(c, 1, Upstream{ID: "a", Weight: 1}, Upstream{ID: "b", Weight: 1, Tier: 1})
	turns := make([]*Turn, 50)
	for i := range turns {
		turns[i] = begin(t, g, Ask{})
		next(turns[i])
	}
	late := begin(t, g, Ask{})
	next(late)
	c.pass(time.Second)
	for _, turn := range turns {
		turn.Fail(Failure{Status: 503})
	}
	if late.First(); next(begin(t, g, Ask{})) != 1 {
		t.Error("an answer to a request from before the outage ended it")
	}
	if c.pass(2 * time.Second); next(begin(t, g, Ask{})) != 0 {
		t.Error("it rests longer than after one failure")
	}
}

// TestTheLeastBadIsAsked when all upstreams rest.
func TestTheLeastBadIsAsked(t *testing.T) {
	c := newClock()
	failures := []Failure{
		{Status: 429, RetryAfter: time.Second, Stated: true},
		{Status: 429},
		{Status: 503, RetryAfter: time.Minute, Stated: true},
		{Status: 503, RetryAfter: 50 * time.Second, Stated: true},
		{Status: 502},
	}
	var upstreams []Upstream
	for i := range failures {
		upstreams = append(upstreams, Upstream{Weight: 1, Tier: i})
	}
	g := groupOf(c, 9, upstreams...)
	turn := begin(t, g, Ask{})
	for _, f := range failures {
		next(turn)
		turn.Fail(f)
	}
	if i := next(turn); i != -1 {
		t.Errorf("upstream %d is asked twice", i)
	}
	var order []int
	turn = begin(t, g, Ask{})
	for i := next(turn); i >= 0; i = next(turn) {
		order = append(order, i)
		turn.Fail(Failure{Status: 400})
	}
	if !slices.Equal(order, []int{4, 3, 2, 1, 0}) {
		t.Errorf("asked in the order %v", order)
	}
}

func TestWhatFailsIsAskedElsewhere(t *testing.T) {
	g := New(Options{Upstreams: []Upstream{{Weight: 1}, {Weight: 1}}, Attempts: 2, Retriable: []int{403, 500}})
	for status, want := range map[int]bool{400: false, 401: false, 403: true, 404: false, 429: true, 500: true, 501: false, 502: true, 503: true, 504: true} {
		turn := begin(t, g, Ask{})
		next(turn)
		if got := turn.Fail(Failure{Status: status}); got != want {
			t.Errorf("%d: %v", status, got)
		}
	}
}

func TestAPinnedRequestHasNoOther(t *testing.T) {
	g := New(Options{Upstreams: []Upstream{{ID: "a", Weight: 1}, {Weight: 1}, {ID: "c"}}, Attempts: 3})
	if _, err := g.Begin(Ask{Wish: llm.Wish{Upstream: "c"}}); llm.AsError(err).Kind != llm.KindInvalid {
		t.Errorf("one that is disabled: %v", err)
	}
	turn := begin(t, g, Ask{Wish: llm.Wish{Upstream: "2"}})
	if i := next(turn); i != 1 {
		t.Fatalf("upstream %d", i)
	}
	if turn.Fail(Failure{Status: 503}) || next(turn) != -1 {
		t.Error("another one is asked")
	}
	if e := llm.AsError(turn.Told(errors.New("x"))); e.Via.Upstream != "2" || e.Via.Attempts != 1 {
		t.Errorf("%+v", e)
	}
}

// TestSharesAreFair: at equal latency each gets what its weight says, to 2 % of all requests.
func TestSharesAreFair(t *testing.T) {
	for name, weights := range map[string][]int{
		"two": {1, 1}, "three": {1, 1, 1}, "3 to 1": {3, 1}, "10 to 1": {10, 1}, "many": {5, 4, 3, 2, 1}, "100 to 1": {100, 1},
	} {
		for _, load := range []float64{1, 50} { // requests under way, on average
			shares := simulateShares(t, weights, load, func(int, *rand.Rand) time.Duration { return time.Second })
			noisy := simulateShares(t, weights, load, func(_ int, r *rand.Rand) time.Duration {
				return time.Duration(float64(time.Second) * r.ExpFloat64())
			})
			total := 0
			for _, w := range weights {
				total += w
			}
			for i, w := range weights {
				want := float64(w) / float64(total)
				t.Logf("%s, %v under way, upstream %d: want %.3f, got %.3f, with exponential latencies %.3f", name, load, i, want, shares[i], noisy[i])
				if math.Abs(shares[i]-want) > 0.02 || math.Abs(noisy[i]-want) > 0.02 {
					t.Errorf("%s, %v under way, upstream %d: want %.3f, got %.3f and %.3f", name, load, i, want, shares[i], noisy[i])
				}
			}
		}
	}
}

// TestASlowUpstreamGetsLess, and gets its share again when it is no longer slow.
func TestASlowUpstreamGetsLess(t *testing.T) {
	shares := simulateShares(t, []int{1, 1}, 20, func(i int, _ *rand.Rand) time.Duration {
		return []time.Duration{time.Second, 3 * time.Second}[i]
	})
	t.Logf("equal weights, one three times as slow: %.3f, %.3f", shares[0], shares[1])
	if shares[1] > 0.3 || shares[1] < 0.1 {
		t.Errorf("the slow one gets %.3f", shares[1])
	}
}

// simulateShares is which part of 100,000 requests each upstream got, whose first words take that long.
func simulateShares(t *testing.T, weights []int, load float64, latency func(upstream int, r *rand.Rand) time.Duration) []float64 {
	t.Helper()
	const requests = 100_000
	c := newClock()
	var upstreams []Upstream
	for _, w := range weights {
		upstreams = append(upstreams, Upstream{Weight: w})
	}
	g := groupOf(c, 1, upstreams...)
	r := rand.New(rand.NewPCG(3, 4))
	var running []ending
	counts := make([]float64, len(weights))
	for range requests {
		c.pass(time.Duration(float64(time.Second) / load * r.ExpFloat64()))
		running = end(c, running)
		turn := begin(t, g, Ask{})
		i := next(turn)
		counts[i]++
		running = append(running, ending{c.now.Add(latency(i, r)), turn, nil})
	}
	for i := range counts {
		counts[i] /= requests
	}
	return counts
}

// ending is an answer that is under way.
type ending struct {
	at   time.Time
	turn *Turn
	cost *llm.Usage
}

// end ends what is over, each at its time.
func end(c *clock, running []ending) []ending {
	now := c.now
	slices.SortFunc(running, func(a, b ending) int { return a.at.Compare(b.at) })
	n := 0
	for ; n < len(running) && !running[n].at.After(now); n++ {
		c.now = running[n].at
		running[n].turn.First()
		running[n].turn.Done(running[n].cost)
	}
	c.now = now
	return running[n:]
}

func TestStatusesOfKinds(t *testing.T) {
	for kind, want := range map[llm.Kind]int{
		llm.KindRateLimited: http.StatusTooManyRequests, llm.KindUpstream: http.StatusBadGateway, llm.KindInvalid: http.StatusBadRequest,
		llm.KindContextLength: http.StatusBadRequest, llm.KindTimeout: http.StatusGatewayTimeout, llm.KindUnavailable: http.StatusServiceUnavailable,
		llm.KindInternal: http.StatusInternalServerError, llm.KindEndOfLife: http.StatusNotFound, llm.KindForbidden: http.StatusForbidden,
		llm.KindServerUnavailable: http.StatusServiceUnavailable,
	} {
		if f := FailureOf(&llm.Error{Kind: kind}); f.Status != want {
			t.Errorf("%v: %d", kind, f.Status)
		}
	}
}
