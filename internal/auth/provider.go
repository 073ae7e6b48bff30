package auth

import (
	"regexp"
	"time"

	"outcrop/internal/secret"
)

// Provider is an identity provider, whose tokens are good here: DIAL's identityProviders.<name>. Exactly one of
// JWKSURL, UserInfoURL and Unverified is given.
type Provider struct {
	Name string
	// JWKSURL has the keys that its tokens (JWTs) are signed with.
	JWKSURL string
	// UserInfoURL is asked whose an opaque token is.
	UserInfoURL string
	// Unverified takes every JWT as it is: for tests.
	Unverified bool

	RolePaths       []string // dotted paths of claims that hold roles
	RolesDelimiter  string   // splits a claim that is one string; "" does not
	ProjectPath     string   // dotted path of the claim with the project, or ""
	UserIDPath      string   // dotted path of the claim that tells users apart; "" is sub
	DisplayNamePath string   // dotted path of the claim with the name for people, or ""
	// LogPath is the claim that logs know a user by, "" for the user's id; Hashed makes it the hex of
	// sha256(LogSalt + claim).
	LogPath string
	LogSalt secret.String
	Hashed  bool

	// IssuerPattern has to match the whole of iss; nil is any. With several providers it says whose a token is.
	IssuerPattern *regexp.Regexp
	Audience      string // has to be in aud; "" is any
	Leeway        time.Duration
	Algorithms    []string // RS256 …; nil is those that are safe
	// PositiveTTL and NegativeTTL are how long keys, and that there is none of an id, are remembered.
	PositiveTTL, NegativeTTL time.Duration
}

// Rule is about the claims of a token: one of those of Source has to be (EQUAL) one of the targets, to hold one
// (CONTAIN; both ignore case), or to match one as a whole (REGEX).
type Rule struct {
	Source   string
	Function string
	Targets  []string
}
