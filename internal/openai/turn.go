package openai

import "sync/atomic"

// turn is a lock whose waiters wait at a channel: under testing/synctest a goroutine that waits for a
// sync.Mutex keeps the clock from moving on, and so a slow client would stop a test's time. A turn that
// nobody else wants costs two additions.
type turn struct {
	wanted atomic.Int32  // by those who have it and those who wait
	next   chan struct{} // holds a token when it is passed on to one who waits
}

func newTurn() turn { return turn{next: make(chan struct{}, 1)} }

func (t *turn) take() {
	if t.wanted.Add(1) > 1 {
		<-t.next
	}
}

func (t *turn) give() {
	if t.wanted.Add(-1) > 0 {
		t.next <- struct{}{}
	}
}
