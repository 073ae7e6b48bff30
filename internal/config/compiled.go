package config

import (
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
	// Limits are those of roles, by their names. They are not enforced yet.
	Limits []CompiledLimit `json:"limits,omitempty"`
}

// CompiledInterface is who answers in an interface: this process, a translator or the host of another server.
type CompiledInterface struct {
	Name    Interface `json:"name"`
	Answers string    `json:"answers"`
}

// CompiledUpstream is an upstream; Asked says that it is the one that answers.
type CompiledUpstream struct {
	ID     string `json:"id,omitempty"`
	Tier   int    `json:"tier"`
	Weight int    `json:"weight"`
	Region string `json:"region,omitempty"`
	Asked  bool   `json:"asked"`
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
	first := true
	for _, u := range m.Upstreams {
		one := CompiledUpstream{ID: hide.clean(u.ID), Tier: u.Tier, Weight: u.Weight}
		if m.Bedrock != "" {
			one.Region = hide.clean(m.Region(u))
		}
		one.Asked = first && u.Weight > 0
		first = first && !one.Asked
		out.Upstreams = append(out.Upstreams, one)
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
	for i, u := range r.Upstreams {
		out.Upstreams = append(out.Upstreams, CompiledUpstream{ID: hide.clean(u.ID), Tier: u.Tier, Weight: u.Weight, Asked: i == asked})
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
