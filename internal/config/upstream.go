package config

import (
	"fmt"
	"math"
	"slices"

	"outcrop/internal/secret"
)

const firstAnswers = "the first upstream that is not disabled answers all requests"

// upstreamDraft is an upstream while its fields are read.
type upstreamDraft struct {
	Upstream
	extra, secretExtra spot
}

func upstreamTable() table[upstreamDraft] {
	return table[upstreamDraft]{
		fields: []field[upstreamDraft]{
			{"id", "string", "", listed, "name of the upstream; nothing is chosen by it yet", "",
				func(l *loader, v spot, u *upstreamDraft) { l.str(v, &u.ID) }},
			{"key", "secret string", "", enforced, "a Bedrock API key; not together with the keys and roles of `extraData`", "",
				func(l *loader, v spot, u *upstreamDraft) { l.secret(v, &u.Key) }},
			{"modelId", "string", "", enforced, "model id or ARN that AWS sees here, in place of the model's. Outcrop's own field", "",
				func(l *loader, v spot, u *upstreamDraft) {
					l.modelID(v, &u.ModelID)
					u.modelIDAt = v.place()
				}},
			{"baseModel", "string", "", enforced, "id of the foundation model behind an ARN that does not name it: an application profile, a provisioned, imported or custom model. Without it AWS is asked, where it can tell. Outcrop's own field", "",
				func(l *loader, v spot, u *upstreamDraft) {
					l.modelID(v, &u.BaseModel)
					u.baseModelAt = v.place()
				}},
			{"surface", "`converse`, `mantle`, `openai`, `invoke`", "", enforced, "which API of Bedrock is asked; without it the one that the model is served by. Outcrop's own field", "",
				func(l *loader, v spot, u *upstreamDraft) {
					l.oneOf(v, &u.Surface, "converse", "mantle", "openai", "invoke")
				}},
			{"guardrail", "object", "", enforced, "a guardrail that every request passes and no client can remove, see below. Outcrop's own field", "",
				func(l *loader, v spot, u *upstreamDraft) { l.guardrail(v, u) }},
			{"extraData", "object, or a string that holds one", "", enforced, "region and credentials, see below", "",
				func(_ *loader, v spot, u *upstreamDraft) { u.extra = v }},
			{"secretExtraData", "object, or a string that holds one", "", enforced, "the same fields as `extraData`, for a file that is kept apart; a field may stand in one of the two only", "",
				func(_ *loader, v spot, u *upstreamDraft) { u.secretExtra = v }},
			{"weight", "integer", "1", notEnforced, "share of the requests; at most 0 disables the upstream, which **is** enforced", firstAnswers,
				func(l *loader, v spot, u *upstreamDraft) {
					l.count(v, math.MinInt32, &u.Weight)
					if u.Weight <= 0 && !v.quiet {
						l.warn(v, "the upstream is disabled: its weight is not positive", "remove the upstream, or give it a weight of at least 1")
					}
				}},
			{"tier", "integer", "0", notEnforced, "lower tiers are asked first", firstAnswers,
				func(l *loader, v spot, u *upstreamDraft) { l.count(v, math.MinInt32, &u.Tier) }},
			{"endpoint", "URL", "", notEnforced, "address of the upstream", "AWS is asked at the region's own address, or at AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
				func(l *loader, v spot, u *upstreamDraft) { l.str(v, &u.Endpoint) }},
			{"interfaces", "object", "", notServed, "values per dialect", "the values of the upstream itself count", nil},
			{"baseUrl", "URL", "", notServed, "root of an adapter", "AWS is asked at the region's own address", nil},
			{"responsesEndpoint", "URL", "", notServed, "address of the Responses API", "this version answers chat completions", nil},
			{"authType", "`API_KEY`, `BEARER`", "", meaningless, "for routes", "", nil},
		},
		elsewhere: func(m member) string {
			if extraTable().has(m.name) {
				return "it belongs into extraData"
			}
			return ""
		},
	}
}

// extraTable is the fields of extraData, DIAL's Bedrock adapter's names first.
func extraTable() table[Upstream] {
	row := func(name, about string, into func(*Upstream) *string) field[Upstream] {
		return field[Upstream]{name: name, kind: "string", use: enforced, about: about,
			read: func(l *loader, v spot, u *Upstream) { l.given(v, into(u)) }}
	}
	unused := func(name, about, remedy string) field[Upstream] {
		return field[Upstream]{name: name, kind: "string", use: notEnforced, about: about, remedy: remedy}
	}
	return table[Upstream]{exact: true, fields: []field[Upstream]{
		{"region", "string", "", enforced, "AWS region; without it the ARN's, else the environment's", "",
			func(l *loader, v spot, u *Upstream) { l.region(v, u) }},
		row("aws_access_key_id", "static key, with the next one", func(u *Upstream) *string { return &u.AccessKeyID }),
		{"aws_secret_access_key", "secret string", "", enforced, "", "",
			func(l *loader, v spot, u *Upstream) { l.secret(v, &u.SecretAccessKey) }},
		{"aws_session_token", "secret string", "", enforced, "for temporary static keys", "",
			func(l *loader, v spot, u *Upstream) { l.secret(v, &u.SessionToken) }},
		{"aws_assume_role_arn", "string", "", enforced, "role to assume; with static keys it is assumed with them, else with the process's own credentials", "",
			func(l *loader, v spot, u *Upstream) { l.roleARN(v, u) }},
		row("aws_external_id", "external id that the role's trust policy asks for. Outcrop's own field", func(u *Upstream) *string { return &u.ExternalID }),
		row("aws_role_session_name", "session name that CloudTrail shows. Outcrop's own field", func(u *Upstream) *string { return &u.RoleSessionName }),
		unused("claude_client", "which client DIAL's adapter uses for Claude", "Claude is asked through Converse"),
		{"compatible_model_id", "string", "", enforced, "DIAL's name of `baseModel`", "",
			func(l *loader, v spot, u *Upstream) { l.compatibleModel(v, u) }},
	}}
}

