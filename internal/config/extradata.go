package config

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// extraDataName is how extraData that came outside of a file is called in messages.
const extraDataName = "extraData"

// ReadExtraData reads the extraData of one upstream that came with a request: DIAL Core sends it to an
// adapter in a header. The problems name a field as extraData.region and never show a secret; a field
// that nobody knows is a warning. An empty document, and null, say nothing.
//
// Whoever can send a request must not read the files of this machine or have its credentials sent
// elsewhere, so fields that name a file or an address are refused.
func ReadExtraData(doc []byte) (Upstream, []Problem) { return readExtraData(doc, false) }

// ReadTrustedExtraData is [ReadExtraData] where only DIAL Core can send requests: every field counts.
func ReadTrustedExtraData(doc []byte) (Upstream, []Problem) { return readExtraData(doc, true) }

func readExtraData(doc []byte, trusted bool) (Upstream, []Problem) {
	l := &loader{placeholders: map[*node]bool{}}
	u := Upstream{Weight: 1}
	if doc = bytes.TrimSpace(doc); len(doc) == 0 {
		return u, nil
	}
	root, bad := parseJSON("", doc)
	s := spot{node: root, path: extraDataName}
	switch {
	case bad != nil:
		l.report(Problem{Severity: Error, Path: extraDataName, Message: fmt.Sprintf("this is no JSON: %s, at line %d, column %d", bad.message, bad.line, bad.col)})
	case root.kind != null && l.want(s, object):
		l.checkNames(s)
		if !trusted {
			l.refuseLocal(s)
		}
		readObject(l, s, requestTable(), &u)
		l.checkCredentials(s, u)
		l.checkNetwork(s, u.Network)
	}
	problems := l.finish(nil)
	for i := range problems {
		problems[i].Line, problems[i].Col = 0, 0 // of a header, which nobody counts
	}
	return u, problems
}

// refuseLocal reports the fields that would make this machine read a file or call an address.
func (l *loader) refuseLocal(s spot) {
	for i, m := range s.members {
		local := strings.HasSuffix(m.name, "_file") || strings.HasPrefix(m.name, "aws_endpoint_url") ||
			slices.Contains([]string{"aws_profile", "aws_container_credentials_full_uri", "aws_ca_bundle", "https_proxy", "no_proxy"}, m.name)
		if v := s.member(i); local && v.kind != null {
			l.err(v, "a file or an address is not taken from a request", "set it for the whole process, or start with --trust-extra-data if nobody but DIAL Core can send requests here")
		}
	}
}

// extraTable is the fields of extraData, DIAL's Bedrock adapter's names first. The others are named like
// the environment variable that says the same for the process, where there is one.
func extraTable() table[Upstream] {
	fields := append(identityFields(), roleFields()...)
	return table[Upstream]{
		exact: true, fields: append(fields, networkFields()...),
		elsewhere: func(m member) string {
			switch m.name {
			case "role_arn", "aws_role_arn":
				return "did you mean aws_assume_role_arn?"
			case "key", "api_key", "aws_api_key":
				return "did you mean aws_bearer_token_bedrock?"
			}
			return ""
		},
	}
}

// own ends what is said of a field that DIAL's adapter does not have.
const own = ". Outcrop's own field"

// text is a row for a string that is taken as it is.
func textRow(name, about string, into func(*Upstream) *string) field[Upstream] {
	return field[Upstream]{name: name, kind: "string", use: enforced, about: about,
		read: func(l *loader, v spot, u *Upstream) { l.given(v, into(u)) }}
}

func identityFields() []field[Upstream] {
	return []field[Upstream]{
		{"region", "string", "", enforced, "AWS region; without it the ARN's, else the environment's", "",
			func(l *loader, v spot, u *Upstream) { l.region(v, u) }},
		textRow("aws_access_key_id", "static key, with the next one", func(u *Upstream) *string { return &u.AccessKeyID }),
		{"aws_secret_access_key", "secret string", "", enforced, "", "",
			func(l *loader, v spot, u *Upstream) { l.secret(v, &u.SecretAccessKey) }},
		{"aws_session_token", "secret string", "", enforced, "for temporary static keys", "",
			func(l *loader, v spot, u *Upstream) { l.secret(v, &u.SessionToken) }},
		{"aws_assume_role_arn", "string", "", enforced, "role to assume; with the upstream's own source of credentials, if one is given, else with the process's", "",
			func(l *loader, v spot, u *Upstream) { l.roleARN(v, &u.AssumeRoleARN) }},
		{"claude_client", "`legacy`, `mantle`, `converse`", "", enforced, "for Claude models: `mantle` asks Anthropic's API on the bedrock-mantle host, `converse` Converse alone; `legacy`, or without it: Converse for chats, InvokeModel for bodies of Anthropic's API", "",
			func(l *loader, v spot, u *Upstream) { l.oneOf(v, &u.ClaudeClient, "legacy", "mantle", "converse") }},
		{"compatible_model_id", "string", "", enforced, "DIAL's name of `baseModel`", "",
			func(l *loader, v spot, u *Upstream) { l.compatibleModel(v, u) }},
		{"aws_bearer_token_bedrock", "secret string", "", enforced, "a Bedrock API key, as the upstream's `key`" + own, "",
			func(l *loader, v spot, u *Upstream) { l.bearer(v, u) }},
		textRow("aws_bearer_token_bedrock_file", "file that holds a Bedrock API key; it is read again when it changes"+own, func(u *Upstream) *string { return &u.KeyFile }),
		{"aws_profile", "string", "", enforced, "profile of AWS's configuration files" + own, "",
			func(l *loader, v spot, u *Upstream) {
				l.formed(v, &u.Profile, profileForm, "the name of a profile has no brackets")
			}},
		textRow("aws_web_identity_token_file", "file that holds an OpenID Connect token, with which the role is assumed; it is read again at each renewal"+own, func(u *Upstream) *string { return &u.WebIdentityTokenFile }),
		{"aws_container_credentials_full_uri", "URL", "", enforced, "where EKS Pod Identity or ECS serves credentials" + own, "",
			func(l *loader, v spot, u *Upstream) { l.address(v, &u.ContainerCredentialsURI) }},
		textRow("aws_container_authorization_token_file", "file that holds the token for it"+own, func(u *Upstream) *string { return &u.ContainerTokenFile }),
	}
}

