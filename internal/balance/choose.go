package balance

import (
	"math"
	"slices"
	"time"
)

// choose is the upstream to ask next, -1 when there is none; with the lock.
func (g *Group) choose(t *Turn, now time.Time) int {
	for _, spare := range [...]bool{true, false} {
		for from := 0; from < len(g.order); {
			to := g.tierEnd(from)
			if i := g.among(t, candidates{g.order[from:to], now, spare}); i >= 0 {
				return i
			}
			from = to
		}
		if !g.quotas {
			break // all have room to spare
		}
	}
	return g.leastBad(t)
}

// tierEnd is where in order the tier ends that begins there.
func (g *Group) tierEnd(from int) int {
	to := from + 1
	for to < len(g.order) && g.upstreams[g.order[to]].Tier == g.upstreams[g.order[from]].Tier {
		to++
	}
	return to
}

// candidates are upstreams of one tier, of which those are meant that can be asked.
type candidates struct {
	all   []int
	now   time.Time
	spare bool // only those with room in their quota
}

func (g *Group) eligible(t *Turn, i int, c candidates) bool {
	s := &g.states[i]
	if s.until.After(c.now) || t.hasTried(i) {
		return false
	}
	return !c.spare || !g.quotas || s.bucket.fits(c.now, &t.ask)
}

// among is one of the candidates, -1 when there is none: the better of two that are drawn by their weights. Where
// neither is clearly better it is the first, so that equals get their shares.
func (g *Group) among(t *Turn, c candidates) int {
	total, running, count, only := uint64(0), 0, 0, -1
	for _, i := range c.all {
		if g.eligible(t, i, c) {
			total += uint64(g.upstreams[i].Weight)
			running += g.states[i].running
			count++
			only = i
		}
	}
	if count < 2 {
		return only
	}
	first, second := g.draw(t, c, g.random(total)), g.draw(t, c, g.random(total))
	if first == second {
		return first
	}
	if c.spare && g.quotas || !c.spare { // where quotas are short, what is left of them decides
		a, b := g.states[first].bucket.left(c.now), g.states[second].bucket.left(c.now)
		if min(a, b) < scarce && math.Abs(a-b) > scarceStep {
			if b > a {
				return second
			}
			return first
		}
	}
	if g.burden(first, running, total) > clearly*g.burden(second, running, total) {
		return second
	}
	return first
}

const (
	// clearly is how much slower an upstream must be to be passed over.
	clearly = 1.5
	// scarce is how much of a quota must be used for it to matter, and scarceStep how much more another must have.
	scarce, scarceStep = 0.5, 0.05
)

// draw is the candidate at that place of the sum of weights.
func (g *Group) draw(t *Turn, c candidates, at uint64) int {
	for _, i := range c.all {
		if !g.eligible(t, i, c) {
			continue
		}
		weight := uint64(g.upstreams[i].Weight)
		if at < weight {
			return i
		}
		at -= weight
	}
	return -1
}

// burden is how long a request may wait at an upstream: as those before it did, and longer when far more are running
// than its share of all, which chance alone does not explain.
func (g *Group) burden(i, running int, total uint64) float64 {
	s := &g.states[i]
	if s.wait == 0 {
		return 0 // nobody knows: try it
	}
	share := float64(running) * float64(g.upstreams[i].Weight) / float64(total)
	return s.wait * max(1, float64(s.running)/(share+3*math.Sqrt(share)+3))
}

// leastBad is, of the upstreams that are all unavailable, the one whose failure weighs least, and of those the one that
// is back first.
func (g *Group) leastBad(t *Turn) int {
	best := -1
	for _, i := range g.order {
		if t.hasTried(i) {
			continue
		}
		if s := &g.states[i]; best < 0 || s.class < g.states[best].class ||
			s.class == g.states[best].class && s.until.Before(g.states[best].until) {
			best = i
		}
	}
	return best
}

func (t *Turn) hasTried(i int) bool { return slices.Contains(t.tried, i) }
