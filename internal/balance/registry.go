package balance

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"outcrop/internal/kv"
)

// RegistryOptions make a Registry.
type RegistryOptions struct {
	// Bus tells other replicas how upstreams are, and is told by them; nil is alone.
	Bus kv.Bus
	// Affinity is where it is kept who has which prompt in its cache, beside this process; nil is here alone.
	Affinity kv.Store
	Log      *slog.Logger // nil is none
}

// Registry keeps the groups of all deployments, beyond a change of the configuration: what is known of upstreams stays
// known while their list stays the same. With a Bus it has goroutines until it is closed. No request waits for them.
type Registry struct {
	log    *slog.Logger
	homes  *homes
	shared *sharing // nil: alone

	mu     sync.Mutex
	groups map[string]*Group
	asked  uint64 // how often for a group
}

// NewRegistry returns an empty registry. Its owner closes it.
func NewRegistry(o RegistryOptions) *Registry {
	r := &Registry{log: o.Log, groups: map[string]*Group{}}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	r.homes = newHomes(o.Affinity)
	if o.Bus != nil || o.Affinity != nil {
		r.shared = newSharing(r, o.Bus)
	}
	return r
}

// Close ends its goroutines. Groups go on alone.
func (r *Registry) Close() {
	if r.shared != nil {
		r.shared.close()
	}
}

// Group is the group with those options: the one that there is, when nothing about it has changed.
func (r *Registry) Group(o Options) *Group {
	key := keyOf(&o)
	r.mu.Lock()
	defer r.mu.Unlock()
	for k, g := range r.groups {
		if k != key && g.idle() {
			delete(r.groups, k)
		}
	}
	g := r.groups[key]
	if g == nil {
		g = New(o)
		g.key, g.registry, g.homes = key, r, r.homes
		r.groups[key] = g
	}
	r.asked++
	g.asked = r.asked
	return g
}

// Groups are all that are known, in no order: requests may still use those of a configuration that is no more.
func (r *Registry) Groups() []*Group {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]*Group, 0, len(r.groups))
	for _, g := range r.groups {
		out = append(out, g)
	}
	return out
}

// Latest are, of the groups that are known, one of each name: that which was asked for last. They are in the order of
// their names.
func (r *Registry) Latest() []*Group {
	r.mu.Lock()
	defer r.mu.Unlock()
	latest := make(map[string]*Group, len(r.groups))
	for _, g := range r.groups {
		if other := latest[g.name]; other == nil || other.asked < g.asked {
			latest[g.name] = g
		}
	}
	return slices.SortedFunc(maps.Values(latest), func(a, b *Group) int { return strings.Compare(a.name, b.name) })
}

func (r *Registry) find(key string) *Group {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.groups[key]
}

// keyOf is the same for equal options, here and at other replicas. It tells nothing of them.
func keyOf(o *Options) string {
	text, err := json.Marshal(struct {
		Name      string
		Upstreams []Upstream
		Attempts  int
		Retriable []int
		Cache     Cache
	}{o.Name, o.Upstreams, o.Attempts, o.Retriable, o.Cache})
	if err != nil { // they are plain values
		return o.Name
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// idle says whether nothing was asked for so long that it may be forgotten.
func (g *Group) idle() bool {
	now := g.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	return now.Sub(g.used) > idleTime
}

// tell lets other replicas know how an upstream is; with the lock.
func (g *Group) tell(i int, now time.Time) {
	if g.registry == nil || g.registry.shared == nil {
		return
	}
	s := &g.states[i]
	g.registry.shared.say(health{Group: g.key, Upstream: i, Rest: max(0, s.until.Sub(now)), Class: s.class, Errors: s.errors})
}

// hear takes how another replica found an upstream.
func (g *Group) hear(h health) {
	now := g.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if h.Upstream < 0 || h.Upstream >= len(g.states) || h.Rest < 0 || h.Rest > longestStated || h.Errors < 0 {
		return
	}
	s := &g.states[h.Upstream]
	if h.Rest == 0 {
		s.errors, s.until, s.class = 0, time.Time{}, Failed
		return
	}
	s.until, s.class, s.errors, s.failed = now.Add(h.Rest), min(h.Class, ThrottledStated), min(h.Errors, 1000), now
}

// resting are the upstreams that are not available.
func (g *Group) resting() (out []health) {
	now := g.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range g.states {
		if s := &g.states[i]; s.until.After(now) {
			out = append(out, health{Group: g.key, Upstream: i, Rest: s.until.Sub(now), Class: s.class, Errors: s.errors})
		}
	}
	return out
}

// takeUses are what was used of quotas since it was asked last.
func (g *Group) takeUses() (out []use) {
	if !g.quotas {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range g.states {
		b := &g.states[i].bucket
		if b.spentTokens != 0 || b.spentRequests != 0 {
			out = append(out, use{Group: g.key, Upstream: i, Tokens: b.spentTokens, Requests: b.spentRequests})
			b.spentTokens, b.spentRequests = 0, 0
		}
	}
	return out
}

// hearUse takes what another replica used.
func (g *Group) hearUse(u use) {
	now := g.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if u.Upstream < 0 || u.Upstream >= len(g.states) || !g.quotas {
		return
	}
	b := &g.states[u.Upstream].bucket
	b.fill(now)
	b.tokens -= u.Tokens
	b.requests -= u.Requests
}
