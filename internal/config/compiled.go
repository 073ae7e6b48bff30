package config

import (
	"math"
	"net/url"
	"slices"
	"strings"
)

// CompiledDeployment is a deployment or a route as it would be served, without secrets.
type CompiledDeployment struct {
	Name string `json:"name"`
	Kind string `json:"kind"` // model, application, interceptor or route
	// Interfaces are those in which it can be asked, and who answers.
	Interfaces []CompiledInterface `json:"interfaces"`
	// Interceptors see a request before it, in this order.
	Interceptors []string           `json:"interceptors,omitempty"`
	Consent      bool               `json:"consentRequired,omitempty"`
	Upstreams    []CompiledUpstream `json:"upstreams,omitempty"`
	// Roles may call it: null is everyone with a key or a token, an empty list nobody.
	Roles []string `json:"roles"`
	// Attempts is how many of several upstreams are tried per request.
	Attempts int `json:"maxRetryAttempts,omitempty"`
	// Fallback is asked when a model cannot answer.
	Fallback *CompiledFallback `json:"fallback,omitempty"`
	// Limits are those of roles, by their names.
	Limits []CompiledLimit `json:"limits,omitempty"`
}

// CompiledFallback names the deployments that are asked when a model cannot answer.
type CompiledFallback struct {
	ContextLength string `json:"contextLength,omitempty"`
	ContentFilter string `json:"contentFilter,omitempty"`
	Outage        string `json:"outage,omitempty"`
}

// CompiledInterface is who answers in an interface: this process, a translator or the host of another server.
type CompiledInterface struct {
	Name    Interface `json:"name"`
	Answers string    `json:"answers"`
}

// CompiledUpstream is an upstream. Asked says that it is not disabled, and First that its tier is the one that is
// asked first; Share is its part of what its tier is asked, 0 to 1.
type CompiledUpstream struct {
	ID     string  `json:"id,omitempty"`
	Tier   int     `json:"tier"`
	Weight int     `json:"weight"`
	Region string  `json:"region,omitempty"`
	Asked  bool    `json:"asked"`
	First  bool    `json:"first"`
	Share  float64 `json:"share"`
	// TokensPerMinute and RequestsPerMinute are its quota; 0 is not stated.
	TokensPerMinute   int64 `json:"tokensPerMinute,omitempty"`
	RequestsPerMinute int64 `json:"requestsPerMinute,omitempty"`
}

// CompiledLimit is the limit of one role; 0 of a window is not stated, and -1 is a limit of 0.
type CompiledLimit struct {
	Role        string `json:"role"`
	Minute      int64  `json:"minute,omitempty"`
	Day         int64  `json:"day,omitempty"`
	Week        int64  `json:"week,omitempty"`
	Month       int64  `json:"month,omitempty"`
	RequestHour int64  `json:"requestHour,omitempty"`
	RequestDay  int64  `json:"requestDay,omitempty"`
}

// CompileDeployments works out what can be called, in the order of the sections of DIAL.
func (c *Config) CompileDeployments() []CompiledDeployment {
	hide, out := c.redactor(), []CompiledDeployment{}
	for _, m := range c.Models {
		out = append(out, intercepted(c.compileDeployment(m, "model", hide), hide.cleanAll(slices.Concat(c.GlobalInterceptors, m.Interceptors))))
	}
	for _, a := range c.Applications {
		out = append(out, intercepted(c.compileDeployment(a.Model, "application", hide), hide.cleanAll(slices.Concat(c.GlobalInterceptors, a.Interceptors))))
	}
	for _, i := range c.Interceptors {
		out = append(out, c.compileDeployment(i.Model, "interceptor", hide))
	}
	for _, r := range c.Routes {
		out = append(out, c.compileRoute(r, hide))
	}
	return out
}

// intercepted is the deployment behind a chain, which sees chats and embeddings only.
func intercepted(d CompiledDeployment, chain []string) CompiledDeployment {
	if d.Interceptors = chain; len(chain) > 0 {
		d.Interfaces = slices.DeleteFunc(d.Interfaces, func(i CompiledInterface) bool { return i.Name == Responses || i.Name == AnthropicMessages })
	}
	return d
}

