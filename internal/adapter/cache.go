package adapter

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"time"
)

// cache keeps what is costly to make. It holds at most max values: the one that was used longest ago
// goes first, and lives on where it is in use. Of one key at most one value is being made at a time. It
// is safe for concurrent use.
type cache[K comparable, V any] struct {
	max int
	// drop is told of each value that the cache gives up; nil when it need not know.
	drop func(V)

	mu      sync.Mutex
	order   *list.List // of *entry[K, V], the latest used first
	entries map[K]*list.Element
}

type entry[K comparable, V any] struct {
	key   K
	made  chan struct{} // closed once value and err are there
	done  bool          // there is a value; under the lock
	value V
	err   error
	until time.Time // zero is for ever
}

func newCache[K comparable, V any](most int) *cache[K, V] {
	return &cache[K, V]{max: max(most, 1), order: list.New(), entries: map[K]*list.Element{}}
}

// made is a new value, and for how long it is good; 0 is for ever.
type made[V any] struct {
	value V
	ttl   time.Duration
}

// get is the value of a key, which create makes when there is none. Whoever asks meanwhile waits for it,
// as long as the context lasts. An error is told to all who wait, and not kept.
func (c *cache[K, V]) get(ctx context.Context, key K, create func() (made[V], error)) (V, error) {
	e, found := c.find(key)
	if !found {
		c.fill(e, create)
	}
	select {
	case <-e.made:
		return e.value, e.err
	case <-ctx.Done():
		var none V
		return none, ctx.Err()
	}
}

// find is the entry of a key. Who is told that it was not found has to fill it.
func (c *cache[K, V]) find(key K) (e *entry[K, V], found bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, ok := c.entries[key]; ok {
		e = at.Value.(*entry[K, V])
		if e.until.IsZero() || time.Now().Before(e.until) {
			c.order.MoveToFront(at)
			return e, true
		}
		c.remove(at)
	}
	e = &entry[K, V]{key: key, made: make(chan struct{})}
	c.entries[key] = c.order.PushFront(e)
	if c.order.Len() > c.max {
		c.remove(c.order.Back())
	}
	return e, false
}

// touch says that a value is in use by somebody who has it from before.
func (c *cache[K, V]) touch(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, ok := c.entries[key]; ok {
		c.order.MoveToFront(at)
	}
}

// remove takes an entry out. One that is still being made is dropped when it is there.
func (c *cache[K, V]) remove(at *list.Element) {
	e := at.Value.(*entry[K, V])
	c.order.Remove(at)
	delete(c.entries, e.key)
	if e.done && c.drop != nil {
		c.drop(e.value)
	}
}

var errUnmade = errors.New("making the value panicked")

// fill makes the value. It ends the waiting of others even when create panics.
func (c *cache[K, V]) fill(e *entry[K, V], create func() (made[V], error)) {
	m, err := made[V]{}, errUnmade
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		e.value, e.err = m.value, err
		if m.ttl > 0 {
			e.until = time.Now().Add(m.ttl)
		}
		at, kept := c.entries[e.key]
		kept = kept && at.Value == any(e)
		switch {
		case err != nil && kept:
			c.remove(at)
		case err == nil && kept:
			e.done = true
		case err == nil && c.drop != nil:
			c.drop(e.value)
		}
		close(e.made)
	}()
	m, err = create()
}

// len is how many values there are.
func (c *cache[K, V]) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.order.Len()
}
