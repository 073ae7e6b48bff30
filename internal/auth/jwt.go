package auth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// maxToken is the longest token, in bytes.
const maxToken = 16 << 10

// jwt is a signed token whose signature nobody has looked at yet.
type jwt struct {
	text           string
	header, claims claims
}

// verify is the holder of a token that is not known yet: a JWT whose signature is right, or a token that a
// provider knows. What is not a JWT, by its shape or its header, may be an opaque token.
func (t *Tokens) verify(ctx context.Context, sum [sha256.Size]byte, token string) (Caller, error) {
	if len(token) > maxToken {
		return Caller{}, bad("it is longer than 16 KiB")
	}
	j, err := parseJWT(token)
	if err != nil {
		return Caller{}, err
	}
	if j == nil && len(t.asked) == 0 && strings.Count(token, ".") == 4 {
		return Caller{}, bad("it is encrypted (JWE), and only signed tokens are read")
	}
	if j == nil || len(t.signed) == 0 {
		return t.ask(ctx, sum, token)
	}
	e, err := t.check(ctx, j)
	if err != nil {
		return Caller{}, err
	}
	t.known.put(sum, e)
	return *e.caller, nil
}

// parseJWT reads a token without believing it; nil is one of another kind.
func parseJWT(token string) (*jwt, error) {
	parts := strings.SplitN(token, ".", 6)
	header, ok := decode(parts[0])
	if !ok || len(parts) != 3 && len(parts) != 5 {
		if strings.HasPrefix(token, "eyJ") && strings.Contains(token, ".") {
			return nil, bad("it is not a signed JWT")
		}
		return nil, nil
	}
	if len(parts) == 5 { // encrypted (JWE): for its provider alone to read, like any opaque token
		return nil, nil
	}
	claims, ok := decode(parts[1])
	if _, strict := segment(parts[2]); !ok || !strict {
		return nil, bad("it is not a signed JWT")
	}
	return &jwt{token, header, claims}, nil
}

// decode reads a part of a JWT that is an object.
func decode(part string) (claims, bool) {
	text, ok := segment(part)
	if !ok {
		return nil, false
	}
	return parseClaims(text)
}

// segment reads base64url of which there is one spelling only: nothing but the token that was signed is that token.
func segment(part string) ([]byte, bool) {
	if strings.ContainsAny(part, "\r\n") { // which the decoder skips
		return nil, false
	}
	text, err := base64.RawURLEncoding.Strict().DecodeString(part)
	return text, err == nil
}

// check is what is to be known of a JWT.
func (t *Tokens) check(ctx context.Context, j *jwt) (*entry, error) {
	issuer, _ := j.claims["iss"].(string)
	s := t.sourceOf(issuer)
	if s == nil {
		return nil, &Error{Reason: UnknownProvider}
	}
	e := &entry{until: t.now().Add(askedTTL)}
	var err error
	if !s.Unverified {
		if e.key, err = s.signer(ctx, j); err != nil {
			return nil, err
		}
		if e.until, err = s.valid(j.claims, t.now()); err != nil {
			return nil, err
		}
	}
	if e.caller, err = s.caller(j.claims, t.admins); err != nil {
		return nil, err
	}
	return e, nil
}

// sourceOf is the provider whose a token of the issuer is. Beside others, one that says nothing of its issuer is
// none's.
func (t *Tokens) sourceOf(issuer string) *source {
	for _, s := range t.signed {
		if (len(t.signed) == 1 || s.IssuerPattern != nil || s.Issuer != "") && s.matches(issuer) {
			return s
		}
	}
	return nil
}

// signer is the key that the token is signed with. The header names it at most: keys that come with a token, or
// from where it says, are not looked at.
func (s *source) signer(ctx context.Context, j *jwt) (*verifier, error) {
	alg, _ := j.header["alg"].(string)
	if !slices.Contains(s.Algorithms, alg) {
		return nil, bad("its algorithm is not allowed; allowed are " + strings.Join(s.Algorithms, ", "))
	}
	if err := checkHeader(j.header); err != nil {
		return nil, err
	}
	id, _ := j.header["kid"].(string)
	keys, err := s.keys.find(ctx, id)
	if err != nil {
		return nil, err
	}
	signed, err := jose.ParseSignedCompact(j.text, s.algs)
	if err != nil {
		return nil, bad("it is not a signed JWT")
	}
	fitting := 0
	for _, key := range keys {
		if !key.fits(alg) {
			continue
		}
		if _, err := signed.Verify(key.public); err == nil {
			return key, nil
		}
		if fitting++; fitting == maxTried {
			break
		}
	}
	if fitting == 0 {
		return nil, bad("its algorithm does not fit the key that it names")
	}
	return nil, bad("its signature is wrong")
}

// maxTried is how many keys are tried for a token that names none.
const maxTried = 8

// checkHeader refuses what changes the meaning of a token: extensions, and types of tokens that say nothing of who
// calls, such as those of a logout (RFC 8725, 3.11).
func checkHeader(header claims) error {
	for _, name := range []string{"crit", "b64", "zip"} {
		if _, given := header[name]; given {
			return bad("its header has " + name + ", an extension that is not understood")
		}
	}
	if kid, given := header["kid"]; given {
		if _, ok := kid.(string); !ok {
			return bad("it is not a signed JWT")
		}
	}
	if v, given := header["typ"]; given {
		typ, ok := v.(string)
		typ = strings.TrimPrefix(strings.ToLower(typ), "application/")
		if !ok || strings.HasSuffix(typ, "+jwt") && typ != "at+jwt" {
			return bad("it is of a type that does not say who calls")
		}
	}
	return nil
}

// valid says whether the claims are for us and now, and until when. A token that never expires is not good: one
// that was lost would be so for ever.
func (p *Provider) valid(c claims, now time.Time) (until time.Time, err error) {
	if p.Audience != "" && !slices.Contains(c.strings("aud"), p.Audience) {
		return until, bad("it is for another audience")
	}
	if _, given := c["exp"]; !given {
		return until, bad("it has no time of expiry (exp)")
	}
	until, ok := instant(c["exp"])
	switch {
	case !ok:
		return until, bad("its exp is not a time")
	case !now.Add(-p.Leeway).Before(until):
		return until, bad("it has expired")
	}
	for _, name := range []string{"nbf", "iat"} {
		v, given := c[name]
		if !given {
			continue
		}
		at, ok := instant(v)
		switch {
		case !ok:
			return until, bad("its " + name + " is not a time")
		case name == "nbf" && now.Add(p.Leeway).Before(at):
			return until, bad("it is not valid yet")
		}
	}
	return until, nil
}

// instant is a NumericDate: seconds, perhaps with a fraction.
func instant(v any) (time.Time, bool) {
	text, ok := number(v)
	if !ok {
		return time.Time{}, false
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return time.Time{}, false
	}
	const farthest = 1 << 36 // seconds; beyond the year 4000
	seconds = max(min(seconds, farthest), -farthest)
	whole, part := math.Modf(seconds)
	return time.Unix(int64(whole), int64(part*1e9)), true
}
