package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/balance"
	"outcrop/internal/telemetry"
)

// TestUpstreamsAreThoseOfNow: a deployment whose upstreams change has each of them once.
func TestUpstreamsAreThoseOfNow(t *testing.T) {
	r := balance.NewRegistry(balance.RegistryOptions{})
	defer r.Close()
	o := balance.Options{Name: "model:chat", Attempts: 2, Upstreams: []balance.Upstream{{ID: "a", Weight: 1}, {ID: "b", Weight: 1, Region: "us-east-1"}}}
	r.Group(o)
	o.Upstreams = []balance.Upstream{{ID: "a", Weight: 1, Quota: balance.Quota{TokensPerMinute: 100}}}
	r.Group(o)
	r.Group(balance.Options{Name: "route:search", Upstreams: []balance.Upstream{{Weight: 1}}})
	want := []telemetry.Upstream{
		{Deployment: "chat", Upstream: "a", Available: true, RequestsUsed: -1},
		{Deployment: "route:search", Available: true, TokensUsed: -1, RequestsUsed: -1},
	}
	if diff := cmp.Diff(want, upstreamsOf(r)); diff != "" {
		t.Error(diff)
	}
}
