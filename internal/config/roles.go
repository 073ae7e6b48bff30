package config

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"outcrop/internal/money"
)

func roleTable() table[Role] {
	return table[Role]{fields: slices.Concat([]field[Role]{
		{"limits", "object: deployment or route → limit", "{}", enforced, "what one caller may use of each, see below; of several roles the most generous counts, window by window", "",
			readRoleLimits},
		{"costLimit", "object", "{}", enforced, "what one caller may spend over all models, in USD per window, see below", "",
			func(l *loader, v spot, r *Role) { readObject(l, v, costTable(), &r.CostLimit) }},
		{"maxConcurrentRequests", "integer ≥ 1", "", enforced, "how many requests one caller may have running; of several roles the highest counts. Outcrop's own field", "",
			func(l *loader, v spot, r *Role) { l.int32(v, 1, &r.Concurrent) }},
		{"share", "object", "{}", notServed, "limits of sharing", "nothing can be shared",
			nil},
	}, policyRoleFields())}
}

func roleLimitTable() table[RoleLimit] {
	row := func(name, about string, into func(*RoleLimit) *int64) field[RoleLimit] {
		return field[RoleLimit]{name: name, kind: "integer, or a string that holds one", def: "unlimited", use: enforced, about: about,
			read: func(l *loader, v spot, m *RoleLimit) { l.limit(v, into(m)) }}
	}
	return table[RoleLimit]{fields: []field[RoleLimit]{
		row("minute", "tokens in the last 60 seconds. Of every window, 0 or less closes the deployment (403)", func(m *RoleLimit) *int64 { return &m.Minute }),
		row("day", "tokens in a day of the calendar, see rateLimitSchedule", func(m *RoleLimit) *int64 { return &m.Day }),
		row("week", "tokens in a week of it", func(m *RoleLimit) *int64 { return &m.Week }),
		row("month", "tokens in a month of it", func(m *RoleLimit) *int64 { return &m.Month }),
		row("requestHour", "requests in the last 60 minutes", func(m *RoleLimit) *int64 { return &m.RequestHour }),
		row("requestDay", "requests in a day of the calendar", func(m *RoleLimit) *int64 { return &m.RequestDay }),
	}}
}

func costTable() table[CostLimit] {
	row := func(name, about string, into func(*CostLimit) *string) field[CostLimit] {
		return field[CostLimit]{name: name, kind: "decimal, as a string or a number", def: "unlimited", use: enforced, about: about,
			read: func(l *loader, v spot, m *CostLimit) { l.costLimit(v, into(m)) }}
	}
	return table[CostLimit]{fields: []field[CostLimit]{
		row("minute", "USD in the last 60 seconds. Of every window, 0 or less closes all models (403)", func(m *CostLimit) *string { return &m.Minute }),
		row("day", "USD in a day of the calendar", func(m *CostLimit) *string { return &m.Day }),
		row("week", "USD in a week of it", func(m *CostLimit) *string { return &m.Week }),
		row("month", "USD in a month of it", func(m *CostLimit) *string { return &m.Month }),
	}}
}

// readRoleLimits reads one role's limits by deployment.
func readRoleLimits(l *loader, s spot, r *Role) {
	if !l.want(s, object) {
		return
	}
	for i, m := range s.members {
		v := s.member(i)
		switch {
		case l.incomplete || l.limited[m.name]:
		case l.deployments[m.name]:
			l.warn(v.namedAt(m.pos), "has no effect: models and routes are limited, as in DIAL; others by the models that they call", "limit those models")
		default:
			l.warn(v.namedAt(m.pos), "limits of a deployment that does not exist", closest(m.name, l.limited))
		}
		limit := RoleLimit{Deployment: m.name, Minute: Unlimited, Day: Unlimited, Week: Unlimited, Month: Unlimited, RequestHour: Unlimited, RequestDay: Unlimited}
		if v.kind != null {
			readObject(l, v, roleLimitTable(), &limit)
		}
		if !m.lost {
			r.Limits = append(r.Limits, limit)
		}
	}
}

func readRoles(l *loader, s spot, cfg *Config) {
	if !l.want(s, object) {
		return
	}
	for i, m := range s.members {
		v, role := s.member(i), Role{Name: m.name}
		if m.name == "" {
			l.err(v.namedAt(m.pos), "an empty role name", "")
		}
		if v.kind != null {
			readObject(l, v, roleTable(), &role)
		}
		if !m.lost {
			cfg.Roles = append(cfg.Roles, role)
		}
	}
}

// limit reads a limit of tokens or requests: a whole number, exact up to the largest int64, which is Java's Long as
// well. What is not stated, or cannot be read, stays as it is; the latter is an error.
func (l *loader) limit(s spot, into *int64) {
	if s.kind != number && s.kind != text {
		l.err(s, "must be a whole number, is "+s.kind.String(), "for example 100000; without a limit, remove it")
		return
	}
	if l.isOctal(s) {
		return
	}
	n, exact := s.whole()
	switch {
	case !exact && strings.HasPrefix(s.text, "-") && isDigits(s.text[1:]):
		l.err(s, fmt.Sprintf("below %d, which no limit is", int64(math.MinInt64)), "a limit of 0 closes the deployment")
	case !exact && isDigits(s.text):
		l.err(s, fmt.Sprintf("beyond %d, which is the largest limit and the same as none", int64(math.MaxInt64)), "remove it for no limit")
	case !exact:
		l.err(s, "must be a whole number of tokens or requests", "write digits only, for example 100000")
	case n <= 0:
		l.warn(s, fmt.Sprintf("a limit of %d closes the deployment to whoever has no other role with a higher one (403)", n), "remove it for no limit")
		fallthrough
	default:
		*into = n
	}
}

// costLimit reads an amount of USD, which may be 0 or negative.
func (l *loader) costLimit(s spot, into *string) {
	amount, ok := l.dollars(s, "remove it for no limit")
	if !ok {
		return
	}
	if amount <= 0 {
		l.warn(s, fmt.Sprintf("a cost limit of %s closes every model to whoever has no other role with a higher one (403)", amount), "remove it for no limit")
	}
	*into = s.text
}

// dollars reads an amount of USD exactly, from a string or a number. The remedy is for one that is too large.
func (l *loader) dollars(s spot, remedy string) (money.Amount, bool) {
	if s.kind != number && s.kind != text {
		l.want(s, text)
		return 0, false
	}
	if l.isOctal(s) {
		return 0, false
	}
	amount, err := money.Parse(s.text)
	switch {
	case !isDecimal(strings.TrimPrefix(s.text, "-")):
		l.err(s, "must be a decimal number of USD", `for example "12.50"`)
	case errors.Is(err, money.ErrPrecision):
		l.err(s, "has more than 12 digits after the point, which nobody can count in", "round it")
	case err != nil:
		l.err(s, "is beyond 9,223,372 USD, the largest amount", remedy)
	default:
		return amount, true
	}
	return 0, false
}

// int32 is count for what DIAL keeps in a Java int.
func (l *loader) int32(s spot, least int64, into *int) {
	n := int64(*into)
	l.integer(s, least, &n)
	if n > math.MaxInt32 {
		l.err(s, "must be at most "+strconv.Itoa(math.MaxInt32), "")
		return
	}
	*into = int(n)
}
