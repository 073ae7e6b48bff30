package auth

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
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
	Issuer        string // has to be iss; "" is any
	Audience      string // has to be in aud; "" is any
	Leeway        time.Duration
	Algorithms    []string // RS256 …; nil is those that are safe
	// PositiveTTL and NegativeTTL are how long keys, and that there is none of an id, are remembered; 0 is 10
	// minutes, and 10 seconds.
	PositiveTTL, NegativeTTL time.Duration
}

// check says what is wrong with a provider, and warns of what is merely unwise.
func (p Provider) check() (warning string, err error) {
	kinds := 0
	for _, given := range []bool{p.JWKSURL != "", p.UserInfoURL != "", p.Unverified} {
		if given {
			kinds++
		}
	}
	if kinds != 1 {
		return "", errors.New("either jwksUrl or userInfoEndpoint must be provided or disableJwtVerification is set to true")
	}
	for _, name := range p.Algorithms {
		if !slices.Contains(safeAlgorithms(), name) {
			return "", fmt.Errorf("the algorithm %.20q is not one of %s", name, strings.Join(safeAlgorithms(), ", "))
		}
	}
	if p.Unverified {
		return "every token is accepted without a look at its signature (disableJwtVerification): anybody can be anybody", nil
	}
	return checkURL(p.JWKSURL + p.UserInfoURL)
}

// checkURL wants https: who can answer in a provider's place can be anybody. Within this machine http does.
func checkURL(text string) (warning string, err error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return "", errors.New("the URL of the provider is not one like https://login.example.com/keys")
	}
	address, err := netip.ParseAddr(u.Hostname())
	if u.Scheme == "https" || u.Hostname() == "localhost" || err == nil && address.IsLoopback() {
		return "", nil
	}
	return "the provider is asked over plain http: whoever is on the way can make tokens; use https", nil
}

// matches says whether a token of that issuer is the provider's.
func (p *Provider) matches(issuer string) bool {
	if p.Issuer != "" && p.Issuer != issuer {
		return false
	}
	return p.IssuerPattern == nil || p.IssuerPattern.MatchString(issuer)
}

// whole is the pattern that has to match all of a text.
func whole(pattern *regexp.Regexp) (*regexp.Regexp, error) {
	if pattern == nil {
		return nil, nil
	}
	return regexp.Compile(`^(?:` + pattern.String() + `)$`)
}
