package balance

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"outcrop/internal/llm"
)

// Upstream is one of those that answer for a deployment.
type Upstream struct {
	ID       string // "" is none
	Endpoint string // of another server's, by which a client may name it too
	Region   string // AWS's
	Tier     int    // lower ones are asked first
	Weight   int    // its share among those of its tier; at most 0 is never asked
	Quota    Quota
	// Mark stands for all else that it is, such as its credentials, as a digest that tells nothing of them: with another
	// one it is another upstream.
	Mark string
}

// Options make a Group.
type Options struct {
	// Name is the deployment's, and what it is: "model:chat", "route:search".
	Name      string
	Upstreams []Upstream
	// Attempts is how many upstreams a request may ask; at least 1.
	Attempts int
	// Retriable are statuses that another upstream is asked for, besides 429, 502, 503 and 504.
	Retriable []int
	// Cache says whose prompts stay with the upstream that has them in its cache.
	Cache Cache

	now    func() time.Time      // nil is time.Now
	random func(n uint64) uint64 // in [0, n); nil is a good source
}

// Group is the upstreams of one deployment, whatever the interface that they are asked in, and how they are. It is safe
// for concurrent use.
type Group struct {
	name      string
	upstreams []Upstream
	labels    []string
	order     []int // of those that are asked, by tier
	attempts  int
	retriable []int
	cache     Cache
	quotas    bool // one of them has a quota
	now       func() time.Time
	random    func(n uint64) uint64
	registry  *Registry // nil: alone
	key       string    // in it
	asked     uint64    // when it was asked for last, with the registry's lock
	homes     *homes

	mu     sync.Mutex
	states []state
	used   time.Time // when something was last asked
}

// state is how an upstream is.
type state struct {
	until     time.Time // not before then, but when there is nobody else
	class     Class
	errors    int       // since it last answered
	failed    time.Time // when it last did
	running   int
	wait      float64 // moving average of the time to the first word, in seconds; 0 is not known
	throttles uint64
	failures  uint64
	bucket    bucket
}

// idleTime is after how much silence what is known of upstreams is forgotten.
const idleTime = time.Hour

// New makes a group that is alone; see [Registry.Group] for others.
func New(o Options) *Group {
	g := &Group{
		name: o.Name, upstreams: slices.Clone(o.Upstreams), labels: labelsOf(o.Upstreams), retriable: o.Retriable, cache: o.Cache,
		now: o.now, random: o.random, states: make([]state, len(o.Upstreams)),
	}
	if g.now == nil {
		g.now = time.Now
	}
	if g.random == nil {
		g.random = rand.Uint64N
	}
	for i, u := range o.Upstreams {
		if u.Weight > 0 {
			g.order = append(g.order, i)
			g.quotas = g.quotas || u.Quota.limits()
		}
		g.states[i].bucket = newBucket(u.Quota, g.now())
	}
	g.used = g.now()
	if o.Cache != NoCache {
		g.homes = newHomes(nil)
	}
	slices.SortStableFunc(g.order, func(a, b int) int { return cmp.Compare(o.Upstreams[a].Tier, o.Upstreams[b].Tier) })
	g.attempts = min(max(1, o.Attempts), len(g.order))
	return g
}

// labelsOf are the names by which upstreams are told apart: the id, or else the place in the list from 1. An endpoint or
// a region is nothing for clients. A single one without an id needs no name.
func labelsOf(upstreams []Upstream) []string {
	labels := make([]string, len(upstreams))
	for i, u := range upstreams {
		if labels[i] = u.ID; u.ID == "" && len(upstreams) > 1 {
			labels[i] = strconv.Itoa(i + 1)
		}
	}
	return labels
}

// Alone says that there is nothing to choose, to count and to name: the only upstream may be asked as it is.
func (g *Group) Alone() bool {
	return len(g.upstreams) == 1 && g.upstreams[0].ID == "" && !g.quotas
}

// Several says whether there is another upstream when one fails.
func (g *Group) Several() bool { return len(g.order) > 1 }

// named is the upstream that a client may mean; -1 is none.
func (g *Group) named(name string) int {
	for _, i := range g.order {
		if g.upstreams[i].ID == name {
			return i
		}
	}
	for _, i := range g.order {
		if name == g.labels[i] || name == g.upstreams[i].Endpoint {
			return i
		}
	}
	return -1
}

// Unknown is the error of a client that wants an upstream which there is not.
func Unknown(name string) error {
	return &llm.Error{Kind: llm.KindInvalid, Message: "Unknown upstream id " + name}
}
