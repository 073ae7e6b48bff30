package sse

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestTurnIsHadByOneAtATime(t *testing.T) {
	turns, count := &turn{next: make(chan struct{}, 1)}, 0
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 1000 {
				turns.take()
				count++
				turns.give()
			}
		})
	}
	all.Wait()
	if count != 8000 {
		t.Errorf("%d of 8000 were counted", count)
	}
}

func TestTimePassesWhileOneWaitsForATurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns, began := &turn{next: make(chan struct{}, 1)}, time.Now()
		turns.take()
		var waited time.Duration
		var all sync.WaitGroup
		all.Go(func() {
			turns.take()
			waited = time.Since(began)
			turns.give()
		})
		<-time.After(time.Minute) // never, if a waiting goroutine kept the clock
		turns.give()
		all.Wait()
		if waited != time.Minute {
			t.Errorf("had its turn after %v", waited)
		}
	})
}
