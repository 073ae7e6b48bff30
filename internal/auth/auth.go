package auth

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"time"
)

// Caller is who makes a request. Every operation on somebody's resource takes one; the zero value
// is nobody.
type Caller struct {
	Project string   // the identity of a key's holder: keys of one project are one caller; of a token, what its provider's projectPath says, or ""
	Roles   []string // read only
	User    string   // the identity of a token's holder; "" for a key
	Name    string   // of the user for people, "" for a key or when its token does not tell
	// LogName is the user as logs may have it: hashed unless the provider says otherwise.
	LogName string
	// Claims are those of the token at its top level: strings, and lists of strings; any other is an empty list.
	// nil for a key. Read only.
	Claims map[string][]string
	// Admin says that the token's claims obey the rules of access.admin. A key's holder never is one, nor is who
	// comes with a per-request key: Pass.Caller says whether that one's first request was an admin's.
	Admin bool
	// Secured asks that bodies of this caller's requests be never logged.
	Secured bool
	// Pass is what the per-request key stands for that the request came with; nil for any other credential.
	Pass *Pass
}

// ID tells callers apart: it is where DIAL keeps what is the caller's own, "Users/<user>/" or "Keys/<project>/".
func (c Caller) ID() string {
	if c.User != "" {
		return "Users/" + c.User + "/"
	}
	return "Keys/" + c.Project + "/"
}

// HasAny reports whether the caller has one of the roles.
func (c Caller) HasAny(roles []string) bool {
	return slices.ContainsFunc(roles, func(role string) bool { return slices.Contains(c.Roles, role) })
}

// Key is an API key and whose it is.
type Key struct {
	// Digest is the SHA-256 of the key.
	Digest  [sha256.Size]byte
	Project string
	Roles   []string
	// AllowedIPs are the networks that the key may be used from: nil is everywhere, an empty list nowhere.
	AllowedIPs []netip.Prefix
	// Expires is when the key ends; zero is never.
	Expires time.Time
	// Secured asks that bodies of the key's requests be never logged.
	Secured bool
}

// Digest is the SHA-256 by which a key is known.
func Digest(key string) [sha256.Size]byte { return sha256.Sum256([]byte(key)) }

// Authenticator knows the keys, and asks the Tokens and the Passes. It is safe for concurrent use.
type Authenticator struct {
	// Keys are found by their hash: the time of a look-up tells nothing of a key, and a dump of the
	// map holds none.
	keys    map[[sha256.Size]byte]*holder
	passes  *Passes // nil for none
	tokens  *Tokens // nil for none
	proxies int
	now     func() time.Time
}

// holder is what a key stands for.
type holder struct {
	caller  Caller
	allowed []netip.Prefix
	expires time.Time
}

// Options make an Authenticator.
type Options struct {
	Keys []Key
	// Passes are the per-request keys; nil for none.
	Passes *Passes
	// Tokens know the holders of tokens; nil for a server that takes keys only.
	Tokens *Tokens
	// Proxies is how many proxies stand before the server, each of which adds the address that it was called
	// from to X-Forwarded-For. 0 believes nobody: a request comes from the address of its connection.
	Proxies int
	// Now is the time; nil is time.Now.
	Now func() time.Time
}

// New returns an authenticator of the keys.
func New(o Options) (*Authenticator, error) {
	a := &Authenticator{keys: make(map[[sha256.Size]byte]*holder, len(o.Keys)), passes: o.Passes, tokens: o.Tokens, proxies: o.Proxies, now: o.Now}
	if a.now == nil {
		a.now = time.Now
	}
	for i, key := range o.Keys {
		if key.Digest == ([sha256.Size]byte{}) || key.Digest == Digest("") {
			return nil, fmt.Errorf("key #%d (project %q) is empty", i+1, key.Project)
		}
		if _, twice := a.keys[key.Digest]; twice {
			return nil, fmt.Errorf("key #%d (project %q) is given twice", i+1, key.Project)
		}
		a.keys[key.Digest] = &holder{
			caller:  Caller{Project: key.Project, Roles: key.Roles, Secured: key.Secured},
			allowed: unmapped(key.AllowedIPs), expires: key.Expires,
		}
	}
	return a, nil
}

// Authenticate finds the caller by the request's headers, in the order of DIAL Core. The error is an *Error.
//
// A Bearer token that is a key is that key, before anybody else is asked whose token it is: a key of ours never
// reaches a provider's user-info endpoint. Beside an Authorization that differs, only a per-request key is good:
// a server that we call passes on what the user sent. The request is that key's holder's, whose rights it has
// already, and the Authorization, which may have expired on the way, adds nothing.
func (a *Authenticator) Authenticate(r *http.Request) (Caller, error) {
	c, err := credentialsOf(r.Header)
	switch {
	case err != nil:
		return Caller{}, err
	case c.key == "" && c.token == "":
		return Caller{}, c.absent()
	case c.token == "" && !c.foreign:
		return a.byKey(r, c.key)
	case c.key == "" || c.key == c.token:
		return a.byToken(r, c.token)
	}
	if caller, ok, err := a.passes.find(r.Context(), c.key, Digest(c.key)); ok || err != nil {
		return caller, err
	}
	return Caller{}, &Error{Reason: Ambiguous}
}

// byKey is the caller that a key stands for.
func (a *Authenticator) byKey(r *http.Request, key string) (Caller, error) {
	sum := Digest(key)
	if h, ok := a.keys[sum]; ok {
		return a.admit(r, h)
	}
	if caller, ok, err := a.passes.find(r.Context(), key, sum); ok || err != nil {
		return caller, err
	}
	return Caller{}, &Error{Reason: Unknown}
}

// byToken is the caller that what follows Bearer stands for: a key, as OpenAI's SDKs send theirs, or a token.
func (a *Authenticator) byToken(r *http.Request, token string) (Caller, error) {
	sum := Digest(token)
	if h, ok := a.keys[sum]; ok {
		return a.admit(r, h)
	}
	if len(token) == passLength {
		if caller, ok, err := a.passes.find(r.Context(), token, sum); ok || err != nil {
			return caller, err
		}
	}
	if a.tokens == nil {
		return Caller{}, &Error{Reason: Unknown}
	}
	return a.tokens.find(r.Context(), sum, token)
}

// admit is the holder of a key, if the key may be used now and from there.
func (a *Authenticator) admit(r *http.Request, h *holder) (Caller, error) {
	if !h.expires.IsZero() && !a.now().Before(h.expires) {
		return Caller{}, &Error{Reason: Expired, detail: h.expires.UTC().Format(time.RFC3339)}
	}
	if h.allowed != nil {
		from := a.address(r)
		if !slices.ContainsFunc(h.allowed, func(network netip.Prefix) bool { return network.Contains(from) }) {
			return Caller{}, &Error{Reason: Address, detail: shown(from)}
		}
	}
	return h.caller, nil
}

// find is the holder of a token whose digest is sum.
func (t *Tokens) find(ctx context.Context, sum [sha256.Size]byte, token string) (Caller, error) {
	if e, ok := t.known.get(sum, t.now()); ok {
		if e.caller != nil && e.good() {
			return *e.caller, nil
		}
	}
	return t.verify(ctx, sum, token)
}
