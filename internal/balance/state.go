package balance

import "time"

// UpstreamState is how one upstream of a group is, for metrics.
type UpstreamState struct {
	Upstream  string // its id, or its place in the list from 1
	Region    string // AWS's, or ""
	Tier      int
	Available bool
	Until     time.Time // when it is back; zero when it is available
	Class     Class     // why it is not
	Running   int
	Throttles uint64 // requests that it refused for their rate
	Failures  uint64 // others that failed by its fault
	// FirstWord is about how long it takes to begin an answer; 0 is not known.
	FirstWord time.Duration
	// Quota is what it may use, and Left what of its tokens is there, which may be below 0.
	Quota Quota
	Left  float64
}

// Name is the deployment's, as in Options.
func (g *Group) Name() string { return g.name }

// State is how the upstreams are now, those that are asked.
func (g *Group) State() []UpstreamState {
	now := g.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	out := make([]UpstreamState, 0, len(g.order))
	for _, i := range g.order {
		u, s := &g.upstreams[i], &g.states[i]
		s.bucket.fill(now)
		state := UpstreamState{
			Upstream: g.labels[i], Region: u.Region, Tier: u.Tier, Available: !s.until.After(now), Running: s.running,
			Throttles: s.throttles, Failures: s.failures, FirstWord: time.Duration(s.wait * float64(time.Second)), Quota: u.Quota, Left: s.bucket.tokens,
		}
		if !state.Available {
			state.Until, state.Class = s.until, s.class
		}
		out = append(out, state)
	}
	return out
}
