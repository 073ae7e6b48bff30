package sandbox

import (
	"crypto/sha256"
	"sync"
)

// rememberedConversations bounds what the sandbox keeps per conversation.
const rememberedConversations = 4096

// tally counts calls by conversation and forgets the oldest conversations.
type tally struct {
	mu    sync.Mutex
	size  int
	count map[[sha256.Size]byte]int
	order [][sha256.Size]byte // oldest first
}

func newTally(size int) *tally {
	return &tally{size: size, count: map[[sha256.Size]byte]int{}}
}

// add counts one more call and returns how many there were, this one included.
func (t *tally) add(key [sha256.Size]byte) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.count[key] == 0 {
		if len(t.order) == t.size {
			delete(t.count, t.order[0])
			t.order = append(t.order[:0], t.order[1:]...)
		}
		t.order = append(t.order, key)
	}
	t.count[key]++
	return t.count[key]
}
