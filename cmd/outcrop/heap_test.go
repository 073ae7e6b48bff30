package main

import (
	"context"
	"runtime"
	"slices"
	"testing"
	"time"
)

func TestGCPercent(t *testing.T) {
	for live, want := range map[uint64]int{0: 800, 1 << 20: 800, 16 << 20: 400, 64 << 20: 100, 128 << 20: 50, 1 << 30: 50} {
		if got := gcPercent(live); got != want {
			t.Errorf("%d bytes in use: %d %% instead of %d %%", live, got, want)
		}
	}
}

func TestHeapTunerLeavesSmallChangesAlone(t *testing.T) {
	var set []int
	tuner := &heapTuner{percent: usualGCPercent, set: func(percent int) int { set = append(set, percent); return 0 }}
	for _, live := range []uint64{16 << 20, 16<<20 + 1<<18, 15 << 20, 32 << 20, 1 << 30, 2 << 30} {
		tuner.follow(live)
	}
	if want := []int{400, 200, 50}; !slices.Equal(set, want) {
		t.Errorf("set to %v instead of %v", set, want)
	}
}

// TestHeapTunerLooksAfterEachCollection has the runtime call it, and stop when its context has ended.
func TestHeapTunerLooksAfterEachCollection(t *testing.T) {
	looks := make(chan int, 100)
	ctx, cancel := context.WithCancel(t.Context())
	tuner := &heapTuner{ctx: ctx, percent: 1, set: func(percent int) int { looks <- percent; return 0 }}
	tuner.watch()
	wait := func() int {
		for range 100 {
			runtime.GC()
			select {
			case percent := <-looks:
				return percent
			case <-time.After(50 * time.Millisecond):
			}
		}
		t.Fatal("nobody looked")
		return 0
	}
	if got := wait(); got < leastGCPercent {
		t.Errorf("set to %d", got)
	}
	cancel()
	if got := wait(); got != usualGCPercent {
		t.Errorf("at the end set to %d", got)
	}
}
