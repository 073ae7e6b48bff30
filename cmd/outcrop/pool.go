package main

import (
	"cmp"
	"crypto/sha256"
	"slices"
	"sync"
	"weak"

	"outcrop/internal/bedrock"
	"outcrop/internal/telemetry"
)

// pool keeps the clients of Bedrock that configurations use, so that an upstream that stays the same keeps its
// connections and its credentials. A client is closed when no configuration uses it any more.
type pool struct {
	make func(bedrock.Settings) (*bedrock.Client, error)

	mu      sync.Mutex
	clients map[[sha256.Size]byte]*pooled
}

type pooled struct {
	*bedrock.Client
	users int // configurations
}

func newPool(create func(bedrock.Settings) (*bedrock.Client, error)) *pool {
	return &pool{make: create, clients: map[[sha256.Size]byte]*pooled{}}
}

// take gives a configuration the client of these settings, until it is put back. Each configuration takes it
// once.
func (p *pool) take(s bedrock.Settings) (client *bedrock.Client, isNew bool, err error) {
	key := s.Key()
	p.mu.Lock()
	defer p.mu.Unlock()
	if c, ok := p.clients[key]; ok {
		c.users++
		return c.Client, false, nil
	}
	if client, err = p.make(s); err != nil {
		return nil, false, err
	}
	p.clients[key] = &pooled{client, 1}
	return client, true, nil
}

// put takes back what a configuration has taken.
func (p *pool) put(clients map[[sha256.Size]byte]*bedrock.Client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key := range clients {
		c := p.clients[key]
		if c.users--; c.users == 0 {
			delete(p.clients, key)
			c.Close()
		}
	}
}

// upstreams are the clients of one configuration.
func (p *pool) upstreams() *upstreams {
	u := &upstreams{clients: map[[sha256.Size]byte]*bedrock.Client{}}
	u.make = func(s bedrock.Settings) (*bedrock.Client, error) {
		client, isNew, err := p.take(s)
		if isNew {
			u.added = append(u.added, client)
		}
		return client, err
	}
	return u
}

// holders knows the clients that there are, for the metrics. It keeps none of them alive.
type holders struct {
	mu       sync.Mutex
	clients  []*holder
	failures map[holding]uint64 // of those that are gone as well
}

type holder struct {
	client weak.Pointer[bedrock.Client]
	seen   uint64 // failures that are counted
}

// holding is what the metrics tell credentials apart by.
type holding struct{ source, region string }

func newHolders() *holders { return &holders{failures: map[holding]uint64{}} }

// watched makes clients that are known here.
func (h *holders) watched(create func(bedrock.Settings) (*bedrock.Client, error)) func(bedrock.Settings) (*bedrock.Client, error) {
	return func(s bedrock.Settings) (*bedrock.Client, error) {
		client, err := create(s)
		if err == nil {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.clients = append(h.clients, &holder{client: weak.Make(client)})
		}
		return client, err
	}
}

// mostHoldings bounds what the metrics tell apart: an adapter's regions are its clients' words.
const mostHoldings = 64

// known is the holding, or beyond the bound one for all others. It has to have the lock.
func (h *holders) known(at holding) holding {
	if _, has := h.failures[at]; has || len(h.failures) < mostHoldings {
		return at
	}
	return holding{telemetry.Other, telemetry.Other}
}

// credentials is telemetry.Options.Credentials.
func (h *holders) credentials() (out []telemetry.Credential) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := map[holding]telemetry.Credential{}
	h.clients = slices.DeleteFunc(h.clients, func(c *holder) bool {
		client := c.client.Value()
		if client == nil {
			return true
		}
		held := client.Held()
		at := h.known(holding{held.Source, client.Region()})
		h.failures[at] += held.Failures - c.seen
		c.seen = held.Failures
		soonest := now[at]
		if soonest.Expires.IsZero() || !held.Expires.IsZero() && held.Expires.Before(soonest.Expires) {
			soonest.Expires = held.Expires
		}
		now[at] = soonest
		return false
	})
	for at, failures := range h.failures {
		out = append(out, telemetry.Credential{Source: at.source, Region: at.region, Expires: now[at].Expires, Failures: failures})
	}
	slices.SortFunc(out, func(a, b telemetry.Credential) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Region, b.Region))
	})
	return out
}
