package auth

import (
	"crypto/sha256"
	"encoding/hex"
	stdjson "encoding/json"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4/json"
)

// claims are what a token says, as JSON has it; numbers are json.Number.
type claims map[string]any

// maxUserID is the longest id of a user, name of a project or of a user in logs, in bytes.
const maxUserID = 512

// parseClaims reads an object. A member that is there twice could be read as one or the other: it is an error, as
// the library's decoder has it.
func parseClaims(text []byte) (claims, bool) {
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.SetNumberType(json.UnmarshalJSONNumber)
	var c claims
	if err := d.Decode(&c); err != nil || c == nil || d.More() {
		return nil, false
	}
	return c, true
}

// at is the claim at a dotted path. A claim whose name has dots is found by that name first.
func (c claims) at(path string) (any, bool) {
	if v, ok := c[path]; ok {
		return v, true
	}
	for i := range len(path) {
		if path[i] != '.' {
			continue
		}
		if inner, ok := c[path[:i]].(map[string]any); ok {
			if v, ok := claims(inner).at(path[i+1:]); ok {
				return v, true
			}
		}
	}
	return nil, false
}

// strings is a claim that holds a string or a list of strings; any other is none.
func (c claims) strings(path string) []string {
	v, _ := c.at(path)
	return stringsOf(v)
}

func stringsOf(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		list := make([]string, 0, len(v))
		for _, item := range v {
			s, ok := item.(string)
			if !ok {
				return []string{}
			}
			list = append(list, s)
		}
		return list
	default:
		return []string{}
	}
}

// text is a claim that is one string, or "".
func (c claims) text(path string) string {
	if path == "" {
		return ""
	}
	v, _ := c.at(path)
	s, _ := v.(string)
	return s
}

// id is a claim that tells something apart: a string or, as some user-info endpoints have it, an integer.
func (c claims) id(path string) string {
	v, _ := c.at(path)
	if n, ok := number(v); ok && !strings.ContainsAny(n, ".eE") {
		return n
	}
	s, _ := v.(string)
	return s
}

// number is the text of a claim that is a number.
func number(v any) (string, bool) {
	switch n := v.(type) {
	case json.Number:
		return n.String(), true
	case stdjson.Number:
		return n.String(), true
	default:
		return "", false
	}
}

// roles are those of all the provider's paths, each once.
func (p *Provider) roles(c claims) []string {
	var roles []string
	for _, path := range p.RolePaths {
		v, _ := c.at(path)
		list := stringsOf(v)
		if s, ok := v.(string); ok && p.RolesDelimiter != "" {
			list = strings.Split(s, p.RolesDelimiter)
		}
		for _, role := range list {
			if role = strings.TrimSpace(role); role != "" && !slices.Contains(roles, role) {
				roles = append(roles, role)
			}
		}
	}
	return roles
}

// caller is whom the claims are about.
func (p *Provider) caller(c claims, admins []judge) (*Caller, error) {
	path := p.UserIDPath
	if path == "" {
		path = "sub"
	}
	user := c.id(path)
	if user = fit(user); user == "" {
		return nil, bad("it does not say whose it is; the claim " + path + " should")
	}
	caller := &Caller{
		Project: fit(c.text(p.ProjectPath)), Roles: p.roles(c), User: user, Name: c.text(p.DisplayNamePath),
		Claims: make(map[string][]string, len(c)), Admin: obeyed(admins, c),
	}
	for name, v := range c {
		caller.Claims[name] = stringsOf(v)
	}
	caller.LogName = p.logName(c, user)
	return caller, nil
}

// fit is a text that is fit to name somebody, in a log too, or "": one that is long or has control characters is not.
func fit(text string) string {
	if len(text) > maxUserID || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return ""
	}
	return text
}

// logName is the user as logs may have it. Without the claim that logs should have, the id stands in, hashed.
func (p *Provider) logName(c claims, user string) string {
	name, hashed := user, p.Hashed
	if p.LogPath != "" {
		if name = fit(c.text(p.LogPath)); name == "" {
			name, hashed = user, true
		}
	}
	if !hashed {
		return name
	}
	sum := sha256.Sum256([]byte(p.LogSalt.Reveal() + name))
	return hex.EncodeToString(sum[:])
}
