package config

import (
	"fmt"
	"slices"

	"outcrop/internal/secret"
)

// place is where something stands, for messages.
func (p pos) place() string { return fmt.Sprintf("%s:%d", p.file, p.line) }

// toldFields are what another server is told of an upstream.
func toldFields() []field[upstreamDraft] {
	return []field[upstreamDraft]{
		{"endpoint", "string", "", enforced, "what another server is told to ask, as X-UPSTREAM-ENDPOINT; of a route, where requests go", "",
			func(l *loader, v spot, u *upstreamDraft) {
				l.line(v, &u.Endpoint)
				l.onlyElsewhere(v)
			}},
		{"interfaces", "object: interface → values", "{}", enforced, "`endpoint`, `key`, `extraData` and `secretExtraData` for one interface of another server, in place of the upstream's", "",
			func(l *loader, v spot, u *upstreamDraft) { l.upstreamInterfaces(v, u) }},
		{"baseUrl", "URL", "", enforced, "what another server is told to ask where neither the interface nor the upstream has an endpoint", "",
			func(l *loader, v spot, u *upstreamDraft) {
				l.address(v, &u.BaseURL)
				l.onlyElsewhere(v)
			}},
		{"responsesEndpoint", "string", "", enforced, "what another server is told to ask in the Responses API", "",
			func(l *loader, v spot, u *upstreamDraft) {
				l.line(v, &u.ResponsesEndpoint)
				l.onlyElsewhere(v)
			}},
		{"authType", "`API_KEY`, `BEARER`", "API_KEY", enforced, "how a route's server gets the key: as `API-KEY`, or as `Authorization: Bearer`", "",
			func(l *loader, v spot, u *upstreamDraft) { l.authType(v, u) }},
	}
}

// onlyHere reports a field that says how this process asks Bedrock, in an upstream of another server.
func (l *loader) onlyHere(s spot) {
	if s.remote {
		l.warn(s, "has no effect: another server answers, and it is not told", "remove it; the endpoint of the model decides who answers")
	}
}

// onlyElsewhere reports a field that another server is told, in an upstream of this process.
func (l *loader) onlyElsewhere(s spot) {
	if !s.remote {
		l.warn(s, "has no effect: this process answers", "AWS is asked at the region's own address, at aws_endpoint_url_bedrock_runtime of extraData or at AWS_ENDPOINT_URL_BEDROCK_RUNTIME")
	}
}

// keyFile reads the file of an upstream's key.
func (l *loader) keyFile(s spot, u *upstreamDraft) {
	if !s.remote {
		l.given(s, &u.KeyFile)
		u.keyFile = u.KeyFile
		return
	}
	u.fromFile, u.keyFile = l.secretFile(s)
	if u.keyFile != "" && !slices.Contains(l.secretFiles, u.keyFile) {
		l.secretFiles = append(l.secretFiles, u.keyFile)
	}
}

type upstreamInterfaceDraft struct {
	UpstreamInterface
	extra, secretExtra spot
}

func upstreamInterfaceTable() table[upstreamInterfaceDraft] {
	return table[upstreamInterfaceDraft]{fields: []field[upstreamInterfaceDraft]{
		{"endpoint", "string", "", enforced, "", "", func(l *loader, v spot, u *upstreamInterfaceDraft) { l.line(v, &u.Endpoint) }},
		{"key", "secret string", "", enforced, "", "", func(l *loader, v spot, u *upstreamInterfaceDraft) { l.secret(v, &u.Key) }},
		{"extraData", "any, or a string", "", enforced, "", "", func(_ *loader, v spot, u *upstreamInterfaceDraft) { u.extra = v }},
		{"secretExtraData", "any, or a string", "", enforced, "merged into `extraData`", "", func(_ *loader, v spot, u *upstreamInterfaceDraft) { u.secretExtra = v }},
	}}
}

// upstreamInterfaces reads what an upstream has for single interfaces.
func (l *loader) upstreamInterfaces(s spot, u *upstreamDraft) {
	if !l.want(s, object) {
		return
	}
	u.Interfaces = map[Interface]UpstreamInterface{}
	for i, m := range s.members {
		v, name := s.member(i), Interface(m.name)
		switch {
		case m.lost:
			continue
		case !slices.Contains(interfaceNames(), name):
			l.warn(v.namedAt(m.pos), "no interface is called so: it has no effect, as in DIAL", closest(m.name, interfaceSet()))
			continue
		case l.isNull(v):
			continue
		}
		v.remote = true
		var draft upstreamInterfaceDraft
		readObject(l, v, upstreamInterfaceTable(), &draft)
		extra, secretExtra := l.extraObject(draft.extra), l.extraObject(draft.secretExtra)
		if draft.secretExtra.node != nil {
			l.hide(draft.secretExtra.node)
		}
		l.checkTwins(extra, secretExtra)
		draft.Extra = secret.New(foreign(draft.extra, draft.secretExtra, extra, secretExtra))
		u.Interfaces[name] = draft.UpstreamInterface
	}
}