func roleFields() []field[Upstream] {
	return []field[Upstream]{
		{"aws_external_id", "string", "", enforced, "external id that the role's trust policy asks for" + own, "",
			func(l *loader, v spot, u *Upstream) {
				l.formed(v, &u.ExternalID, externalIDForm, "2 to 1224 letters, digits and characters of _+=,.@:/-")
			}},
		{"aws_role_session_name", "string", "", enforced, "session name that CloudTrail shows" + own, "",
			func(l *loader, v spot, u *Upstream) {
				l.formed(v, &u.RoleSessionName, sessionNameForm, "2 to 64 letters, digits and characters of _+=,.@-")
			}},
		{"aws_role_duration", "duration, `15m` to `12h`", "1h", enforced, "how long the role's credentials last, which are renewed before; at most `1h` for a role that is assumed with another role's" + own, "",
			func(l *loader, v spot, u *Upstream) { l.sessionDuration(v, u) }},
		{"aws_role_chain", "list of ARNs", "[]", enforced, "roles that are assumed one with the other before `aws_assume_role_arn`" + own, "",
			func(l *loader, v spot, u *Upstream) { l.roleChain(v, u) }},
	}
}

func networkFields() []field[Upstream] {
	address := func(name, about string, into func(*Network) *string) field[Upstream] {
		return field[Upstream]{name: name, kind: "URL", use: enforced, about: about + own,
			read: func(l *loader, v spot, u *Upstream) { l.origin(v, into(&u.Network)) }}
	}
	flag := func(name, about string, into func(*Network) **bool) field[Upstream] {
		return field[Upstream]{name: name, kind: "boolean", use: enforced, about: about + own,
			read: func(l *loader, v spot, u *Upstream) { l.flag(v, into(&u.Network)) }}
	}
	return []field[Upstream]{
		address("aws_endpoint_url_bedrock_runtime", "address of the runtime, such as a VPC endpoint's", func(n *Network) *string { return &n.Runtime }),
		address("aws_endpoint_url_bedrock_mantle", "address of bedrock-mantle", func(n *Network) *string { return &n.Mantle }),
		address("aws_endpoint_url_bedrock", "address of Bedrock's control plane", func(n *Network) *string { return &n.Control }),
		address("aws_endpoint_url_sts", "address of STS", func(n *Network) *string { return &n.STS }),
		flag("aws_use_fips_endpoint", "AWS's FIPS hosts; not together with an address", func(n *Network) **bool { return &n.FIPS }),
		flag("aws_use_dualstack_endpoint", "AWS's hosts that have IPv6 addresses too; not together with an address", func(n *Network) **bool { return &n.DualStack }),
		{"https_proxy", "URL, or `none`", "", enforced, "proxy on the way to AWS" + own, "",
			func(l *loader, v spot, u *Upstream) { l.proxy(v, &u.Network.Proxy) }},
		textRow("no_proxy", "hosts that are asked without the proxy, as in NO_PROXY"+own, func(u *Upstream) *string { return &u.Network.NoProxy }),
		textRow("aws_ca_bundle", "file of PEM certificates that are trusted in place of the system's"+own, func(u *Upstream) *string { return &u.Network.CABundle }),
		flag("use_http2", "HTTP/2; without it HTTP/1.1, which costs less time per call", func(n *Network) **bool { return &n.HTTP2 }),
	}
}

// bearer reads an API key that stands in extraData.
func (l *loader) bearer(s spot, u *Upstream) {
	if !u.Key.IsZero() {
		l.err(s, "the upstream has a key already", "remove one of the two")
		return
	}
	l.secret(s, &u.Key)
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
