package config

import (
	"fmt"
	"strings"

	"outcrop/internal/money"
)

// CompiledRole is what a role limits over all deployments; those of one are in [CompiledLimit].
type CompiledRole struct {
	Name string `json:"name"`
	// CostLimit is USD by window, decimals; absent is without limit.
	CostLimit  *CompiledCost `json:"costLimit,omitempty"`
	Concurrent int           `json:"maxConcurrentRequests,omitempty"`
}

// CompiledCost is USD by window, as decimals; "" is without limit.
type CompiledCost struct {
	Minute string `json:"minute,omitempty"`
	Day    string `json:"day,omitempty"`
	Week   string `json:"week,omitempty"`
	Month  string `json:"month,omitempty"`
}

// compileRoles are the roles that limit something over all deployments.
func (c *Config) compileRoles(hide redactor) []CompiledRole {
	var out []CompiledRole
	for _, r := range c.Roles {
		one := CompiledRole{Name: hide.clean(r.Name), Concurrent: r.Concurrent}
		if cost := r.CostLimit; cost != (CostLimit{}) {
			one.CostLimit = &CompiledCost{plainAmount(cost.Minute), plainAmount(cost.Day), plainAmount(cost.Week), plainAmount(cost.Month)}
		}
		if one.CostLimit != nil || one.Concurrent > 0 {
			out = append(out, one)
		}
	}
	return out
}

// plainAmount is a decimal without an exponent or needless zeros, "" when it is none.
func plainAmount(decimal string) string {
	amount, err := money.Parse(decimal)
	if err != nil {
		return ""
	}
	return amount.String()
}

// text is what the role limits, on one line.
func (r CompiledRole) text() string {
	var parts []string
	if cost := r.CostLimit; cost != nil {
		for _, w := range []struct{ usd, window string }{{cost.Minute, "minute"}, {cost.Day, "day"}, {cost.Week, "week"}, {cost.Month, "month"}} {
			if w.usd != "" {
				parts = append(parts, fmt.Sprintf("%s USD a %s", w.usd, w.window))
			}
		}
	}
	if r.Concurrent > 0 {
		parts = append(parts, fmt.Sprintf("%d requests at a time", r.Concurrent))
	}
	return printable(r.Name) + ": at most " + strings.Join(parts, ", ")
}

// text says when the windows begin, "" when they begin as they do without a word.
func (s RateLimitSchedule) text() string {
	if s == defaultSchedule() {
		return ""
	}
	return fmt.Sprintf("limits: days begin at %s in %s, weeks on %s", s.ResetTime, s.Timezone, s.WeekStartDay)
}

// defaultSchedule is DIAL's.
func defaultSchedule() RateLimitSchedule {
	return RateLimitSchedule{Timezone: "UTC", WeekStartDay: "Mon", ResetTime: "00:00"}
}
