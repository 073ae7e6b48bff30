package auth

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"outcrop/internal/secret"
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
	// Claims are those of the token that hold strings; nil for a key. Read only.
	Claims map[string][]string
	// Admin says that the token's claims obey the rules of access.admin. A key's holder never is one.
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
	Secret  secret.String
	Project string
	Roles   []string
}

// Reason is why a request has no caller.
type Reason uint8

// The reasons.
const (
	Missing   Reason = iota + 1 // no credential at all
	Malformed                   // an Authorization header that is not Bearer
	Unknown                     // a key that is not in the configuration
	Ambiguous                   // two credentials that differ
)

// Error says why a request has no caller. Its text is DIAL Core's, fit for the client.
type Error struct{ Reason Reason }

func (e *Error) Error() string {
	switch e.Reason {
	case Missing:
		return "At least API-KEY or Authorization header must be provided"
	case Malformed:
		return "Bad Authorization header"
	case Ambiguous:
		return "Provided API key is not per request key"
	default:
		return "Unknown api key"
	}
}

// Authenticator knows the keys. It is safe for concurrent use.
type Authenticator struct {
	// Keys are found by their hash: the time of a look-up tells nothing of a key, and a dump of the
	// map holds none.
	callers map[[sha256.Size]byte]Caller
	passes  *Passes // nil for none
}

// Options make an Authenticator.
type Options struct {
	Keys []Key
	// Passes are the per-request keys; nil for none.
	Passes *Passes
}

// New returns an authenticator of the keys.
func New(o Options) (*Authenticator, error) {
	a := &Authenticator{callers: make(map[[sha256.Size]byte]Caller, len(o.Keys)), passes: o.Passes}
	for i, key := range o.Keys {
		if key.Secret.IsZero() {
			return nil, fmt.Errorf("key #%d (project %q) is empty", i+1, key.Project)
		}
		sum := sha256.Sum256([]byte(key.Secret.Reveal()))
		if _, twice := a.callers[sum]; twice {
			return nil, fmt.Errorf("key #%d (project %q) is given twice", i+1, key.Project)
		}
		a.callers[sum] = Caller{Project: key.Project, Roles: key.Roles}
	}
	return a, nil
}

// Authenticate finds the caller by the request's headers, in DIAL Core's order: Api-Key and
// Authorization, and only without both x-api-key. A Bearer token may be a key, as the OpenAI SDKs
// send it. The error is an *Error.
func (a *Authenticator) Authenticate(r *http.Request) (Caller, error) {
	h := r.Header
	key, authorization := h.Get("Api-Key"), strings.TrimSpace(h.Get("Authorization"))
	if key == "" && authorization == "" {
		key = h.Get("X-Api-Key")
	}
	scheme, token, _ := strings.Cut(authorization, " ")
	token = strings.TrimSpace(token)
	switch {
	case key == "" && authorization == "":
		return Caller{}, &Error{Missing}
	case authorization == "" || strings.EqualFold(scheme, "Bearer") && token == "" && key != "":
		return a.find(key)
	case !strings.EqualFold(scheme, "Bearer") || token == "":
		return Caller{}, &Error{Malformed}
	case key == "" || key == token:
		return a.find(token)
	default:
		return Caller{}, &Error{Ambiguous}
	}
}

func (a *Authenticator) find(key string) (Caller, error) {
	if caller, ok := a.callers[sha256.Sum256([]byte(key))]; ok {
		return caller, nil
	}
	if caller, ok := a.passes.find(key); ok {
		return caller, nil
	}
	return Caller{}, &Error{Unknown}
}
