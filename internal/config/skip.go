package config

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
)

// isEntitySection says whether the members of a section stand each for itself.
func isEntitySection(path string) bool {
	return slices.Contains([]string{
		modelsSection, applicationsSection, interceptorsSection, translatorsSection, routesSection, keysSection, rolesSection,
	}, path)
}

// entityName names an entity within the loader. It is never shown: the name of a key is the key.
func entityName(section, name string) string { return section + "\x00" + name }

// leaveOut takes what has mistakes out of the configuration, and makes warnings of these. What is left never opens
// what was closed: who holds a role that is left out is not served, as the role's limits are not known, and what such
// a role may call, nobody may through it. Holders of tokens are known only when they come, see [Config.ClosedRoles].
func (l *loader) leaveOut(root spot, cfg *Config) {
	reasons := map[string]Problem{}
	for i, found := range l.problems {
		if found.Severity != Error || found.entity == "" {
			continue
		}
		if _, known := reasons[found.entity]; !known {
			reasons[found.entity] = found.Problem
		}
		l.problems[i].Severity = Warning
	}
	for i, section := range root.members {
		s := root.member(i)
		if section.lost || !isEntitySection(s.path) {
			continue
		}
		for j, m := range s.members {
			v := s.member(j).namedAt(m.pos)
			if why, bad := reasons[v.entity]; bad && !m.lost {
				l.warn(v, "left out: it has mistakes, which are other problems of this list", "correct them")
				cfg.Skipped = append(cfg.Skipped, Skipped{ID: v.path, Reason: fmt.Sprintf("%s: %s", why.Path, why.Message)})
			}
		}
	}
	out := func(section, name string) bool { _, bad := reasons[entityName(section, name)]; return bad }
	cfg.Models = slices.DeleteFunc(cfg.Models, func(m Model) bool { return out(modelsSection, m.Name) })
	cfg.Applications = slices.DeleteFunc(cfg.Applications, func(a Application) bool { return out(applicationsSection, a.Name) })
	cfg.dropFallbacks()
	cfg.Interceptors = slices.DeleteFunc(cfg.Interceptors, func(i Interceptor) bool { return out(interceptorsSection, i.Name) })
	cfg.Translators = slices.DeleteFunc(cfg.Translators, func(t Translator) bool { return out(translatorsSection, t.Name) })
	cfg.Routes = slices.DeleteFunc(cfg.Routes, func(r Route) bool { return out(routesSection, r.Name) && !l.bars(&r) })
	for i := range cfg.Routes {
		if r := &cfg.Routes[i]; out(routesSection, r.Name) {
			*r = l.closedRoute(r)
		}
	}
	cfg.Keys = slices.DeleteFunc(cfg.Keys, func(k Key) bool { return out(keysSection, k.Name) || out(keysSection, k.Secret.Reveal()) })
	cfg.Roles = slices.DeleteFunc(cfg.Roles, func(r Role) bool {
		bad := out(rolesSection, r.Name)
		if bad {
			cfg.ClosedRoles = append(cfg.ClosedRoles, r.Name)
		}
		return bad
	})
	closeRoles(cfg, func(role string) bool { return out(rolesSection, role) })
}

// bars says whether a route that has mistakes keeps somebody from its paths. Without it they would be another route's.
func (l *loader) bars(r *Route) bool { return r.UserRoles != nil || l.mistaken(r, "userRoles") }

// closedRoute stands in for such a route: nobody may ask its paths, or any path when they are not known.
func (l *loader) closedRoute(r *Route) Route {
	closed := Route{Name: r.Name, Paths: r.Paths, Order: r.Order, UserRoles: []string{}, Response: &CannedResponse{Status: http.StatusForbidden}}
	if l.mistaken(r, "paths") {
		closed.Paths = []string{`(?s).*`}
	}
	if l.mistaken(r, "order") {
		closed.Order = math.MinInt
	}
	return closed
}

// mistaken says whether a field of the route has a mistake.
func (l *loader) mistaken(r *Route, field string) bool {
	entity, path := entityName(routesSection, r.Name), routesSection+segment(r.Name)+"."
	return slices.ContainsFunc(l.problems, func(f finding) bool {
		name, _, _ := strings.Cut(strings.TrimPrefix(f.Path, path), "[")
		return f.entity == entity && sameField(field, name)
	})
}

// closeRoles takes away what roles that are left out would open.
func closeRoles(cfg *Config, closed func(role string) bool) {
	cfg.Keys = slices.DeleteFunc(cfg.Keys, func(k Key) bool {
		if !slices.ContainsFunc(k.Roles, closed) {
			return false
		}
		cfg.Skipped = append(cfg.Skipped, Skipped{
			ID: fmt.Sprintf("keys[project %q]", k.Project), Reason: "it has a role that is left out, whose limits are not known",
		})
		return true
	})
	open := func(roles []string) []string {
		if roles == nil {
			return nil
		}
		return slices.DeleteFunc(roles, closed) // never nil: an empty list is nobody
	}
	for i := range cfg.Models {
		cfg.Models[i].UserRoles = open(cfg.Models[i].UserRoles)
	}
	for i := range cfg.Applications {
		cfg.Applications[i].UserRoles = open(cfg.Applications[i].UserRoles)
	}
	for i := range cfg.Routes {
		cfg.Routes[i].UserRoles = open(cfg.Routes[i].UserRoles)
	}
}
