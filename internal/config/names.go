package config

import (
	"fmt"
	"iter"
	"maps"
	"slices"
)

const (
	modelsSection = "models"
	rolesSection  = "roles"
	// defaultRole needs no declaration: its limits are everybody's fallback in DIAL.
	defaultRole = "default"
)

// names are what entries refer to each other by. They are collected before
// anything is read: sections stand in any order.
type names struct {
	deployments  map[string]bool // what a role's limits may name
	callable     map[string]pos  // models and applications, which share their names
	limited      map[string]bool // models and routes: whose limits count
	interceptors map[string]bool
	translators  map[string]bool
	global       map[string]bool // the global interceptors
	held         map[string]bool // roles that roles or a key names: what userRoles may name
	asked        map[string]bool // roles that roles or a userRoles names: what a key may name
}

func collectNames(root *node) names {
	n := names{
		deployments: map[string]bool{}, limited: map[string]bool{}, callable: map[string]pos{}, interceptors: map[string]bool{}, translators: map[string]bool{}, global: map[string]bool{},
		held: map[string]bool{}, asked: map[string]bool{},
	}
	for _, section := range root.members { // also of two of one name: both are checked
		switch section.name {
		case modelsSection, applicationsSection, "toolsets", routesSection, interceptorsSection:
			n.addDeployments(section)
		case translatorsSection:
			collect(n.translators, section.value)
		case "globalInterceptors":
			collect(n.global, section.value)
		case rolesSection:
			collect(n.held, section.value)
			collect(n.asked, section.value)
		case keysSection:
			for _, m := range section.value.members {
				collect(n.held, m.value.get("roles"))
				collect(n.held, m.value.get("role"))
			}
		}
	}
	return n
}

func (n *names) addDeployments(section member) {
	collect(n.deployments, section.value)
	if section.name == modelsSection || section.name == routesSection {
		collect(n.limited, section.value)
	}
	if section.name == interceptorsSection {
		collect(n.interceptors, section.value)
	}
	for _, m := range section.value.members {
		roles, ok := (spot{node: m.value}).find("userRoles")
		if ok {
			collect(n.asked, roles.node)
		}
		if m.value.kind != object || section.name != modelsSection && section.name != applicationsSection {
			continue
		}
		if _, known := n.callable[m.name]; !known || section.name == modelsSection {
			n.callable[m.name] = m.pos
		}
	}
}

// collect adds the names that an object, a list or a string holds.
func collect(into map[string]bool, n *node) {
	if n == nil {
		return
	}
	if n.kind == text || n.kind == number {
		into[n.text] = true
	}
	for _, item := range n.items {
		collect(into, item)
	}
	for _, m := range n.members {
		into[m.name] = true
	}
}

// checkHeldRole reports a role of a key that nothing asks for, as a misspelt
// one is. Where nothing names a role at all, roles decide nothing.
func (l *loader) checkHeldRole(s spot, role string) {
	if role == "" || role == defaultRole || l.asked[role] || len(l.asked) == 0 || l.incomplete {
		return
	}
	known := maps.Clone(l.asked)
	known[defaultRole] = true
	l.warn(s, fmt.Sprintf("the role %q stands neither in roles nor in any userRoles: it opens nothing", role), closest(role, known))
}

// checkAskedRole reports a role of userRoles that nobody can have.
func (l *loader) checkAskedRole(s spot, role string) {
	if l.held[role] || l.incomplete || l.tokenRoles {
		return
	}
	l.warn(s, fmt.Sprintf("the role %q is named neither in roles nor by a key: nobody has it, unless a token brings it", role), closest(role, l.held))
}

// closest proposes the known name nearest to an unknown one.
func closest(name string, known map[string]bool) string {
	best := Nearest(name, maps.Keys(known))
	if best == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %q?", best)
}

// Nearest is the known name with the fewest letters to change, the first in the
// alphabet of several; "" when all differ in more than a third of the name.
func Nearest(name string, known iter.Seq[string]) string {
	best, distance := "", len(name)/3+1
	for _, k := range slices.Sorted(known) {
		if d := editDistance(name, k); d < distance {
			best, distance = k, d
		}
	}
	return best
}
