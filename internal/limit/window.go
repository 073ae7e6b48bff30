package limit

import (
	"math"
	"time"
)

// buckets are what a rolling window is counted in: 60 seconds of a minute, 60 minutes of an hour.
const buckets = 60

// rolling is a window that goes with the time: what came in the last 60 intervals counts.
type rolling struct {
	counts *[buckets]int64 // by interval modulo 60; nil for none
	sum    int64
	last   int64 // the interval that the clock was in, counted from 1970
}

// roll moves the window to the interval. A clock that goes back a little does not move it, so that nothing is unlocked;
// one that goes back by more than the window was wrong before: what is counted then counts as of now, so that nobody is
// locked out until the time is there again.
func (r *rolling) roll(interval int64) {
	interval = max(interval, 0) // a clock that is not set may be before 1970
	switch ahead := interval - r.last; {
	case ahead == 0 || r.sum == 0:
		if r.sum == 0 && r.counts != nil && ahead != 0 {
			r.counts = nil
		}
	case ahead >= buckets:
		r.counts, r.sum = nil, 0
	case ahead > 0:
		for i := r.last + 1; i <= interval; i++ {
			at := &r.counts[i%buckets]
			r.sum -= *at
			*at = 0
		}
	case ahead > -buckets:
		return
	default:
		*r.counts = [buckets]int64{}
		r.counts[interval%buckets] = r.sum
	}
	r.last = interval
}

// add counts in the last interval.
func (r *rolling) add(n int64) {
	if n <= 0 {
		return
	}
	if r.counts == nil {
		r.counts = &[buckets]int64{}
	}
	n = min(n, math.MaxInt64-r.sum)
	r.counts[r.last%buckets] += n
	r.sum += n
}

// remove takes back what was counted last.
func (r *rolling) remove(n int64) {
	if r.counts == nil {
		return
	}
	at := &r.counts[r.last%buckets]
	n = min(n, *at)
	*at -= n
	r.sum -= n
}

// frees is after how many intervals that many have left the window, at most all.
func (r *rolling) frees(n int64) int64 {
	if r.counts == nil {
		return 0
	}
	n = min(n, r.sum)
	for i := int64(1); i <= buckets; i++ {
		if n -= r.counts[(r.last+i)%buckets]; n <= 0 {
			return i
		}
	}
	return buckets
}

// calendar is a window of the calendar. It knows the period before as well, so that a clock that goes ahead and back
// unlocks nothing.
type calendar struct {
	start, count             int64 // of the later period, Unix milliseconds
	startBefore, countBefore int64
}

// in is the count of the period that begins then.
func (c *calendar) in(start time.Time) *int64 {
	switch ms := start.UnixMilli(); {
	case ms == c.start:
		return &c.count
	case ms == c.startBefore:
		return &c.countBefore
	case ms > c.start:
		c.startBefore, c.countBefore = c.start, c.count
		c.start, c.count = ms, 0
		return &c.count
	default:
		c.startBefore, c.countBefore = ms, 0
		return &c.countBefore
	}
}

// holds says whether there is a count of a period that began then or later.
func (c *calendar) holds(since int64) bool {
	return c.count != 0 && c.start >= since || c.countBefore != 0 && c.startBefore >= since
}

// holds says it of all windows.
func holds(windows *[Windows]calendar, since int64) bool {
	return windows[Day].holds(since) || windows[Week].holds(since) || windows[Month].holds(since)
}

// plus is a sum that does not wrap around. Both are at least 0.
func plus(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
