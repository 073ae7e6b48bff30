package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	// heapRoom is how much may be allocated between two collections where little is in use: what lives of a gateway is
	// small and does not change, and to look it through after each few hundred requests cost a fifth of their CPU
	// (docs/performance.md). Where more is in use than twice that, as of thousands of open streams, which say little and so leave
	// little garbage, the heap may grow by half.
	heapRoom = 64 << 20
	// usualGCPercent is the runtime's own (https://go.dev/doc/gc-guide#GOGC), mostGCPercent where next to nothing is in use,
	// leastGCPercent where much is.
	usualGCPercent, mostGCPercent, leastGCPercent = 100, 800, 50
)

// roomyHeap gives the heap room, until the context ends. GOGC goes first, and a limit of memory is kept all the same.
// What starting up has left behind is given back to the system now.
func roomyHeap(ctx context.Context) {
	debug.FreeOSMemory()
	unmapUnused()
	if getenv("GOGC") == "" {
		(&heapTuner{ctx: ctx, set: debug.SetGCPercent, percent: usualGCPercent}).watch()
	}
}

// heapTuner sets the percentage anew after each collection.
type heapTuner struct {
	ctx     context.Context //nolint:containedctx // it is what ends the watch, of which nobody waits for the end
	set     func(percent int) int
	percent int
}

// watch has look called after the next collection, by the runtime.
func (t *heapTuner) watch() {
	runtime.AddCleanup(&sentinel{}, (*heapTuner).look, t)
}

// sentinel is an object that nobody holds.
type sentinel struct{ _ [32]byte }

func (t *heapTuner) look() {
	if t.ctx.Err() != nil {
		t.set(usualGCPercent)
		return
	}
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	t.follow(live[0].Value.Uint64())
	t.watch()
}

// follow sets what suits so many bytes in use. Setting it stops the world for a moment: small changes are left alone.
func (t *heapTuner) follow(live uint64) {
	percent := gcPercent(live)
	if percent*10 > t.percent*9 && percent*9 < t.percent*10 {
		return
	}
	t.percent = percent
	t.set(percent)
}

// gcPercent is how much may be allocated until the next collection, in percent of what is in use.
func gcPercent(live uint64) int {
	if live == 0 {
		return mostGCPercent
	}
	return int(min(max(heapRoom*100/live, leastGCPercent), mostGCPercent))
}
