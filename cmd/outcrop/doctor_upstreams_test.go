package main

import (
	"slices"
	"testing"
)

// Every upstream that requests may go to is verified, by its id where it has one.
func TestDoctorVerifiesEveryUpstream(t *testing.T) {
	a := newAccount(t)
	r, code := a.report("--config", a.models(map[string]string{"nova": `{"type": "chat", "endpoint": "bedrock:amazon.nova-lite-v1:0", "upstreams": [
		{"id": "virginia", "extraData": {"region": "us-east-1"}}, {"tier": 1, "extraData": {"region": "us-west-2"}}, {"weight": 0, "extraData": {"region": "us-east-2"}}]}`}), "--only", "models")
	var answered []string
	for _, f := range r.Findings {
		if f.Code == "MODEL-000" {
			answered = append(answered, f.Subject)
		}
	}
	if want := []string{"nova at upstream 2", "nova at virginia"}; !slices.Equal(slices.Sorted(slices.Values(answered)), want) || code != 0 {
		t.Errorf("exit %d, answered: %q, want %q", code, answered, want)
	}
}
