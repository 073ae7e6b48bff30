package config

import (
	"slices"
	"strings"
	"time"
)

// What a provider has that states nothing else.
const (
	defaultLeeway        = 30 * time.Second
	defaultPositiveCache = 10 * time.Minute
	defaultNegativeCache = 10 * time.Second
	defaultUserIDPath    = "sub"
)

// algorithmNames are the signatures that a provider may be restricted to (RFC 7518, RFC 8037).
const algorithmNames = "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA"

func readProviders(l *loader, s spot, settings *Settings) {
	if !l.want(s, object) {
		return
	}
	var at []spot
	for i, m := range s.members {
		v := s.member(i)
		if l.isNull(v) || m.lost {
			continue
		}
		provider := Provider{
			Name: m.name, UserIDPath: defaultUserIDPath, ObfuscateUserEmail: true,
			PositiveCache: defaultPositiveCache, NegativeCache: defaultNegativeCache, Leeway: defaultLeeway,
		}
		if !l.want(v, object) {
			continue
		}
		readObject(l, v, providerTable(), &provider)
		l.checkProvider(v.namedAt(m.pos), provider)
		if slices.ContainsFunc(provider.RolePaths, isFunction) {
			continue // without its roles a token could do what one of them forbids
		}
		settings.Providers, at = append(settings.Providers, provider), append(at, v.namedAt(m.pos))
	}
	l.checkProviders(settings.Providers, at)
}

func providerTable() table[Provider] {
	return table[Provider]{exact: true, fields: slices.Concat(verifyingFields(), claimFields())}
}

// verifyingFields say what a token is worth.
func verifyingFields() []field[Provider] {
	return []field[Provider]{
		{"jwksUrl", "URL", "", enforced, "the provider's keys; tokens are JWTs signed with one of them. One of `jwksUrl`, `userInfoEndpoint`, `disableJwtVerification` is required", "",
			func(l *loader, v spot, p *Provider) { l.address(v, &p.JWKSURL) }},
		{"userInfoEndpoint", "URL", "", enforced, "where tokens are asked about that are no JWTs; the answer are the claims", "",
			func(l *loader, v spot, p *Provider) { l.address(v, &p.UserInfoEndpoint) }},
		{"disableJwtVerification", "boolean", "false", enforced, "takes every JWT, whoever signed it: for tests", "",
			func(l *loader, v spot, p *Provider) {
				if l.boolean(v, &p.Unverified); p.Unverified {
					l.warn(v, "tokens are not verified: anybody can be anybody", "only for tests; give jwksUrl")
				}
			}},
		{"issuer", "string", "", enforced, "what the claim `iss` has to be. Outcrop's own field", "",
			func(l *loader, v spot, p *Provider) { l.given(v, &p.Issuer) }},
		{"issuerPattern", "regular expression", "", enforced, "what the whole of `iss` has to match; with several providers it chooses among them", "",
			func(l *loader, v spot, p *Provider) {
				if l.given(v, &p.IssuerPattern); p.IssuerPattern != "" && !l.pattern(v) {
					p.IssuerPattern = ""
				}
			}},
		{"audience", "string", "", enforced, "what `aud` has to hold", "",
			func(l *loader, v spot, p *Provider) { l.given(v, &p.Audience) }},
		{"algorithms", "list of `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`, `ES256`, `ES384`, `ES512`, `EdDSA`", "", enforced, "signatures that are taken; absent is all of these. DIAL takes RS256. Outcrop's own field", "",
			func(l *loader, v spot, p *Provider) { p.Algorithms = l.algorithms(v) }},
		{"leeway", "milliseconds ≥ 0", "30000", enforced, "how far the clocks may differ for `exp` and `nbf`; DIAL has 0. Outcrop's own field", "",
			func(l *loader, v spot, p *Provider) {
				if l.millis(v, 0, &p.Leeway); p.Leeway > 5*time.Minute {
					l.warn(v, "tokens are good for more than five minutes after their end", "it is in milliseconds")
				}
			}},
		{"positiveCacheExpirationMs", "milliseconds ≥ 1", "600000", enforced, "how long the provider's keys are kept", "",
			func(l *loader, v spot, p *Provider) { l.millis(v, 1, &p.PositiveCache) }},
		{"negativeCacheExpirationMs", "milliseconds ≥ 1", "10000", enforced, "how long a key is unknown that the provider did not have", "",
			func(l *loader, v spot, p *Provider) { l.millis(v, 1, &p.NegativeCache) }},
	}
}