func (c *Config) compileDeployment(m Model, kind string, hide redactor) CompiledDeployment {
	out := CompiledDeployment{Name: hide.clean(m.Name), Kind: kind, Interfaces: []CompiledInterface{}, Consent: m.Features.ConsentRequired}
	out.Roles, out.Limits = shownRoles(m.UserRoles, hide), c.limitsOf(m.Name, hide)
	served := m.NotServed() == ""
	for _, asked := range Asked() {
		if who := m.whoAnswers(asked.In, asked.Operation); served && who != "" {
			out.Interfaces = append(out.Interfaces, CompiledInterface{asked.In, hide.clean(who)})
		}
	}
	out.Upstreams = compileUpstreams(m.Upstreams, hide)
	for i, u := range m.Upstreams {
		if m.Bedrock != "" {
			out.Upstreams[i].Region = hide.clean(m.Region(u))
		}
	}
	if len(m.Upstreams) > 1 {
		out.Attempts = m.MaxRetryAttempts
	}
	if f := m.Fallback; f != (Fallback{}) {
		out.Fallback = &CompiledFallback{hide.clean(f.ContextLength), hide.clean(f.ContentFilter), hide.clean(f.Outage)}
	}
	return out
}

// compileUpstreams tells who is asked, and how much of it.
func compileUpstreams(all []Upstream, hide redactor) []CompiledUpstream {
	weights, lowest := map[int]int{}, math.MaxInt
	for _, u := range all {
		if u.Weight > 0 {
			weights[u.Tier] += u.Weight
			lowest = min(lowest, u.Tier)
		}
	}
	var out []CompiledUpstream
	for _, u := range all {
		one := CompiledUpstream{
			ID: hide.clean(u.ID), Tier: u.Tier, Weight: u.Weight, Asked: u.Weight > 0, First: u.Weight > 0 && u.Tier == lowest,
			TokensPerMinute: u.Quota.TokensPerMinute, RequestsPerMinute: u.Quota.RequestsPerMinute,
		}
		if one.Asked {
			one.Share = float64(u.Weight) / float64(weights[u.Tier])
		}
		out = append(out, one)
	}
	return out
}

// whoAnswers is who is asked in an interface, "" for nobody.
func (m Model) whoAnswers(i Interface, name Operation) string {
	address, ok := m.Address(name)
	c := m.Interfaces[i]
	switch {
	case ok && c.Translated && c.By.Name != "":
		return "translator " + c.By.Name + " at " + hostOf(address)
	case ok && c.Translated:
		return "a translator at " + hostOf(address)
	case ok:
		return hostOf(address)
	case c.Translated || !m.doesItself(i):
		return ""
	}
	return "this process"
}

// hostOf is the scheme and host of an address, whose other parts may hold secrets.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "another server"
	}
	return u.Scheme + "://" + u.Host
}

func shownRoles(roles []string, hide redactor) []string {
	if roles == nil {
		return nil
	}
	return hide.cleanAll(roles)
}

func (c *Config) compileRoute(r Route, hide redactor) CompiledDeployment {
	out := CompiledDeployment{Name: hide.clean(r.Name), Kind: "route", Interfaces: []CompiledInterface{}}
	out.Roles, out.Limits = shownRoles(r.UserRoles, hide), c.limitsOf(r.Name, hide)
	who, asked := "", slices.IndexFunc(r.Upstreams, func(u Upstream) bool { return u.Weight > 0 })
	if asked >= 0 {
		who = hostOf(r.Upstreams[asked].Endpoint)
	}
	if r.Response != nil {
		who = "this process"
	}
	if who != "" {
		out.Interfaces = append(out.Interfaces, CompiledInterface{Interface(hide.clean(strings.Join(r.Paths, " "))), hide.clean(who)})
	}
	if out.Upstreams = compileUpstreams(r.Upstreams, hide); len(r.Upstreams) > 1 {
		out.Attempts = r.MaxRetryAttempts
	}
	return out
}

// limitsOf are the limits that roles have for a deployment.
func (c *Config) limitsOf(name string, hide redactor) []CompiledLimit {
	var out []CompiledLimit
	stated := func(n int64) int64 {
		switch {
		case n == Unlimited:
			return 0
		case n <= 0:
			return -1
		}
		return n
	}
	for _, r := range c.Roles {
		for _, limit := range r.Limits {
			if limit.Deployment != name {
				continue
			}
			one := CompiledLimit{
				Role: hide.clean(r.Name), Minute: stated(limit.Minute), Day: stated(limit.Day), Week: stated(limit.Week),
				Month: stated(limit.Month), RequestHour: stated(limit.RequestHour), RequestDay: stated(limit.RequestDay),
			}
			if one != (CompiledLimit{Role: one.Role}) {
				out = append(out, one)
			}
		}
	}
	return out
}
