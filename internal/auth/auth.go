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
	Project string   // the identity of a key's holder: keys of one project are one caller
	Roles   []string // read only
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
}

// New returns an authenticator of the keys.
func New(keys []Key) (*Authenticator, error) {
	a := &Authenticator{callers: make(map[[sha256.Size]byte]Caller, len(keys))}
	for i, key := range keys {
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
	caller, ok := a.callers[sha256.Sum256([]byte(key))]
	if !ok {
		return Caller{}, &Error{Unknown}
	}
	return caller, nil
}
