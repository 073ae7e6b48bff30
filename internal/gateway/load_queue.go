package gateway

import (
	"context"
	"errors"
	"slices"
	"time"
)

var errFull = errors.New("the server has as much in work as it may")

// waiter is a request that waits for a place.
type waiter struct {
	share *share
	done  chan bool // true is a place, false is that there will be none
}

// queue lets a request wait, if there is room for it and a place to be had in time. When there is none, the party that
// has most requests in work and waiting gives way to one that has fewer.
func (g *gate) queue(s *share) (w *waiter, ok bool) {
	parties := len(g.queued)
	if len(s.waiting) == 0 {
		parties++
	}
	turn := min(g.waiting+1, (len(s.waiting)+1)*parties) // they go by turns
	if g.o.Queue <= 0 || g.pace.expect(turn) > g.o.Wait {
		return nil, false
	}
	if g.waiting >= g.o.Queue && !g.evict(s.wishes()+1) {
		return nil, false
	}
	w = &waiter{s, make(chan bool, 1)}
	if len(s.waiting) == 0 {
		g.queued, s.turn = append(g.queued, s), max(s.turn, g.turn)
	}
	s.waiting = append(s.waiting, w)
	g.waiting++
	return w, true
}

// wishes are how many requests have a place or want one.
func (s *share) wishes() int { return s.running + len(s.waiting) }

// evict turns the last waiting request away of the party that has most, if these are more than so many.
func (g *gate) evict(than int) bool {
	most := slices.MaxFunc(g.queued, func(a, b *share) int { return a.wishes() - b.wishes() })
	if most.wishes() <= than {
		return false
	}
	g.remove(most.waiting[len(most.waiting)-1])
	return true
}

// remove takes a waiter out of the queue without a place. Whoever waits is told, and gives up.
func (g *gate) remove(w *waiter) {
	i := slices.Index(w.share.waiting, w)
	if i < 0 {
		return
	}
	w.share.waiting = slices.Delete(w.share.waiting, i, i+1)
	g.unqueue(w.share)
	w.done <- false
}

// unqueue counts one waiter less of a share.
func (g *gate) unqueue(s *share) {
	g.waiting--
	if len(s.waiting) == 0 {
		g.queued = slices.DeleteFunc(g.queued, func(other *share) bool { return other == s })
	}
}

// next gives a place to the party that has the fewest, and of those to the one that has waited longest for its turn. It
// says whether there was one: who has its share waits on.
func (g *gate) next() bool {
	var best *share
	for _, s := range g.queued {
		if s.running < g.o.Share && (best == nil || s.running < best.running || s.running == best.running && s.turn < best.turn) {
			best = s
		}
	}
	if best == nil {
		return false
	}
	w := best.waiting[0]
	best.waiting = slices.Delete(best.waiting, 0, 1)
	g.unqueue(best)
	g.turn++
	best.turn = g.turn
	g.take(best)
	w.done <- true
	return true
}

// await waits for a place, without the lock.
func (g *gate) await(ctx context.Context, w *waiter, p place) (place, error) {
	timer := time.NewTimer(g.o.Wait)
	defer timer.Stop()
	got, told := false, false
	select {
	case got = <-w.done:
		told = true
	case <-timer.C:
	case <-ctx.Done():
	}
	g.mu.Lock()
	if !told {
		g.remove(w)
		got = <-w.done // a place may have come meanwhile
	}
	if got && ctx.Err() == nil {
		g.mu.Unlock()
		return p, nil
	}
	if got {
		g.mu.Unlock()
		p.leave()
		return place{}, gone(ctx)
	}
	c := g.lacking(p.share)
	after := g.pace.expect(g.waiting + 1)
	p.giveUp()
	g.mu.Unlock()
	if ctx.Err() != nil {
		return place{}, gone(ctx)
	}
	g.refused[c].Add(1)
	return place{}, refusedByLoad(c, after)
}

// pace is how fast places come free while there are none.
type pace struct {
	last time.Time     // when one did; zero while there were free ones
	gap  time.Duration // between two, as it is usually; 0 is not known
}

// paceWeight is how much one gap changes what is usual, as a part of 8.
const paceWeight = 8

// left notes that a place came free when there was none.
func (p *pace) left(now time.Time) {
	if !p.last.IsZero() {
		gap := now.Sub(p.last)
		if p.gap == 0 {
			p.gap = gap
		} else {
			p.gap += (gap - p.gap) / paceWeight
		}
	}
	p.last = now
}

// pause notes that there are free places: the time without a wish for one tells nothing.
func (p *pace) pause() { p.last = time.Time{} }

// expect is how long the next n places take to come free.
func (p *pace) expect(n int) time.Duration { return time.Duration(n) * p.gap }