// compatibleModel reads what DIAL's adapter calls baseModel.
func (l *loader) compatibleModel(s spot, u *Upstream) {
	var id string
	l.modelID(s, &id)
	if u.BaseModel != "" && id != u.BaseModel {
		l.err(s, "the upstream's baseModel names another model", "remove one of the two")
		return
	}
	u.BaseModel, u.baseModelAt = id, s.place()
}

func (l *loader) readUpstreams(s spot, m Model) []Upstream {
	if !l.want(s, list) {
		return nil
	}
	var out []Upstream
	for i := range s.items {
		v := s.item(i)
		if l.isNull(v) || !l.want(v, object) {
			continue
		}
		var upstream Upstream
		for version := range v.versions() {
			upstream = l.readUpstream(version, m)
		}
		out = append(out, upstream)
	}
	if len(out) > 1 && !s.quiet {
		l.warn(s, fmt.Sprintf("balancing over %d upstreams is not enforced yet", len(out)), firstAnswers)
	}
	return out
}

func (l *loader) readUpstream(s spot, m Model) Upstream {
	draft := upstreamDraft{Upstream: Upstream{Weight: 1}}
	readObject(l, s, upstreamTable(), &draft)
	extra, secretExtra := l.extraObject(draft.extra), l.extraObject(draft.secretExtra)
	for _, m := range secretExtra.members {
		if m.name != "region" {
			l.hide(m.value)
		}
	}
	l.checkTwins(extra, secretExtra)
	if s.quiet { // another server's business
		draft.Foreign = secret.New(foreign(draft, extra, secretExtra))
		return draft.Upstream
	}
	var u Upstream
	for version := range extra.versions() {
		for secretVersion := range secretExtra.versions() {
			u = draft.Upstream
			readObject(l, version, extraTable(), &u)
			readObject(l, secretVersion, extraTable(), &u)
			l.checkCredentials(s, u)
			l.checkRegions([]spot{version, secretVersion}, u, m)
		}
	}
	return u
}

// foreign is what another server gets as its extra data: a text as it is, else compact JSON; "" when there is
// none.
func foreign(draft upstreamDraft, extra, secretExtra spot) string {
	if draft.extra.node == nil && draft.secretExtra.node == nil {
		return ""
	}
	if n := draft.extra.node; n != nil && len(secretExtra.members) == 0 {
		switch n.kind {
		case null:
			return ""
		case text, number, boolean:
			return n.text
		}
		return string(n.appendJSON(nil))
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
	none := spot{node: &node{kind: object}, path: s.path, quiet: s.quiet, model: s.model}
	if s.node == nil || s.kind == text && s.text == "" {
		return none
	}
	if s.kind == text {
		parsed, bad := parseJSON(s.file, []byte(s.text))
		if bad != nil {
			if !s.quiet {
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
		if !s.quiet {
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
	if !s.quiet {
		l.warn(s, "is empty, taken as not given", "remove it, or give it a value")
	}
	return true
}

func (l *loader) region(s spot, u *Upstream) {
	l.given(s, &u.Region)
	if u.Region == "" || isRegion(u.Region) {
		return
	}
	remedy := "for example us-east-1"
	if isRegion(u.Region[:len(u.Region)-1]) {
		remedy = "this looks like an availability zone: leave out its last letter"
	}
	l.err(s, "this is not the name of an AWS region", remedy)
}

func (l *loader) roleARN(s spot, u *Upstream) {
	l.given(s, &u.AssumeRoleARN)
	if u.AssumeRoleARN != "" && !roleARNForm.MatchString(u.AssumeRoleARN) {
		l.err(s, "this is not the ARN of a role", "arn:aws:iam::<12 digits>:role/<name>")
	}
}

// checkCredentials reports what would be a guess: DIAL's adapter falls through
// a half-given key in silence, and lets static keys win over a role.
func (l *loader) checkCredentials(s spot, u Upstream) {
	id, key := u.AccessKeyID != "", !u.SecretAccessKey.IsZero()
	switch {
	case !u.Key.IsZero() && (id || key || u.AssumeRoleARN != ""):
		l.err(s, "a Bedrock API key (key) and AWS credentials (extraData) together: which one counts?", "remove one of the two")
	case id && !key:
		l.err(s, "aws_access_key_id without aws_secret_access_key", "add it in extraData or secretExtraData")
	case key && !id:
		l.err(s, "aws_secret_access_key without aws_access_key_id", "add it in extraData")
	case !u.SessionToken.IsZero() && !id:
		l.err(s, "aws_session_token without the keys that it belongs to", "add aws_access_key_id and aws_secret_access_key")
	case id && u.AssumeRoleARN != "":
		l.warn(s, "static keys and a role: the role is assumed with the keys", "DIAL's adapter would use the keys and leave the role out; remove the one that is not meant")
	case u.AssumeRoleARN == "" && (u.ExternalID != "" || u.RoleSessionName != ""):
		l.warn(s, "aws_external_id and aws_role_session_name have no effect without aws_assume_role_arn", "")
	}
}