// claimFields say what the claims mean.
func claimFields() []field[Provider] {
	path := func(name, def, about string, into func(*Provider) *string) field[Provider] {
		return field[Provider]{name: name, kind: "string", def: def, use: enforced, about: about,
			read: func(l *loader, v spot, p *Provider) { l.given(v, into(p)) }}
	}
	return []field[Provider]{
		{"rolePath", "string, or list of strings", "", enforced, "required; where the roles stand in the claims, names between dots", "",
			func(l *loader, v spot, p *Provider) { p.RolePaths = l.rolePaths(v) }},
		path("rolesDelimiter", "", "what separates the roles of a claim that is one text", func(p *Provider) *string { return &p.RolesDelimiter }),
		path("projectPath", "", "claim with the project, for accounting", func(p *Provider) *string { return &p.ProjectPath }),
		path("userIdPath", defaultUserIDPath, "claim that identifies the user; `oid` is better for Entra", func(p *Provider) *string { return &p.UserIDPath }),
		path("userDisplayName", "", "claim with the user's name for people", func(p *Provider) *string { return &p.UserDisplayName }),
		path("loggingKey", "", "claim that logs name the user by; wants `loggingSalt`", func(p *Provider) *string { return &p.LoggingKey }),
		{"loggingSalt", "secret string", "", enforced, "logs have the SHA-256 of it and the claim", "",
			func(l *loader, v spot, p *Provider) { l.secret(v, &p.LoggingSalt) }},
		{"loggingSaltFile", "path of a file", "", enforced, "file that holds the salt. Outcrop's own field", "",
			func(l *loader, v spot, p *Provider) { p.LoggingSalt, _ = l.secretFile(v) }},
		{"obfuscateUserEmail", "boolean", "true", enforced, "false lets logs have the claim itself", "",
			func(l *loader, v spot, p *Provider) { l.boolean(v, &p.ObfuscateUserEmail) }},
	}
}

// rolePaths reads one path or several.
func (l *loader) rolePaths(s spot) []string {
	var paths []string
	switch {
	case s.kind == list:
		paths = l.strs(s)
	case s.kind != text:
		l.err(s, "must be a string or a list of strings, is "+s.kind.String(), "")
	case !l.isEmpty(s):
		paths = []string{s.text}
	}
	for _, path := range paths {
		switch {
		case isFunction(path):
			l.warn(s, "functions are not served: "+path+" would ask another service with the user's token. The provider is left out, its tokens are refused", "let the provider put the groups into the token, and name their claim")
		case slices.Contains(strings.Split(path, "."), ""):
			l.err(s, "a name is missing between two dots of the path", "for example realm_access.roles")
		}
	}
	return paths
}

// isFunction says whether a path is one of DIAL's functions, which find roles elsewhere than in the claims.
func isFunction(path string) bool { return strings.HasPrefix(path, "fn:") }

func (l *loader) algorithms(s spot) []string {
	algorithms := l.strs(s)
	for i := range s.items {
		item := s.item(i)
		switch {
		case item.kind != text || slices.Contains(strings.Fields(algorithmNames), item.text):
		case strings.HasPrefix(item.text, "HS"):
			l.err(item, "signatures with a shared secret are not taken: who can check them can make them", "one of "+algorithmNames)
		default:
			l.err(item, "this is not an algorithm that is taken", "one of "+algorithmNames)
		}
	}
	if s.kind == list && len(algorithms) == 0 {
		l.err(s, "an empty list: no token could be good", "remove it, or name RS256")
	}
	return algorithms
}

// checkProvider looks at what only all fields together can miss.
func (l *loader) checkProvider(s spot, p Provider) {
	kinds := 0
	for _, is := range []bool{p.JWKSURL != "", p.UserInfoEndpoint != "", p.Unverified} {
		if is {
			kinds++
		}
	}
	_, roles := s.find("rolePath")
	_, salt := s.find("loggingSalt")
	saltFile, inFile := s.find("loggingSaltFile")
	switch {
	case kinds != 1:
		remedy := "give one of them"
		if kinds > 1 {
			remedy = "keep one of them; two ways need two providers"
		}
		l.err(s, "Either jwksUrl or userinfoEndpoint must be provided or disableJwtVerification is set to true", remedy)
	case !roles:
		l.err(s, "rolePath is missing: no user would have a role", `add "rolePath": the claim that holds the roles`)
	case salt && inFile:
		l.err(saltFile, "loggingSalt and loggingSaltFile together: which one counts?", "remove one of the two")
	case p.LoggingKey != "" && !salt && !inFile:
		l.err(s, "loggingSalt is missing, which loggingKey wants", "add loggingSalt or loggingSaltFile: any long random text")
	}
	if p.JWKSURL != "" && strings.HasPrefix(p.JWKSURL, "http://") {
		if url, ok := s.find("jwksUrl"); ok {
			l.warn(url, "the provider's keys come over plain http: whoever is between can make any token good", "use https")
		}
	}
	if p.JWKSURL != "" && p.Audience == "" {
		l.warn(s, "audience is not stated: tokens that the provider made for other programs are taken too", "add audience")
	}
}

// checkProviders warns of a provider that no token reaches: of several, the first whose pattern matches is asked.
func (l *loader) checkProviders(all []Provider, at []spot) {
	var tokens []int
	for i, p := range all {
		if p.UserInfoEndpoint == "" {
			tokens = append(tokens, i)
		}
	}
	if len(tokens) < 2 {
		return
	}
	for _, i := range tokens {
		if all[i].IssuerPattern == "" && all[i].Issuer == "" {
			l.warn(at[i], "one of several providers, and it states neither issuer nor issuerPattern: no token would be its", "add issuer")
		}
	}
}
