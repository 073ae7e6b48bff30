package config

import (
	"fmt"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

const (
	routesSection = "routes"
	// defaultOrder is Java's largest int: after every route that has one.
	defaultOrder = math.MaxInt32
)

type routeDraft struct {
	Route
	upstreams spot
}

func routeTable() table[routeDraft] {
	return table[routeDraft]{fields: []field[routeDraft]{
		{"paths", "list of regular expressions", "[]", enforced, "each has to match the whole path; RE2's syntax, which is Java's without look-around, back references, possessive quantifiers and intersections of classes", "",
			func(l *loader, v spot, r *routeDraft) { l.patterns(v, r) }},
		{"methods", "list of methods", "[]", enforced, "in capitals; all without any", "",
			func(l *loader, v spot, r *routeDraft) { l.methods(v, r) }},
		{"order", "integer", fmt.Sprint(defaultOrder), enforced, "the lower is tried first, of two the first of the file", "",
			func(l *loader, v spot, r *routeDraft) {
				l.count(v, math.MinInt32, &r.Order)
				if r.Order > math.MaxInt32 {
					l.err(v, "must be at most 2147483647", "remove it for the last place")
				}
			}},
		{"rewritePath", "boolean", "false", enforced, "true: the request's path at the upstream's host; false: the upstream's endpoint as it is", "",
			func(l *loader, v spot, r *routeDraft) { l.boolean(v, &r.RewritePath) }},
		{"response", "object", "", enforced, "an answer without a server: `status` (200) and `body`", "",
			func(l *loader, v spot, r *routeDraft) {
				r.Response = &CannedResponse{Status: 200}
				readObject(l, v, responseTable(), r.Response)
			}},
		{"upstreams", "list of upstreams", "[]", enforced, "the servers: `endpoint`, `key`, `authType`, `weight`, `tier`; balanced as a model's are", "",
			func(_ *loader, v spot, r *routeDraft) { r.upstreams = v }},
		{"userRoles", "list of role names", "", enforced, "as a model's", "",
			func(l *loader, v spot, r *routeDraft) { r.UserRoles = l.userRoles(v) }},
		{"maxRetryAttempts", "integer ≥ 1", "1", enforced, "how many of the upstreams are tried per request", "",
			func(l *loader, v spot, r *routeDraft) { l.int32(v, 1, &r.MaxRetryAttempts) }},
		{"permissions", "list of `READ`, `WRITE`", "[]", meaningless, "for routes of applications", "", nil},
		{"attachmentPaths", "object", "{}", notServed, "where bodies have URLs of files", "files are not served, so none are checked", nil},
		{"displayName", "string, or object of locales", "", meaningless, "for people", "", nil},
		{"description", "string", "", meaningless, "for people", "", nil},
	}}
}

func responseTable() table[CannedResponse] {
	return table[CannedResponse]{fields: []field[CannedResponse]{
		{"status", "200 … 599", "200", enforced, "", "",
			func(l *loader, v spot, r *CannedResponse) {
				l.count(v, 200, &r.Status)
				if r.Status > 599 {
					l.err(v, "must be a status from 200 to 599", "")
					r.Status = 200
				}
			}},
		{"body", "string", "", enforced, "", "",
			func(l *loader, v spot, r *CannedResponse) { l.str(v, &r.Body) }},
	}}
}

func readRoutes(l *loader, s spot, cfg *Config) {
	readEntities(l, s, func(v spot, name string, at pos) (Route, bool) {
		if name == "" {
			l.err(v.namedAt(at), "an empty name", "logs and limits name a route")
		}
		if !l.want(v, object) {
			return Route{}, false
		}
		v.remote = true
		var r Route
		for version := range v.versions() {
			r = l.readRoute(version, name)
		}
		return r, true
	}, &cfg.Routes)
}

func (l *loader) readRoute(s spot, name string) Route {
	draft := routeDraft{Route: Route{Name: name, Order: defaultOrder, MaxRetryAttempts: 1}}
	readObject(l, s, routeTable(), &draft)
	r := &draft.Route
	if draft.upstreams.node != nil {
		r.Upstreams = l.readUpstreams(draft.upstreams, Model{})
		l.checkRouteUpstreams(draft.upstreams)
	}
	if paths, ok := s.find("paths"); !ok || paths.isDefault("") {
		l.warn(s, "the route has no paths: it is never taken", `add "paths": ["/path"]`)
	}
	switch {
	case r.Response != nil && len(r.Upstreams) > 0:
		l.warn(draft.upstreams, "have no effect beside response, which answers without a server", "remove one of the two")
	case r.Response == nil && len(r.Upstreams) == 0 && (draft.upstreams.node == nil || draft.upstreams.kind == list):
		l.warn(s, "the route has neither upstreams nor a response: its requests are answered with 503", `add "upstreams": [{"endpoint": "http://…"}]`)
	}
	return *r
}

// checkRouteUpstreams looks at the addresses, which are asked from here.
func (l *loader) checkRouteUpstreams(s spot) {
	for i := range s.items {
		v := s.item(i)
		if v.kind != object {
			continue
		}
		endpoint, ok := v.find("endpoint")
		switch {
		case !ok || endpoint.kind == null || endpoint.kind == text && endpoint.text == "":
			l.err(v, "an upstream of a route needs an endpoint", `add "endpoint": "http://…"`)
		case endpoint.kind == text && !isRouteURL(endpoint.text):
			l.err(endpoint, "the endpoint is not a URL of http, https, ws or wss", "")
		}
	}
}

func isRouteURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && slices.Contains([]string{"http", "https", "ws", "wss"}, u.Scheme)
}

