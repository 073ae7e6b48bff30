package config

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"

	"outcrop/internal/secret"
)

// upstreamDraft is an upstream while its fields are read.
type upstreamDraft struct {
	Upstream
	extra, secretExtra spot
	// keyFile is the file of fromFile, another server's key; Bedrock's own is read by who uses it.
	keyFile  string
	fromFile secret.String
}

func upstreamTable() table[upstreamDraft] {
	return table[upstreamDraft]{
		fields: slices.Concat([]field[upstreamDraft]{
			{"id", "string", "", enforced, "name of the upstream: in replies, logs and metrics, and what `X-UPSTREAM-ID` asks for; unique in its deployment", "",
				func(l *loader, v spot, u *upstreamDraft) { l.str(v, &u.ID) }},
			{"key", "secret string", "", enforced, "a Bedrock API key; not together with the keys and roles of `extraData`", "",
				func(l *loader, v spot, u *upstreamDraft) { l.secret(v, &u.Key) }},
			{"keyFile", "path", "", enforced, "file that holds the key, in place of `key`; it is read when the configuration is. Outcrop's own field", "",
				func(l *loader, v spot, u *upstreamDraft) { l.keyFile(v, u) }},
			{"modelId", "string", "", enforced, "model id or ARN that AWS sees here, in place of the model's. Outcrop's own field", "",
				func(l *loader, v spot, u *upstreamDraft) {
					l.modelID(v, &u.ModelID)
					l.onlyHere(v)
					u.modelIDAt = v.place()
				}},
			{"baseModel", "string", "", enforced, "id of the foundation model behind an ARN that does not name it: an application profile, a provisioned, imported or custom model. Without it AWS is asked, where it can tell. Outcrop's own field", "",
				func(l *loader, v spot, u *upstreamDraft) {
					l.modelID(v, &u.BaseModel)
					l.onlyHere(v)
					u.baseModelAt = v.place()
				}},
			{"surface", "`converse`, `mantle`, `openai`, `invoke`", "", enforced, "which API of Bedrock is asked; without it the one that the model is served by. Outcrop's own field", "",
				func(l *loader, v spot, u *upstreamDraft) {
					l.oneOf(v, &u.Surface, "converse", "mantle", "openai", "invoke")
					l.onlyHere(v)
				}},
			{"guardrail", "object", "", enforced, "a guardrail that every request passes and no client can remove, see below. Outcrop's own field", "",
				func(l *loader, v spot, u *upstreamDraft) {
					l.guardrail(v, u)
					if v.remote {
						l.err(v, "another server answers for the model: no guardrail can be put before it from here", "remove it, and configure the guardrail there")
					}
				}},
			{"extraData", "object, or a string that holds one", "", enforced, "region and credentials, see below", "",
				func(_ *loader, v spot, u *upstreamDraft) { u.extra = v }},
			{"secretExtraData", "object, or a string that holds one", "", enforced, "the same fields as `extraData`, for a file that is kept apart; a field may stand in one of the two only", "",
				func(_ *loader, v spot, u *upstreamDraft) { u.secretExtra = v }},
			{"weight", "integer", "1", enforced, "share of the requests of its tier; at most 0 disables the upstream", "",
				func(l *loader, v spot, u *upstreamDraft) {
					l.int32(v, math.MinInt32, &u.Weight)
					if u.Weight <= 0 {
						l.warn(v, "the upstream is disabled: its weight is not positive", "remove the upstream, or give it a weight of at least 1")
					}
				}},
			{"tier", "integer", "0", enforced, "the upstreams of a higher tier are asked when none of the lower ones can answer", "",
				func(l *loader, v spot, u *upstreamDraft) { l.int32(v, math.MinInt32, &u.Tier) }},
			{"quota", "object", "", enforced, "what the account may use of the model in a minute, see below. Outcrop's own field", "",
				func(l *loader, v spot, u *upstreamDraft) { readObject(l, v, quotaTable(), &u.Quota) }},
		}, toldFields()),
		elsewhere: func(m member) string {
			if extraTable().has(m.name) {
				return "it belongs into extraData"
			}
			return ""
		},
	}
}

func (l *loader) readUpstreams(s spot, m Model) []Upstream {
	if !l.want(s, list) {
		return nil
	}
	var out []Upstream
	ids := map[string]spot{}
	for i := range s.items {
		v := s.item(i)
		if l.isNull(v) || !l.want(v, object) {
			continue
		}
		var upstream Upstream
		for version := range v.versions() {
			upstream = l.readUpstream(version, m)
		}
		l.checkUpstreamID(v, upstream.ID, ids)
		out = append(out, upstream)
	}
	return out
}

