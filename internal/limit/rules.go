package limit

import (
	"slices"

	"outcrop/internal/money"
)

// defaultRole is the role of callers none of whose roles states anything.
const defaultRole = "default"

// Rules are the limits of roles. They never change. A nil Rules limits nobody.
type Rules struct {
	// Roles by name. "default" is of callers none of whose roles states anything for a deployment.
	Roles map[string]Role
	// Concurrent is how many requests a caller may have running of whom no role states it; 0 is without bound.
	Concurrent int
}

// Role is what one role states. What it does not state is not in Deployments, or without bound there.
type Role struct {
	Deployments map[string]Limits // tokens and requests, by deployment or route
	// Cost is over all deployments; nil is not stated.
	Cost *[Windows]money.Amount
	// Concurrent is how many requests one caller may have running; 0 is not stated.
	Concurrent int
}

// For are the limits of a caller with these roles at a deployment that only some roles may use (nil: all), as in DIAL
// Core: of each window the most generous of the roles that the caller has and that may use it, and those of the role
// default when none of them says anything of the deployment. So with what all may cost, and with how many requests
// may be running, of which all roles of the caller count.
func (r *Rules) For(roles, open []string, deployment string) (l Limits, concurrent int) {
	l = None()
	if r == nil {
		return l, 0
	}
	tokens, cost := false, false
	for _, name := range roles {
		role, ok := r.Roles[name]
		if !ok {
			continue
		}
		if stated, ok := role.Deployments[deployment]; ok && (open == nil || slices.Contains(open, name)) {
			l.allow(&stated, tokens)
			tokens = true
		}
		if role.Cost != nil {
			l.spend(role.Cost, cost)
			cost = true
		}
		concurrent = max(concurrent, role.Concurrent)
	}
	usual := r.Roles[defaultRole]
	if stated, ok := usual.Deployments[deployment]; ok && !tokens {
		l.allow(&stated, false)
	}
	if usual.Cost != nil && !cost {
		l.spend(usual.Cost, false)
	}
	if concurrent == 0 {
		if concurrent = usual.Concurrent; concurrent == 0 {
			concurrent = r.Concurrent
		}
	}
	return l, concurrent
}

// allow takes what a role states of tokens and requests; or the more generous, when another has been taken before.
func (l *Limits) allow(stated *Limits, more bool) {
	for w := range Windows {
		if more {
			l.Tokens[w], l.Requests[w] = max(l.Tokens[w], stated.Tokens[w]), max(l.Requests[w], stated.Requests[w])
		} else {
			l.Tokens[w], l.Requests[w] = stated.Tokens[w], stated.Requests[w]
		}
	}
}

func (l *Limits) spend(stated *[Windows]money.Amount, more bool) {
	for w := range Windows {
		if more {
			l.Cost[w] = max(l.Cost[w], stated[w])
		} else {
			l.Cost[w] = stated[w]
		}
	}
}
