package auth

import (
	"crypto/sha256"
	"sync"
	"time"
)

// entry is what is known of a token.
type entry struct {
	caller *Caller // or
	err    *Error
	until  time.Time
	key    *verifier // that its signature was checked with, or nil
}

// good says whether the key that vouched for the token is still trusted.
func (e *entry) good() bool { return e.key == nil || !e.key.gone.Load() }

// cache keeps at most so many entries, those that were looked for lately before others: when the young are half
// of them they become the old, and the old go. The zero max keeps nothing.
type cache struct {
	max int

	mu         sync.Mutex
	young, old map[[sha256.Size]byte]*entry
}

func (c *cache) get(sum [sha256.Size]byte, now time.Time) (*entry, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.young[sum]
	if !ok {
		if e, ok = c.old[sum]; ok {
			delete(c.old, sum)
			c.add(sum, e)
		}
	}
	return e, ok && now.Before(e.until)
}

func (c *cache) put(sum [sha256.Size]byte, e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.old, sum)
	c.add(sum, e)
}

func (c *cache) add(sum [sha256.Size]byte, e *entry) {
	if c.max == 0 {
		return
	}
	if _, known := c.young[sum]; !known && len(c.young) >= max(c.max/2, 1) {
		c.old, c.young = c.young, nil
	}
	if c.young == nil {
		c.young = map[[sha256.Size]byte]*entry{}
	}
	c.young[sum] = e
}

// len is how many entries are kept.
func (c *cache) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.young) + len(c.old)
}