func (l *loader) readUpstream(s spot, m Model) Upstream {
	draft := upstreamDraft{Upstream: Upstream{Weight: 1}}
	readObject(l, s, upstreamTable(), &draft)
	if draft.keyFile != "" && !draft.Key.IsZero() {
		l.err(s, "both key and keyFile are given", "remove one of the two")
	}
	extra, secretExtra := l.extraObject(draft.extra), l.extraObject(draft.secretExtra)
	for _, m := range secretExtra.members {
		if m.name != "region" {
			l.hide(m.value)
		}
	}
	l.checkTwins(extra, secretExtra)
	if s.remote && draft.keyFile != "" {
		draft.Key = draft.fromFile
	}
	if s.remote { // another server's business
		draft.Foreign = secret.New(foreign(draft.extra, draft.secretExtra, extra, secretExtra))
		return draft.Upstream
	}
	var u Upstream
	for version := range extra.versions() {
		for secretVersion := range secretExtra.versions() {
			u = draft.Upstream
			readObject(l, version, extraTable(), &u)
			readObject(l, secretVersion, extraTable(), &u)
			l.checkCredentials(s, u)
			l.checkNetwork(s, u.Network)
			l.checkRegions([]spot{version, secretVersion}, u, m)
		}
	}
	return u
}

// foreign is what another server gets as its extra data: a text as it is, else compact JSON; "" when there is
// none.
func foreign(first, second, extra, secretExtra spot) string {
	if first.node == nil && second.node == nil {
		return ""
	}
	if n := first.node; n != nil && len(secretExtra.members) == 0 {
		switch n.kind {
		case null:
			return ""
		case text, number, boolean:
			return n.text
		}
		return string(n.appendJSON(nil))
	}
	if n := second.node; first.node == nil && n.kind == text {
		return n.text
	}
	both := node{kind: object, members: slices.Concat(extra.members, secretExtra.members)}
	return string(both.appendJSON(nil))
}

// checkTwins reports the fields that stand in both.
func (l *loader) checkTwins(extra, secretExtra spot) {
	for i, m := range secretExtra.members {
		if twin := extra.get(m.name); twin != nil {
			l.err(secretExtra.member(i).namedAt(m.pos), fmt.Sprintf("extraData has this field too, on line %d", twin.line), "a field stands in one of the two only, as in DIAL")
		}
	}
}

// checkRegions compares the region with the one that an ARN names.
func (l *loader) checkRegions(parts []spot, u Upstream, m Model) {
	named := arnRegion(m.ModelID(u))
	if named == "" || !isRegion(u.Region) || u.Region == named {
		return
	}
	for _, part := range parts {
		if region, ok := part.find("region"); ok {
			l.err(region, fmt.Sprintf("the region is not that of the model's ARN, which is in %s", named), "AWS answers for an ARN in its own region only")
			return
		}
	}
}

// extraObject is extraData or secretExtraData as an object, which may stand in
// a string; an empty one when there is none.
func (l *loader) extraObject(s spot) spot {
	none := spot{node: &node{kind: object}, path: s.path, remote: s.remote, entity: s.entity}
	if s.node == nil || s.kind == text && s.text == "" {
		return none
	}
	if s.kind == text {
		parsed, bad := parseJSON(s.file, []byte(s.text))
		if bad != nil {
			if !s.remote {
				l.err(s, fmt.Sprintf("the string holds no JSON: %s, at its line %d, column %d", bad.message, bad.line, bad.col), "write an object instead of a string")
			}
			l.hide(s.node)
			return none
		}
		parsed.moveTo(s.pos)
		s.node = parsed
		l.checkNames(s)
	}
	if s.kind != object {
		if !s.remote {
			l.want(s, object)
		}
		return none
	}
	return s
}

// hide makes every text of the value a secret.
func (l *loader) hide(n *node) {
	if n.kind == text || n.kind == number {
		l.secrets.add(n.text)
	}
	for _, item := range n.items {
		l.hide(item)
	}
	for _, m := range n.members {
		l.hide(m.value)
	}
}

// secret reads a string that no message may hold.
func (l *loader) secret(s spot, into *secret.String) {
	var revealed string
	l.given(s, &revealed)
	l.secrets.add(revealed)
	*into = secret.New(revealed)
	if strings.ContainsFunc(revealed, unicode.IsControl) { // no header can carry it
		l.err(s, "the secret has a line break or another control character in it", "copy it again, without the end of its line")
	}
}

// given reads a string; an empty one, as templates leave it, is not given.
func (l *loader) given(s spot, into *string) {
	l.str(s, into)
	l.isEmpty(s)
}

// isEmpty reports an empty string, which is not given.
func (l *loader) isEmpty(s spot) bool {
	if s.kind != text || s.text != "" {
		return false
	}
	if !s.remote {
		l.warn(s, "is empty, taken as not given", "remove it, or give it a value")
	}
	return true
}
