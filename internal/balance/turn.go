package balance

import (
	"net/http"
	"time"

	"outcrop/internal/llm"
)

// Ask is what is known of a request before it is sent.
type Ask struct {
	Wish llm.Wish
	Need Need
	// Free says that it takes nothing of a quota.
	Free bool
	// Prompt is what of it may be in an upstream's cache; nil for nothing.
	Prompt *Prompt
}

// Turn is one request's way through the upstreams. It is for one goroutine at a time. Whoever has one calls Next, and
// then, of the upstream that it says, either Fail, or First and Done.
type Turn struct {
	g       *Group
	ask     Ask
	pinned  int // -1 is none
	home    int // the upstream that has the prompt in its cache; -1 is none
	tried   []int
	few     [4]int
	began   time.Time
	sent    time.Time // to the current one
	first   time.Time // when that one's first word came
	current int       // -1 is none
	others  bool      // something else than a throttle came back
	soonest time.Duration
}

// Begin starts a request. The error is that of a client that wants an upstream which there is not.
func (g *Group) Begin(a Ask) (*Turn, error) {
	t := &Turn{g: g, ask: a, pinned: -1, home: -1, current: -1}
	t.tried = t.few[:0]
	if a.Wish.Upstream != "" {
		if t.pinned = g.named(a.Wish.Upstream); t.pinned < 0 {
			return nil, Unknown(a.Wish.Upstream)
		}
	}
	if t.pinned < 0 {
		t.home = g.findHome(a.Prompt)
	}
	t.began = g.now()
	return t, nil
}

// Next is the upstream to ask now; false says that there is none left.
func (t *Turn) Next() (upstream int, ok bool) {
	g := t.g
	now := g.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.wake(now)
	limit, i := g.attempts, -1
	switch {
	case t.pinned >= 0:
		limit, i = 1, t.pinned
	case t.home >= 0 && len(t.tried) < limit && t.atHome(now):
		i = t.home
	case len(t.tried) < limit:
		i = g.choose(t, now)
	}
	if i < 0 || len(t.tried) >= limit {
		return 0, false
	}
	t.tried, t.current, t.sent, t.first = append(t.tried, i), i, now, time.Time{}
	g.states[i].running++
	g.states[i].bucket.reserve(now, &t.ask)
	return i, true
}

// atHome says whether the upstream with the prompt in its cache is to be asked.
func (t *Turn) atHome(now time.Time) bool {
	if t.ask.Wish.CacheFirst {
		return true
	}
	return !t.hasTried(t.home) && !t.g.states[t.home].until.After(now)
}

// wake forgets what is too old to be true.
func (g *Group) wake(now time.Time) {
	if now.Sub(g.used) > idleTime && !g.used.IsZero() {
		for i := range g.states {
			s := &g.states[i]
			if s.running == 0 && !s.until.After(now) {
				s.errors, s.wait, s.class = 0, 0, Failed
			}
		}
	}
	g.used = now
}

// Fail says how the upstream failed before there was an answer, and asks whether another one is to be asked.
func (t *Turn) Fail(f Failure) (again bool) {
	g, i := t.g, t.current
	if i < 0 {
		return false
	}
	now := g.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	s := &g.states[i]
	t.current = -1
	s.running--
	s.bucket.settle(&t.ask, 0)
	if g.blames(f) {
		s.note(f, t.sent, now)
		if f.Status == http.StatusTooManyRequests {
			s.bucket.refused(now)
		}
		g.tell(i, now)
	}
	if f.Status != http.StatusTooManyRequests {
		t.others = true
	} else if rest := s.until.Sub(now); t.soonest == 0 || rest < t.soonest {
		t.soonest = rest
	}
	return g.retries(f) && t.pinned < 0 && len(t.tried) < g.attempts
}

// Exhausted is the error for the client in the place of the last one, when every upstream refused the request for its
// rate; else it is nil. With one upstream alone, its own answer says it better.
func (t *Turn) Exhausted(last error) *llm.Error {
	if t.current >= 0 || t.others || t.pinned >= 0 || !t.g.Several() || t.soonest == 0 {
		return nil
	}
	e := allThrottled(t.soonest, last)
	e.Via = t.Via()
	return e
}

// First says that the upstream has begun to answer.
func (t *Turn) First() {
	g, i := t.g, t.current
	if i < 0 || !t.first.IsZero() {
		return
	}
	t.first = g.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	s := &g.states[i]
	if s.answered(t.sent) {
		g.tell(i, t.first)
	}
	took := max(t.first.Sub(t.sent).Seconds(), 1e-6)
	if s.wait == 0 {
		s.wait = took
	} else {
		s.wait += smoothing * (took - s.wait)
	}
}

// smoothing is the weight of the latest request in the average.
const smoothing = 0.03

// Done says that the upstream's answer is over, with what it cost; nil is not known.
func (t *Turn) Done(u *llm.Usage) {
	g, i := t.g, t.current
	if i < 0 {
		return
	}
	t.current = -1
	g.mu.Lock()
	defer g.mu.Unlock()
	s := &g.states[i]
	s.running--
	switch {
	case u != nil:
		s.bucket.settle(&t.ask, g.upstreams[i].Quota.spent(*u))
	case t.first.IsZero(): // there was no answer: AWS gives back what was for that
		s.bucket.settle(&t.ask, g.upstreams[i].Quota.asked(&t.ask))
	}
}

// Via is which upstream answers, or failed last.
func (t *Turn) Via() llm.Via {
	v := llm.Via{Attempts: len(t.tried)}
	if v.Attempts == 0 {
		return v
	}
	i := t.tried[v.Attempts-1]
	v.Upstream, v.Region = t.g.labels[i], t.g.upstreams[i].Region
	if !t.first.IsZero() {
		v.Waited = t.first.Sub(t.began)
	}
	return v
}
