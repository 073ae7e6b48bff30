package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"slices"
	"sync"
	"time"
)

// Pass is what a per-request key stands for: the request of somebody, on its way through the deployments that
// are other servers. Whoever calls with the key calls for that somebody.
type Pass struct {
	// Caller is who made the first request; it has no pass itself.
	Caller Caller
	// Holder is the deployment that has got the key.
	Holder string
	// Path are the deployments that the request has come through, Holder the last of them.
	Path []string
	// Target is the deployment that was asked for, when interceptors stand before it, Chain are their names in
	// order, and At is which of them the Holder is. Without interceptors there is no Target.
	Target string
	Chain  []string
	At     int
	// Translated is, while a translator has the key, the deployment that it translates for.
	Translated string
	// Trace and Span tell the request apart, and the call of the Holder: hex, as in a traceparent.
	Trace, Span string
}

// Passes are the per-request keys of this process that are in use. It is safe for concurrent use.
type Passes struct {
	lifetime time.Duration
	now      func() time.Time

	mu   sync.Mutex
	held map[[sha256.Size]byte]issued
	next time.Time // when those that were forgotten are looked for
}

type issued struct {
	pass    *Pass
	expires time.Time
}

// NewPasses returns none. A key that nobody takes back is good for the lifetime (DIAL: perRequestApiKey.ttl).
func NewPasses(lifetime time.Duration) *Passes {
	return &Passes{lifetime: lifetime, now: time.Now, held: map[[sha256.Size]byte]issued{}}
}

// Issue makes a key for a pass, which nobody changes from then on.
func (p *Passes) Issue(pass *Pass) (key string) {
	key = rand.Text() + rand.Text()[:6] // 32 characters, as DIAL Core's
	now := p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.After(p.next) {
		p.next = now.Add(time.Minute)
		for sum, i := range p.held {
			if now.After(i.expires) {
				delete(p.held, sum)
			}
		}
	}
	p.held[sha256.Sum256([]byte(key))] = issued{pass, now.Add(p.lifetime)}
	return key
}

// Revoke takes a key back.
func (p *Passes) Revoke(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.held, sha256.Sum256([]byte(key)))
}

// find is the caller that a key stands for.
func (p *Passes) find(key string) (Caller, bool) {
	if p == nil {
		return Caller{}, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	i, ok := p.held[sha256.Sum256([]byte(key))]
	if !ok || p.now().After(i.expires) {
		return Caller{}, false
	}
	caller := i.pass.Caller
	caller.Pass = i.pass
	return caller, true
}

// Next is the pass for a deployment that is called with the caller's rights: it has come through what the
// caller has.
func (c Caller) Next(holder string) *Pass {
	next := &Pass{Caller: c, Holder: holder}
	next.Caller.Pass = nil
	if c.Pass != nil {
		next.Path, next.Trace = c.Pass.Path, c.Pass.Trace
	}
	next.Path = append(slices.Clip(next.Path), holder)
	return next
}
