package sandbox

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
)

// oidcProvider is an OpenID Connect identity provider that the account trusts to say who somebody is.
type oidcProvider struct {
	arn, url    string // url with its scheme, as the tokens' iss
	clientIDs   []string
	thumbprints []string
	created     time.Time
	tags        []sessionTag
}

// providerARN is the ARN of a provider with that issuer.
func (st *iamStore) providerARN(issuer string) string {
	return "arn:aws:iam::" + st.account + ":oidc-provider/" + strings.TrimPrefix(strings.TrimSuffix(issuer, "/"), "https://")
}

func (st *iamStore) createProvider(c iamCall) ([]element, *apiError) {
	issuer := strings.TrimSuffix(c.form.Get("Url"), "/")
	u, err := url.Parse(issuer)
	clientIDs, thumbprints := members(c.form, "ClientIDList"), members(c.form, "ThumbprintList")
	switch {
	case issuer == "" || len(issuer) > 255:
		return nil, constraintError("url", "Member must have length between 1 and 255")
	case err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.User != nil || u.Fragment != "":
		return nil, stsError("ValidationError", "Invalid Open ID Connect Provider URL")
	case len(clientIDs) > maxClientIDs:
		return nil, conflict("LimitExceeded", "Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: %d", maxClientIDs)
	case len(thumbprints) > 5:
		return nil, invalidInput("Thumbprint list must contain fewer than 5 entries.")
	case st.providers[st.providerARN(issuer)] != nil:
		return nil, conflict("EntityAlreadyExists", "Provider with url %s already exists.", issuer)
	case len(st.providers) >= maxProviders:
		return nil, conflict("LimitExceeded", "Cannot exceed quota for OpenIdConnectProvidersPerAccount: %d", maxProviders)
	}
	for _, print := range thumbprints {
		if len(print) != 40 {
			return nil, invalidInput("Thumbprint must be exactly 40 characters.")
		}
	}
	for _, id := range clientIDs {
		if id == "" || len(id) > 255 {
			return nil, constraintError("clientIDList", "Member must have length between 1 and 255")
		}
	}
	tags, _, refused := stsCall{form: c.form}.tags()
	if refused != nil {
		return nil, refused
	}
	p := &oidcProvider{arn: st.providerARN(issuer), url: issuer, clientIDs: clientIDs, thumbprints: thumbprints, created: c.now, tags: tags}
	st.providers[p.arn] = p
	return []element{{name: "OpenIDConnectProviderArn", text: p.arn}}, nil
}

// provider finds the one that a call names.
func (st *iamStore) provider(c iamCall) (*oidcProvider, *apiError) {
	arn := c.form.Get("OpenIDConnectProviderArn")
	if p := st.providers[arn]; p != nil {
		return p, nil
	}
	return nil, noSuch("OpenIDConnect Provider not found for arn %s", clip(arn, 300))
}

func (st *iamStore) getProvider(c iamCall) ([]element, *apiError) {
	p, refused := st.provider(c)
	if refused != nil {
		return nil, refused
	}
	out := []element{
		{name: "Url", text: strings.TrimPrefix(p.url, "https://")}, {name: "CreateDate", text: isoTime(p.created)},
		{name: "ClientIDList", children: textMembers(p.clientIDs)}, {name: "ThumbprintList", children: textMembers(p.thumbprints)},
	}
	return append(out, element{name: "Tags", children: tagElements(p.tags)}), nil
}

func textMembers(texts []string) []element {
	var out []element
	for _, t := range texts {
		out = append(out, element{name: "member", text: t})
	}
	return out
}

func (st *iamStore) listProviders(iamCall) ([]element, *apiError) {
	var all []element
	for _, arn := range slices.Sorted(maps.Keys(st.providers)) {
		all = append(all, element{name: "member", children: []element{{name: "Arn", text: arn}}})
	}
	return []element{{name: "OpenIDConnectProviderList", children: all}}, nil
}

// deleteProvider is silent about one that is not there, as AWS is.
func (st *iamStore) deleteProvider(c iamCall) ([]element, *apiError) {
	delete(st.providers, c.form.Get("OpenIDConnectProviderArn"))
	return done()
}

func (st *iamStore) addClientID(c iamCall) ([]element, *apiError) {
	p, refused := st.provider(c)
	id := c.form.Get("ClientID")
	switch {
	case refused != nil:
		return nil, refused
	case id == "" || len(id) > 255:
		return nil, constraintError("clientID", "Member must have length between 1 and 255")
	case slices.Contains(p.clientIDs, id):
		return done()
	case len(p.clientIDs) >= maxClientIDs:
		return nil, conflict("LimitExceeded", "Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: %d", maxClientIDs)
	}
	p.clientIDs = append(slices.Clone(p.clientIDs), id)
	return done()
}

func (st *iamStore) removeClientID(c iamCall) ([]element, *apiError) {
	p, refused := st.provider(c)
	if refused != nil {
		return nil, refused
	}
	p.clientIDs = slices.DeleteFunc(slices.Clone(p.clientIDs), func(id string) bool { return id == c.form.Get("ClientID") })
	return done()
}

// providerOf finds the provider of an issuer.
func (st *iamStore) providerOf(issuer string) (oidcProvider, bool) {
	st.mu.RLock()
	defer st.mu.RUnlock()
	p := st.providers[st.providerARN(issuer)]
	if p == nil {
		return oidcProvider{}, false
	}
	return *p, true
}
