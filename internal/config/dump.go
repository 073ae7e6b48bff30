package config

import (
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Compiled is what a [Config] comes to, in words that hold no secret.
type Compiled struct {
	Models []CompiledModel `json:"models"`
	Keys   []CompiledKey   `json:"keys"`
	Roles  []string        `json:"roles"`
	// RoleLimits are what roles limit over all deployments.
	RoleLimits []CompiledRole `json:"roleLimits,omitempty"`
}

// CompiledModel is one model as it would be served.
type CompiledModel struct {
	Name string `json:"name"`
	Type string `json:"type"`
	// NotServed is why the model is left out; then the next five are empty.
	NotServed   string `json:"notServed,omitempty"`
	URL         string `json:"url,omitempty"` // where another server answers; then the next four are empty
	ModelID     string `json:"modelId,omitempty"`
	Region      string `json:"region,omitempty"` // "" is the environment's
	Credentials string `json:"credentials,omitempty"`
	Guardrail   string `json:"guardrail,omitempty"` // "id version n" of the one that no client can remove
	// Upstreams is how many are asked, 0 for one; the four fields above are of the first.
	Upstreams int `json:"upstreams,omitempty"`
	// Access is who may call: everyone, nobody, or roles.
	Access string `json:"access"`
	// Projects are those whose keys may call.
	Projects []string `json:"projects"`

	tokenRoles bool // tokens may have the roles that no key has
}

// CompiledKey is one key without the key.
type CompiledKey struct {
	Name    string   `json:"name,omitempty"` // of an entry whose name is not the key
	Project string   `json:"project"`
	Roles   []string `json:"roles"`
	// AllowedIPs are the networks it may be used from: absent is everywhere, an empty list nowhere.
	AllowedIPs *[]string `json:"allowedIpAddressRanges,omitempty"`
	Expires    string    `json:"expires,omitempty"` // RFC 3339
	Secured    bool      `json:"secured,omitempty"`
}

// Compile works out what the configuration comes to.
func (c *Config) Compile() Compiled {
	hide := c.redactor()
	out := Compiled{Models: []CompiledModel{}, Keys: []CompiledKey{}, Roles: []string{}}
	for _, m := range c.Models {
		out.Models = append(out.Models, c.compileModel(m, hide))
	}
	for _, k := range c.Keys {
		out.Keys = append(out.Keys, compileKey(k, hide))
	}
	for _, r := range c.Roles {
		out.Roles = append(out.Roles, hide.clean(r.Name))
	}
	out.RoleLimits = c.compileRoles(hide)
	return out
}

func compileKey(k Key, hide redactor) CompiledKey {
	out := CompiledKey{Name: hide.clean(k.Name), Project: hide.clean(k.Project), Roles: hide.cleanAll(k.Roles), Secured: k.Secured}
	if k.AllowedIPs != nil {
		networks := []string{}
		for _, network := range k.AllowedIPs {
			networks = append(networks, network.String())
		}
		out.AllowedIPs = &networks
	}
	if !k.Expires.IsZero() {
		out.Expires = k.Expires.Format(time.RFC3339)
	}
	return out
}

func (c *Config) compileModel(m Model, hide redactor) CompiledModel {
	out := CompiledModel{Name: hide.clean(m.Name), Type: m.Type, NotServed: m.NotServed(), tokenRoles: c.tokenRoles, Access: "everyone", Projects: []string{}}
	switch {
	case out.NotServed != "":
	case m.Bedrock == "":
		out.URL = hide.clean(shownURL(m.mainAddress()))
	default:
		u, _ := m.Upstream()
		if n := len(m.Active()); n > 1 {
			out.Upstreams = n
		}
		out.ModelID, out.Region, out.Credentials = hide.clean(m.ModelID(u)), hide.clean(m.Region(u)), hide.clean(u.Credentials())
		if u.Guardrail.ID != "" {
			out.Guardrail = hide.clean(u.Guardrail.ID + " version " + u.Guardrail.Version)
		}
	}
	if m.UserRoles != nil {
		out.Access = "nobody"
		if len(m.UserRoles) > 0 {
			out.Access = "roles " + strings.Join(hide.cleanAll(m.UserRoles), ", ")
		}
	}
	for _, k := range c.Keys {
		if m.AllowsAny(k.Roles) && !slices.Contains(out.Projects, hide.clean(k.Project)) {
			out.Projects = append(out.Projects, hide.clean(k.Project))
		}
	}
	return out
}

// shownURL is an address without what it may hold of secrets.
func shownURL(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "a URL"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// redactor knows the secrets that the Config holds.
func (c *Config) redactor() redactor {
	r := slices.Clone(c.hidden)
	for _, k := range c.Keys {
		r.add(k.Secret.Reveal())
	}
	for _, m := range c.Models {
		r.addUpstreams(m.Upstreams)
	}
	for _, route := range c.Routes {
		r.addUpstreams(route.Upstreams)
	}
	return r.longestFirst()
}

func (r *redactor) addUpstreams(all []Upstream) {
	for _, u := range all {
		r.add(u.Key.Reveal())
		r.add(u.SecretAccessKey.Reveal())
		r.add(u.SessionToken.Reveal())
	}
}

// Dump writes what the configuration compiles to, for people: the models in
// their order, then the keys by project, then the roles. It holds no secret.
func (c *Config) Dump(w io.Writer) error {
	compiled := c.Compile()
	var b strings.Builder
	fmt.Fprintf(&b, "models: %d\n", len(compiled.Models))
	for _, m := range compiled.Models {
		if m.NotServed != "" {
			fmt.Fprintf(&b, "  %s: not served: %s\n", printable(m.Name), m.NotServed)
			continue
		}
		if m.URL != "" {
			fmt.Fprintf(&b, "  %s → %s\n      %s; forwarded; for %s\n", printable(m.Name), printable(m.URL), m.Type, m.who())
			continue
		}
		region := "region " + m.Region
		if m.Region == "" {
			region = "the environment's region"
		}
		fmt.Fprintf(&b, "  %s → %s\n", printable(m.Name), printable(m.ModelID))
		guarded := ""
		if m.Guardrail != "" {
			guarded = "guardrail " + printable(m.Guardrail) + "; "
		}
		if m.Upstreams > 1 {
			region = fmt.Sprintf("%d upstreams, first: %s", m.Upstreams, region)
		}
		fmt.Fprintf(&b, "      %s; %s; %s; %sfor %s\n", m.Type, printable(region), printable(m.Credentials), guarded, m.who())
	}
	fmt.Fprintf(&b, "keys: %d\n", len(compiled.Keys))
	for i, k := range compiled.Keys {
		fmt.Fprintf(&b, "  #%d %s\n", i+1, k.text())
	}
	fmt.Fprintf(&b, "roles: %s\n", oneLine(compiled.Roles))
	for _, r := range compiled.RoleLimits {
		fmt.Fprintf(&b, "  %s\n", r.text())
	}
	if schedule := c.RateLimitSchedule.text(); schedule != "" {
		b.WriteString(schedule + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// text is a key on one line.
func (k CompiledKey) text() string {
	text := fmt.Sprintf("project %q: roles %s", k.Project, oneLine(k.Roles))
	if k.Name != "" {
		text = fmt.Sprintf("%q, %s", k.Name, text)
	}
	switch {
	case k.AllowedIPs != nil && len(*k.AllowedIPs) == 0:
		text += "; from nowhere"
	case k.AllowedIPs != nil:
		text += "; from " + strings.Join(*k.AllowedIPs, ", ")
	}
	if k.Expires != "" {
		text += "; until " + k.Expires
	}
	return text
}

func (m CompiledModel) who() string {
	access := printable(m.Access)
	switch {
	case !strings.HasPrefix(m.Access, "roles "):
		return access
	case len(m.Projects) == 0 && m.tokenRoles:
		return access
	case len(m.Projects) == 0:
		return access + " (no key has one)"
	}
	return access + " (projects " + oneLine(m.Projects) + ")"
}

func oneLine(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return printable(strings.Join(names, ", "))
}

// printable keeps a line a line.
func printable(s string) string {
	if strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return fmt.Sprintf("%q", s)
	}
	return s
}
