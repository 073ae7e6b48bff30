package auth

import (
	"container/list"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"slices"
	"sync"
	"time"
)

const (
	// passLength is how long a per-request key is, in characters: DIAL Core's.
	passLength = 32
	// maxPasses is how many per-request keys are good at a time.
	maxPasses = 100_000
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
	// Elsewhere says that another process has given the key.
	Elsewhere bool `json:"-"`
}

// Execution is DIAL's executionPath: who made the first request, as logs may have them, and the deployments.
func (p *Pass) Execution() []string {
	who := p.Caller.Project
	if p.Caller.User != "" {
		who = p.Caller.LogName
	}
	return append([]string{who}, p.Path...)
}

// Location is where the holder of the key keeps what is its own, DIAL's "Keys/<deployment>/".
func (p *Pass) Location() string { return "Keys/" + p.Holder + "/" }

// Passes are the per-request keys of this process that are in use. It is safe for concurrent use.
//
// Their number is bounded: when there are too many, the oldest ends. It is most likely one that was forgotten,
// while to refuse a new one would fail a request for certain.
type Passes struct {
	lifetime time.Duration
	now      func() time.Time
	max      int
	shared   *sharedPasses // nil when no other process knows them

	mu    sync.Mutex
	held  map[[sha256.Size]byte]*list.Element
	order list.List // of issued, the oldest first: all live as long
	long  list.List // of those that were given more time, in the order of that
}

type issued struct {
	sum     [sha256.Size]byte
	pass    *Pass
	expires time.Time
}

// NewPasses returns none. A key that nobody takes back is good for the lifetime (DIAL: perRequestApiKey.ttl).
func NewPasses(lifetime time.Duration) *Passes {
	return &Passes{lifetime: lifetime, now: time.Now, max: maxPasses, held: map[[sha256.Size]byte]*list.Element{}}
}

// Issue makes a key for a pass, which nobody changes from then on.
func (p *Passes) Issue(pass *Pass) (key string) {
	key = rand.Text() + rand.Text()
	key = key[:passLength]
	p.hold(issued{Digest(key), pass, p.now().Add(p.lifetime)})
	p.shared.put(key, pass, p.lifetime)
	return key
}

func (p *Passes) hold(i issued) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trim()
	p.held[i.sum] = p.order.PushBack(i)
}

// trim drops what has expired, and the oldest when there is no room for one more.
func (p *Passes) trim() {
	now := p.now()
	for _, keys := range [...]*list.List{&p.order, &p.long} {
		for first := keys.Front(); first != nil; first = keys.Front() {
			i := first.Value.(issued)
			if now.Before(i.expires) && len(p.held) < p.max {
				break
			}
			p.drop(first)
		}
	}
}

// drop forgets a key.
func (p *Passes) drop(e *list.Element) {
	p.order.Remove(e) // of the list that it is not in, Remove takes nothing
	p.long.Remove(e)
	delete(p.held, e.Value.(issued).sum)
}

// Extend lets a key that is in use live for so long from now, as for a job whose request has been answered.
func (p *Passes) Extend(key string, lifetime time.Duration) {
	if pass := p.prolong(key, lifetime); pass != nil {
		p.shared.put(key, pass, lifetime)
	}
}

// prolong is Extend in this process; nil when it does not know the key.
func (p *Passes) prolong(key string, lifetime time.Duration) *Pass {
	p.mu.Lock()
	defer p.mu.Unlock()
	e, ok := p.held[Digest(key)]
	if !ok {
		return nil
	}
	i := e.Value.(issued)
	p.drop(e)
	i.expires = p.now().Add(lifetime)
	p.held[i.sum] = p.long.PushBack(i)
	return i.pass
}

// Revoke takes a key back.
func (p *Passes) Revoke(key string) {
	p.release(Digest(key))
	p.shared.delete(key)
}

func (p *Passes) release(sum [sha256.Size]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e, ok := p.held[sum]; ok {
		p.drop(e)
	}
}

// Len is how many keys are good now, those that nobody took back included.
func (p *Passes) Len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.held)
}

// find is the caller that a key stands for, sum being its digest: who made the first request, but never as an admin. It
// is no error that nobody knows the key, but one that nobody can tell now is an *Error.
func (p *Passes) find(ctx context.Context, key string, sum [sha256.Size]byte) (caller Caller, ok bool, err error) {
	if p == nil {
		return Caller{}, false, nil
	}
	pass, known := p.local(sum)
	if !known {
		if pass, err = p.shared.find(ctx, key, sum); err != nil {
			return Caller{}, false, err
		}
	}
	if pass == nil {
		return Caller{}, false, nil
	}
	caller = pass.Caller
	caller.Pass, caller.Admin = pass, false
	return caller, true, nil
}

// local is the pass of a key that this process has given, nil when its time is over.
func (p *Passes) local(sum [sha256.Size]byte) (pass *Pass, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e, ok := p.held[sum]
	if !ok {
		return nil, false
	}
	i := e.Value.(issued)
	if !p.now().Before(i.expires) {
		return nil, true
	}
	return i.pass, true
}

// Next is the pass for a deployment that is called with the caller's rights: it has come through what the
// caller has.
func (c Caller) Next(holder string) *Pass {
	next := &Pass{Caller: c, Holder: holder}
	if c.Pass != nil {
		next.Caller = c.Pass.Caller
		next.Path, next.Trace = c.Pass.Path, c.Pass.Trace
	}
	next.Path = append(slices.Clip(next.Path), holder)
	return next
}