// methods reads methods. DIAL compares them as they are written with the request's, which is in capitals.
func (l *loader) methods(s spot, r *routeDraft) {
	r.Methods = l.strs(s)
	allowed := []string{"GET", "POST", "PUT", "DELETE", "HEAD", "PATCH"}
	for i := range s.items {
		v := s.item(i)
		switch {
		case v.kind != text || slices.Contains(allowed, v.text):
		case slices.Contains(allowed, strings.ToUpper(v.text)):
			l.err(v, "a method in small letters matches no request", "write it in capitals: "+strings.ToUpper(v.text))
		default:
			l.err(v, "no request comes with this method: the others are answered before routes are tried", strings.Join(allowed, ", "))
		}
	}
}

// patterns reads the paths.
func (l *loader) patterns(s spot, r *routeDraft) {
	r.Paths = l.strs(s)
	for i := range s.items {
		v := s.item(i)
		if v.kind != text || v.text == "" {
			continue
		}
		if message, remedy := patternMistake(v.text); message != "" {
			l.err(v, message, remedy)
		} else if !strings.HasPrefix(strings.TrimLeft(v.text, `^(\Q`), "/") && v.text[0] != '.' && v.text[0] != '[' {
			l.warn(v, "the whole path has to match, and paths begin with a slash", "begin it with a slash, or with .*")
		}
	}
}

// patternMistake says what keeps a regular expression of Java from being one here; RE2 lacks what cannot be matched
// in linear time. https://github.com/google/re2/wiki/Syntax
func patternMistake(pattern string) (message, remedy string) {
	for _, c := range []struct{ form, what, remedy string }{
		{`\(\?<?!`, "a negative look-around (?!…)", "give what it excludes a route of its own with a lower order"},
		{`\(\?<?=`, "a look-around (?=…)", "write out the paths that are meant, one in each item of paths"},
		{`\(\?>`, "an atomic group (?>…)", "write (?:…)"},
		{`[*+?}]\+`, "a possessive quantifier", "remove the second +: what matches is the same, or less is excluded"},
		{`\\[1-9]|\\k<`, "a back reference", "write out the paths that are meant, one in each item of paths"},
		{`&&`, "an intersection of character classes", "write out the characters, or escape the first & for the sign itself"},
		{`\\[hHRXGZe]`, "an escape that only Java has", "write the characters themselves"},
		{`\\p\{(java|Is|In)`, "a character class that only Java has", `write \p{L}, [a-z] or the like`},
	} {
		if regexp.MustCompile(c.form).MatchString(unquoted(pattern)) {
			return c.what + ", which this server's regular expressions (RE2) lack", c.remedy
		}
	}
	if _, err := regexp.Compile(`^(?:` + pattern + `)$`); err != nil {
		reason := strings.TrimPrefix(err.Error(), "error parsing regexp: ")
		if i := strings.Index(reason, ": `"); i >= 0 {
			reason = reason[:i]
		}
		return "this is no regular expression: " + reason, `a sign with a meaning is escaped: \. \( \[ \*`
	}
	return "", ""
}

// unquoted is a pattern without the signs that it escapes.
func unquoted(pattern string) string {
	return regexp.MustCompile(`(?s)\\Q.*?(\\E|$)|\\\\|\\[^\w]`).ReplaceAllString(pattern, "_")
}

// authType reads how a route's server gets the key.
func (l *loader) authType(s spot, u *upstreamDraft) {
	var word string
	l.oneOf(s, &word, "API_KEY", "BEARER")
	u.Bearer = word == "BEARER"
	if !strings.HasPrefix(s.path, routesSection) {
		l.warn(s, "has no effect: it is for routes", "remove it")
	}
}
