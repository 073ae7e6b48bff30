package main

import (
	"log/slog"
	"slices"
	"time"

	"outcrop/internal/config"
	"outcrop/internal/limit"
	"outcrop/internal/money"
)

// defaultRole is the role whose limits are everybody's who has none.
const defaultRole = "default"

// rulesOf are the limits of the configuration's roles. A role that is left out for its mistakes limits nobody here:
// who has it is refused by closedRoles. But the limits of the role "default" are also those of callers who do not have
// it, so that without them these would be without limits: they are 0 then.
func rulesOf(cfg *config.Config) *limit.Rules {
	rules := &limit.Rules{Roles: make(map[string]limit.Role, len(cfg.Roles)+1)}
	for _, r := range cfg.Roles {
		rules.Roles[r.Name] = ruleOf(r)
	}
	if slices.Contains(cfg.ClosedRoles, defaultRole) {
		rules.Roles[defaultRole] = closedRule(cfg)
	}
	return rules
}

func ruleOf(r config.Role) limit.Role {
	out := limit.Role{Deployments: make(map[string]limit.Limits, len(r.Limits)), Concurrent: r.Concurrent}
	for _, l := range r.Limits {
		limits := limit.None()
		limits.Tokens[limit.Minute], limits.Tokens[limit.Day] = l.Minute, l.Day
		limits.Tokens[limit.Week], limits.Tokens[limit.Month] = l.Week, l.Month
		limits.Requests[limit.Hour], limits.Requests[limit.Day] = l.RequestHour, l.RequestDay
		out.Deployments[l.Deployment] = limits
	}
	if r.CostLimit == (config.CostLimit{}) { // it says nothing: another role may
		return out
	}
	cost := limit.None().Cost
	for w, text := range map[limit.Window]string{
		limit.Minute: r.CostLimit.Minute, limit.Day: r.CostLimit.Day, limit.Week: r.CostLimit.Week, limit.Month: r.CostLimit.Month,
	} {
		if text == "" {
			continue
		}
		amount, err := money.Parse(text)
		if err != nil { // config.Load has refused it: nobody is to spend what cannot be read
			amount = 0
		}
		cost[w] = amount
	}
	out.Cost = &cost
	return out
}

// closedRule admits nobody to anything.
func closedRule(cfg *config.Config) limit.Role {
	var none limit.Limits // every limit is 0
	out := limit.Role{Deployments: map[string]limit.Limits{}, Cost: new([limit.Windows]money.Amount)}
	for _, m := range cfg.Models {
		out.Deployments[m.Name] = none
	}
	for _, a := range cfg.Applications {
		out.Deployments[a.Name] = none
	}
	for _, r := range cfg.Routes {
		out.Deployments[r.Name] = none
	}
	return out
}

// scheduleOf says when the configuration's days, weeks and months begin.
func scheduleOf(cfg *config.Config) limit.Schedule {
	s := limit.Schedule{Zone: time.UTC, WeekStart: time.Monday}
	stated := cfg.RateLimitSchedule
	if zone, err := time.LoadLocation(stated.Timezone); err == nil {
		s.Zone = zone
	}
	for day := time.Sunday; day <= time.Saturday; day++ {
		if day.String()[:3] == stated.WeekStartDay {
			s.WeekStart = day
		}
	}
	if at, err := time.Parse("15:04", stated.ResetTime); err == nil {
		s.Reset = time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute
	}
	return s
}

// limiterOptions are those of a limiter over a store, as the settings say.
func limiterOptions(s *config.Settings, store limit.Store, log *slog.Logger) limit.Options {
	return limit.Options{Store: store, Loose: s.Limits.Loose, Slack: s.Limits.Slack, AdmitWhenDown: s.Limits.AdmitWhenDown, Log: log}
}
