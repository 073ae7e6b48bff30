package gateway

import (
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"slices"
	"sync"
	"time"

	"outcrop/internal/kv"
	"outcrop/internal/llm"
)

const (
	// thoughtLifetime is how long other replicas can get a thought: a conversation's day of work, as reading it there
	// does not prolong it.
	thoughtLifetime = 8 * time.Hour
	// maxRecalled is how many calls of one history are asked after, the latest ones, and recallsAtOnce how many at a time.
	maxRecalled   = 256
	recallsAtOnce = 16
	// maxThoughtless is how many calls without a thought are remembered, and thoughtlessFor for how long.
	maxThoughtless = 50_000
	thoughtlessFor = 10 * time.Minute
)

// farVault is what other replicas have put into their vaults. What is found there is in this one's from then on.
type farVault struct {
	*shared
	aead cipher.AEAD
	none thoughtless
}

func newFarVault(s *shared) (*farVault, error) {
	if s == nil {
		return nil, nil //nolint:nilnil // a process alone
	}
	aead, err := s.seal("thinking")
	return &farVault{shared: s, aead: aead}, err
}

// thoughtless are the calls that nobody thought before, as far as is known: most are, and none of them shall cost a
// look-up in every request of its conversation.
type thoughtless struct {
	mu         sync.Mutex
	since      time.Time
	young, old map[vaultKey]struct{}
}

func (n *thoughtless) add(key vaultKey) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.age()
	if n.young == nil {
		n.young = map[vaultKey]struct{}{}
	}
	n.young[key] = struct{}{}
}

func (n *thoughtless) has(key vaultKey) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.age()
	if _, ok := n.young[key]; ok {
		return true
	}
	_, ok := n.old[key]
	return ok
}

// age lets the young be the old when they are many, or old.
func (n *thoughtless) age() {
	now := time.Now()
	if len(n.young) < maxThoughtless/2 && now.Sub(n.since) < thoughtlessFor/2 {
		return
	}
	n.young, n.old, n.since = nil, n.young, now
}

func farName(key vaultKey) string { return "thinking:" + base64.RawURLEncoding.EncodeToString(key[:]) }

// put shares a thought: before the client can come back with the call, to whichever replica.
func (f *farVault) put(key vaultKey, plain []byte) {
	if f == nil {
		return
	}
	ctx, cancel := f.apart()
	defer cancel()
	if err := f.store.Put(ctx, farName(key), f.aead.Seal(nil, nil, plain, key[:]), thoughtLifetime); err != nil {
		f.failed("the thinking before a tool call is kept by this replica alone", err)
	}
}

// get is a thought of another replica's, nil for none.
func (f *farVault) get(key vaultKey) []byte {
	ctx, cancel := f.apart()
	defer cancel()
	sealed, err := f.store.Get(ctx, farName(key))
	if err == nil {
		var plain []byte
		if plain, err = f.aead.Open(nil, nil, sealed, key[:]); err == nil {
			return plain
		}
		err = errSealed
	}
	if errors.Is(err, kv.ErrNone) || errors.Is(err, errSealed) {
		f.none.add(key)
	}
	if !errors.Is(err, kv.ErrNone) {
		f.failed("the thinking before a tool call cannot be got from other replicas", err)
	}
	return nil
}

// without notes a call that nobody thought before.
func (f *farVault) without(key vaultKey) {
	if f != nil {
		f.none.add(key)
	}
}

// fetch gets the thoughts of a history that other replicas have.
func (v *vault) fetch(o owner, messages []llm.Message) {
	if v.far == nil {
		return
	}
	missing := v.missing(o, messages)
	var all sync.WaitGroup
	for chunk := range slices.Chunk(missing, max(1, (len(missing)+recallsAtOnce-1)/recallsAtOnce)) {
		all.Go(func() {
			for _, key := range chunk {
				if plain := v.far.get(key); plain != nil {
					v.keepPlain(key, plain)
				}
			}
		})
	}
	all.Wait()
}

// missing are the calls of which this process does not know what was thought before them, the latest first.
func (v *vault) missing(o owner, messages []llm.Message) (keys []vaultKey) {
	for _, m := range slices.Backward(messages) {
		if m.Role != llm.RoleAssistant || !asksUnexplained(m.Parts) {
			continue
		}
		for _, p := range m.Parts {
			call, ok := p.(llm.ToolCall)
			if !ok {
				continue
			}
			if key := o.key(call.ID); v.touch(key) == nil && !v.far.none.has(key) {
				keys = append(keys, key)
			}
			if len(keys) == maxRecalled {
				return keys
			}
		}
	}
	return keys
}
