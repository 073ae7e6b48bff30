package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/config"
	"outcrop/internal/limit"
	"outcrop/internal/money"
)

// limitsConfig is a configuration with these members besides two models, an application and a route.
func limitsConfig(t *testing.T, skip bool, more string) *config.Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "a.json")
	text := `{"models": {"nova": {"type": "chat", "endpoint": "bedrock:amazon.nova-lite-v1:0"}, "claude": {"type": "chat", "endpoint": "http://adapter"}},
		"applications": {"app": {"endpoint": "http://app"}}, "routes": {"r": {"paths": ["/r"], "response": {}}},
		"keys": {"hush-key-1": {"project": "p", "roles": ["power"]}}, ` + more + `}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, problems := config.Load([]string{file}, config.Options{SkipInvalid: skip})
	if config.HasErrors(problems) {
		t.Fatal(problems)
	}
	return cfg
}

func tokensLimit(w limit.Window, n int64) limit.Limits {
	l := limit.None()
	l.Tokens[w] = n
	return l
}

func TestRulesOfRoles(t *testing.T) {
	none := limit.None()
	some := none
	some.Tokens = [limit.Windows]int64{100, limit.Unlimited, 200, 300, 400}
	some.Requests[limit.Hour], some.Requests[limit.Day] = 5, 0
	cost := none.Cost
	cost[limit.Minute], cost[limit.Day], cost[limit.Month] = money.Dollar/2, -money.Dollar, 200*money.Dollar
	closed := limit.Role{Deployments: map[string]limit.Limits{"nova": {}, "claude": {}, "app": {}, "r": {}}, Cost: new([limit.Windows]money.Amount)}
	for _, tt := range []struct {
		name, roles string
		skip        bool
		want        map[string]limit.Role
	}{
		{"nothing stated is nothing limited", `"roles": {"power": {}, "none": null}`, false, map[string]limit.Role{
			"power": {Deployments: map[string]limit.Limits{}}, "none": {Deployments: map[string]limit.Limits{}},
		}},
		{"every window", `"roles": {"power": {"maxConcurrentRequests": 4, "costLimit": {"minute": "0.50", "day": -1, "month": 2e2},
			"limits": {"nova": {"minute": 100, "day": "200", "week": 300, "month": 400, "requestHour": 5, "requestDay": 0}, "claude": {}}}}`, false, map[string]limit.Role{
			"power": {Deployments: map[string]limit.Limits{"nova": some, "claude": none}, Cost: &cost, Concurrent: 4},
		}},
		{"the largest limit is none", `"roles": {"power": {"limits": {"nova": {"minute": 9223372036854775807, "day": 9007199254740993}}}}`, false, map[string]limit.Role{
			"power": {Deployments: map[string]limit.Limits{"nova": tokensLimit(limit.Day, 9007199254740993)}},
		}},
		{"who has a role with mistakes is refused elsewhere", `"roles": {"power": {}, "bad": {"limits": {"nova": {"minute": "much"}}}}`, true, map[string]limit.Role{
			"power": {Deployments: map[string]limit.Limits{}},
		}},
		{"a default role with mistakes leaves nobody without limits", `"roles": {"power": {}, "default": {"limits": {"nova": {"minute": "${LIMIT}"}}}}`, true, map[string]limit.Role{
			"power": {Deployments: map[string]limit.Limits{}}, "default": closed,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, rulesOf(limitsConfig(t, tt.skip, tt.roles)).Roles); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestScheduleOfTheConfiguration(t *testing.T) {
	for _, tt := range []struct {
		name, stated string
		zone         string
		week         time.Weekday
		reset        time.Duration
	}{
		{"DIAL's defaults", `"roles": {}`, "UTC", time.Monday, 0},
		{"all fields", `"rateLimitSchedule": {"timezone": "Europe/Berlin", "weekStartDay": "Sun", "resetTime": "06:30"}`, "Europe/Berlin", time.Sunday, 6*time.Hour + 30*time.Minute},
		{"a Saturday", `"rateLimitSchedule": {"weekStartDay": "Sat", "resetTime": "23:59"}`, "UTC", time.Saturday, 23*time.Hour + 59*time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := scheduleOf(limitsConfig(t, false, tt.stated))
			if s.Zone.String() != tt.zone || s.WeekStart != tt.week || s.Reset != tt.reset {
				t.Errorf("%s %s %s, want %s %s %s", s.Zone, s.WeekStart, s.Reset, tt.zone, tt.week, tt.reset)
			}
		})
	}
}
