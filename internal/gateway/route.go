package gateway

import (
	"cmp"
	"net/http"
	"regexp"
	"slices"

	"outcrop/internal/auth"
	"outcrop/internal/llm"
	"outcrop/internal/proxy"
	"outcrop/internal/usage"
)

// Route is a path that is none of the API's own and goes to another server, or has an answer that is always the
// same.
type Route struct {
	Name string
	// Paths are expressions of which one has to match; WholePath makes one that matches a whole path.
	Paths []*regexp.Regexp
	// Methods are those that it takes, in capitals; empty takes all.
	Methods []string
	// Order is lower for a route that is tried before others; those with the same keep theirs.
	Order int
	// Roles may use it: nil means everyone, an empty list nobody.
	Roles []string
	// Canned is the answer, or else Server has it; without both the route is known, and nobody answers.
	Canned *Canned
	Server *proxy.Raw
}

// Canned is an answer that nobody is asked for.
type Canned struct {
	Status int
	Body   string
}

// WholePath is an expression of DIAL's for a path, which it has to match from end to end.
func WholePath(expression string) (*regexp.Regexp, error) {
	if _, err := regexp.Compile(expression); err != nil { // a parenthesis too many would undo those around it
		return nil, err
	}
	return regexp.Compile(`^(?:` + expression + `)$`)
}

// routesInOrder are the routes as they are tried.
func routesInOrder(routes []Route) []Route {
	return slices.SortedStableFunc(slices.Values(routes), func(a, b Route) int { return cmp.Compare(a.Order, b.Order) })
}

// takes says whether a request is for the route.
func (t *Route) takes(r *http.Request) bool {
	if len(t.Methods) > 0 && !slices.Contains(t.Methods, r.Method) {
		return false
	}
	return slices.ContainsFunc(t.Paths, func(p *regexp.Regexp) bool { return p.MatchString(r.URL.Path) })
}

// dynamic is the route that a request is for which the API has none; nil when there is none either.
func (g *Gateway) dynamic(r *http.Request) *Route {
	if len(g.configured) == 0 || !isClean(r.URL.Path) {
		return nil
	}
	for i := range g.configured {
		if g.configured[i].takes(r) {
			return &g.configured[i]
		}
	}
	return nil
}

// handleRoute answers by a route of the configuration.
func (g *Gateway) handleRoute(x *exchange, r *http.Request, t *Route) error {
	x.route, x.operation = t.Name, usage.Route
	caller, err := g.auth.Authenticate(r)
	if err != nil {
		return x.refuse(refusal(err))
	}
	if err := g.enter(x, r, caller, workFirst); err != nil {
		return x.refuse(err)
	}
	g.observe(x, r, caller)
	if x.project, x.user = caller.Project, caller.LogName; t.Roles != nil && !caller.HasAny(t.Roles) {
		return x.refuse(&llm.Error{Kind: llm.KindForbidden, Message: "Forbidden route"})
	}
	if t.Canned == nil && t.Server == nil {
		return x.refuse(&llm.Error{Kind: llm.KindUnavailable, Message: "Route " + t.Name + " has no server. The operator has to give it an upstream that is not disabled."})
	}
	x.charge = charge{caller: caller, id: caller.ID(), name: t.Name, open: t.Roles, embeds: true, counted: true}
	if err := g.claim(r.Context(), x, need{}); err != nil {
		return x.refuse(err)
	}
	if t.Canned != nil {
		x.WriteHeader(t.Canned.Status)
		return x.send([]byte(t.Canned.Body))
	}
	return g.carry(x, r, t, caller)
}

// carry lets the route's server answer, with a key for this request.
func (g *Gateway) carry(x *exchange, r *http.Request, t *Route, caller auth.Caller) error {
	if r.Body != nil && r.Body != http.NoBody {
		if err := x.openBody(r); err != nil {
			return x.refuse(err)
		}
	}
	r, release, err := g.sized(x, r)
	if err != nil {
		return x.refuse(err)
	}
	defer release()
	pass, set := caller.Next(t.Name), http.Header{headerRequestID: {x.id}}
	x.trace.enter(pass, set)
	x.span = pass.Span
	key := g.passes.Issue(pass)
	defer g.passes.Revoke(key)
	set["Api-Key"] = []string{key}
	begun, err := t.Server.Serve(x, r, set)
	switch {
	case err == nil:
		return nil
	case !begun:
		return x.refuse(err)
	default:
		x.broken = true
		return err
	}
}

// sized is the request with a body of which the length is known: none is sent in chunks.
func (g *Gateway) sized(x *exchange, r *http.Request) (sized *http.Request, release func(), err error) {
	if r.ContentLength >= 0 {
		return r, func() {}, nil
	}
	body, release, err := g.readAny(x, r)
	if err != nil {
		return nil, nil, err
	}
	sized = r.WithContext(r.Context())
	reader, takeBack := proxy.Lend(body)
	sized.Body, sized.ContentLength = reader, int64(len(body))
	return sized, func() {
		takeBack()
		release()
	}, nil
}
