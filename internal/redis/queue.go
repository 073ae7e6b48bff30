package redis

import (
	"sync"

	"outcrop/internal/limit"
)

// What a settlement is: see settle.lua.
const (
	settled  = 0
	lost     = 1
	answered = 2 // not
)

// settlement waits to be counted.
type settlement struct {
	kind    int64
	number  int64 // among those of this replica, from 1
	account limit.Account
	ticket  string
	owner   string // the replica whose ticket it is
	rest    []byte // the moment, the lifetime and the amounts, as settle.lua reads them
	note    []byte
}

// overhead is about what a settlement costs beside its texts.
const overhead = 256

func (s *settlement) size() int64 {
	return int64(overhead + len(s.account.Caller) + len(s.account.Deployment) + len(s.ticket) + len(s.rest) + len(s.note))
}

// queue is settlements in their order. Those that are being counted stay in it until they are.
type queue struct {
	mu      sync.Mutex
	waiting []settlement // from first
	first   int
	number  int64
	bytes   int64
	most    int
	atMost  int64
	closed  bool
	more    chan struct{}
}

func (q *queue) init(o LimitsOptions) {
	q.most, q.atMost, q.more = o.Queue, o.QueueBytes, make(chan struct{}, 1)
}

// add gives a settlement its number. False is when there is no room, or the queue is closed.
func (q *queue) add(s *settlement) bool {
	size := s.size()
	q.mu.Lock()
	if q.closed || len(q.waiting)-q.first >= q.most || q.bytes+size > q.atMost {
		q.mu.Unlock()
		return false
	}
	q.number++
	s.number = q.number
	q.waiting = append(q.waiting, *s)
	q.bytes += size
	q.mu.Unlock()
	q.wake()
	return true
}

func (q *queue) wake() {
	select {
	case q.more <- struct{}{}:
	default:
	}
}

// some are the first settlements, at most so many.
func (q *queue) some(most int) []settlement {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting[q.first:min(q.first+most, len(q.waiting))]
}

// done forgets so many of the first ones.
func (q *queue) done(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range n {
		q.bytes -= q.waiting[q.first+i].size()
	}
	clear(q.waiting[q.first : q.first+n])
	q.first += n
	switch {
	case q.first == len(q.waiting):
		q.waiting, q.first = q.waiting[:0], 0
		if cap(q.waiting) > 4096 {
			q.waiting = nil
		}
	case q.first > 1024 && q.first > len(q.waiting)/2:
		// some's slices are not in use any more: only its caller calls done.
		n := copy(q.waiting, q.waiting[q.first:])
		clear(q.waiting[n:])
		q.waiting, q.first = q.waiting[:n], 0
	}
}

// length is how many wait.
func (q *queue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting) - q.first
}

func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.wake()
}

func (q *queue) isClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}
