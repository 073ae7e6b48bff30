package limit

import (
	"math"
	"testing"

	"outcrop/internal/money"
)

// states are limits of tokens, of a minute and a month.
func states(minute, month int64) Limits {
	l := None()
	l.Tokens[Minute], l.Tokens[Month] = minute, month
	return l
}

func costs(month money.Amount) *[Windows]money.Amount {
	c := None().Cost
	c[Month] = month
	return &c
}

// TestRules: which limits a caller has, by its roles and those that the deployment is open to (dial-core §6.1).
func TestRules(t *testing.T) {
	rules := &Rules{
		Concurrent: 7,
		Roles: map[string]Role{
			"default": {Deployments: map[string]Limits{"gpt": states(10, 100), "nova": states(1, 1)}, Cost: costs(5)},
			"basic":   {Deployments: map[string]Limits{"gpt": states(100, 500)}, Cost: costs(50), Concurrent: 2},
			"power":   {Deployments: map[string]Limits{"gpt": states(50, 5000)}, Cost: costs(40), Concurrent: 4},
			"free":    {Deployments: map[string]Limits{"gpt": None()}},
			"guest":   {},
		},
	}
	free := [Windows]int64{Unlimited, Unlimited, Unlimited, Unlimited, Unlimited}
	for _, tt := range []struct {
		name        string
		rules       *Rules
		roles, open []string
		deployment  string
		minute      int64
		month       int64
		cost        money.Amount
		concurrent  int
	}{
		{"one role", rules, []string{"basic"}, nil, "gpt", 100, 500, 50, 2},
		{"of each window the most generous", rules, []string{"basic", "power"}, nil, "gpt", 100, 5000, 50, 4},
		{"in any order", rules, []string{"power", "basic"}, nil, "gpt", 100, 5000, 50, 4},
		{"a role that the deployment is not open to", rules, []string{"basic", "power"}, []string{"power", "guest"}, "gpt", 50, 5000, 50, 4},
		{"open to none of them", rules, []string{"basic", "power"}, []string{}, "gpt", 10, 100, 50, 4},
		{"none states the deployment", rules, []string{"basic", "guest"}, nil, "nova", 1, 1, 50, 2},
		{"the default role adds nothing", rules, []string{"guest", "power"}, nil, "gpt", 50, 5000, 40, 4},
		{"a role of no config", rules, []string{"nobody"}, nil, "gpt", 10, 100, 5, 7},
		{"no role", rules, nil, nil, "gpt", 10, 100, 5, 7},
		{"a role without bound", rules, []string{"free", "basic"}, nil, "gpt", Unlimited, Unlimited, 50, 2},
		{"nobody states the deployment", rules, []string{"basic"}, nil, "titan", Unlimited, Unlimited, 50, 2},
		{"no rules", nil, []string{"basic"}, nil, "gpt", Unlimited, Unlimited, money.Max, 0},
		{"rules without roles", &Rules{}, []string{"basic"}, nil, "gpt", Unlimited, Unlimited, money.Max, 0},
	} {
		l, concurrent := tt.rules.For(tt.roles, tt.open, tt.deployment)
		if l.Tokens[Minute] != tt.minute || l.Tokens[Month] != tt.month || l.Tokens[Day] != Unlimited || l.Requests != free {
			t.Errorf("%s: %+v", tt.name, l)
		}
		if l.Cost[Month] != tt.cost || l.Cost[Day] != money.Max || concurrent != tt.concurrent {
			t.Errorf("%s: cost %v, %d at a time", tt.name, l.Cost[Month], concurrent)
		}
	}
}

// TestSlack: a part of the limit, which neither wraps around nor bounds what is without bound.
func TestSlack(t *testing.T) {
	for _, tt := range []struct {
		slack       float64
		limit, want int64
	}{
		{0, 100, 100}, {-1, 100, 100}, {0.1, 100, 110}, {0.1, 5, 5}, {1, 1, 2},
		{0.1, Unlimited, Unlimited}, {1e300, 100, Unlimited}, {0.5, math.MaxInt64 - 1, Unlimited}, {math.Inf(1), 100, Unlimited}, {math.NaN(), 100, 100},
	} {
		l := New(Options{Slack: tt.slack})
		limits := None()
		limits.Tokens[Day], limits.Requests[Day], limits.Cost[Day] = tt.limit, tt.limit, money.Amount(tt.limit)
		got := l.slack(limits)
		if got.Tokens[Day] != tt.want || got.Requests[Day] != tt.want || int64(got.Cost[Day]) != tt.want || got.Tokens[Week] != Unlimited {
			t.Errorf("slack %v of %d is %d, want %d", tt.slack, tt.limit, got.Tokens[Day], tt.want)
		}
	}
}

func BenchmarkFor(b *testing.B) {
	rules := &Rules{Roles: map[string]Role{
		"basic": {Deployments: map[string]Limits{"gpt": states(100, 500)}, Cost: costs(50)},
		"power": {Deployments: map[string]Limits{"gpt": states(50, 5000)}, Cost: costs(40)},
	}}
	roles, open := []string{"basic", "power"}, []string{"power", "basic"}
	b.ReportAllocs()
	for b.Loop() {
		if l, _ := rules.For(roles, open, "gpt"); l.Tokens[Minute] != 100 {
			b.Fatal(l)
		}
	}
}
