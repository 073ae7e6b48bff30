package config

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// Network is an upstream's way to AWS. What is not stated is the process's.
type Network struct {
	// Endpoints of the runtime, of bedrock-mantle, of the control plane and of STS:
	// http(s)://host[:port].
	Runtime, Mantle, Control, STS string
	Proxy                         string // URL, or "none"
	NoProxy                       string
	CABundle                      string // file of PEM certificates
	FIPS, DualStack, HTTP2        *bool
}

// Credentials says in words which credentials the upstream uses.
func (u Upstream) Credentials() string {
	const chain = "default chain"
	from := source{words: chain}
	if given := u.sources(); len(given) > 0 {
		from = given[0]
	}
	if u.AssumeRoleARN == "" || from.apiKey {
		return from.words
	}
	role := "role " + u.AssumeRoleARN
	for _, arn := range slices.Backward(u.RoleChain) {
		role += " over " + arn
	}
	if from.words == chain {
		return role
	}
	return role + " assumed with " + from.words
}

// A source is one place that credentials come from.
type source struct {
	field string // that names it
	words string
	// apiKey: no role can be assumed with it.
	apiKey bool
	// role: what it gives are a role's credentials already.
	role bool
}

// sources are those that the upstream names; more than one is a mistake.
func (u Upstream) sources() (given []source) {
	for _, s := range []struct {
		is bool
		source
	}{
		{!u.Key.IsZero(), source{field: "key", words: "Bedrock API key", apiKey: true}},
		{u.KeyFile != "", source{field: "aws_bearer_token_bedrock_file", words: "Bedrock API key in a file", apiKey: true}},
		{u.AccessKeyID != "", source{field: "aws_access_key_id", words: "static keys"}},
		{u.Profile != "", source{field: "aws_profile", words: "profile " + u.Profile}},
		{u.WebIdentityTokenFile != "", source{field: "aws_web_identity_token_file", words: "web identity"}},
		{u.ContainerCredentialsURI != "", source{field: "aws_container_credentials_full_uri", words: "container credentials", role: true}},
	} {
		if s.is {
			given = append(given, s.source)
		}
	}
	return given
}

// Bounds of STS. https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
const (
	shortestSession = 15 * time.Minute
	longestSession  = 12 * time.Hour
	longestChained  = time.Hour
)

var (
	sessionNameForm = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
	externalIDForm  = regexp.MustCompile(`^[\w+=,.@:/-]{2,612}[\w+=,.@:/-]{0,612}$`)
	profileForm     = regexp.MustCompile(`^[^\[\]\s][^\[\]]*$`)
)

// checkCredentials reports what would be a guess: DIAL's adapter falls through
// a half-given key in silence, and lets static keys win over a role.
func (l *loader) checkCredentials(s spot, u Upstream) {
	given := u.sources()
	isKey := len(given) > 0 && given[0].apiKey
	id, key, role := u.AccessKeyID != "", !u.SecretAccessKey.IsZero(), u.AssumeRoleARN != ""
	switch {
	case isKey && (len(given) > 1 || key || role):
		l.err(s, "a Bedrock API key ("+given[0].field+") and AWS credentials (extraData) together: which one counts?", "remove one of the two")
	case len(given) > 1:
		l.err(s, given[0].field+" and "+given[1].field+" together: which one counts?", "remove one of the two")
	case id && !key:
		l.err(s, "aws_access_key_id without aws_secret_access_key", "add it in extraData or secretExtraData")
	case key && !id:
		l.err(s, "aws_secret_access_key without aws_access_key_id", "add it in extraData")
	case !u.SessionToken.IsZero() && !id:
		l.err(s, "aws_session_token without the keys that it belongs to", "add aws_access_key_id and aws_secret_access_key")
	case u.ContainerTokenFile != "" && u.ContainerCredentialsURI == "":
		l.err(s, "aws_container_authorization_token_file without aws_container_credentials_full_uri", "add it")
	default:
		l.checkRole(s, u, given)
	}
}

// checkRole goes on with what a role wants.
func (l *loader) checkRole(s spot, u Upstream, given []source) {
	role, chained := u.AssumeRoleARN != "", len(u.RoleChain) > 0 || len(given) > 0 && given[0].role
	switch {
	case !role && u.WebIdentityTokenFile != "":
		l.err(s, "aws_web_identity_token_file without aws_assume_role_arn", "add the role that is assumed with the token")
	case !role && len(u.RoleChain) > 0:
		l.err(s, "aws_role_chain without aws_assume_role_arn", "the last role of the chain stands there")
	case chained && u.RoleDuration > longestChained:
		l.err(s, "aws_role_duration: a role that is assumed with another role's credentials lasts an hour at most", "at most 1h, or leave it out")
	case role && u.AccessKeyID != "":
		l.warn(s, "static keys and a role: the role is assumed with the keys", "DIAL's adapter would use the keys and leave the role out; remove the one that is not meant")
	case u.ExternalID != "" && u.WebIdentityTokenFile != "" && len(u.RoleChain) == 0:
		l.warn(s, "aws_external_id has no effect on a role that is assumed with a web identity", "")
	case !role && (u.ExternalID != "" || u.RoleSessionName != "" || u.RoleDuration != 0):
		l.warn(s, "aws_external_id, aws_role_session_name and aws_role_duration have no effect without aws_assume_role_arn, or AWS_ASSUME_ROLE_ARN in the environment", "")
	}
}

// checkNetwork reports what AWS's tools refuse too.
func (l *loader) checkNetwork(s spot, n Network) {
	for _, own := range []struct{ field, address string }{
		{"aws_endpoint_url_bedrock_runtime", n.Runtime}, {"aws_endpoint_url_bedrock_mantle", n.Mantle},
		{"aws_endpoint_url_bedrock", n.Control}, {"aws_endpoint_url_sts", n.STS},
	} {
		for _, variant := range []struct {
			field string
			on    *bool
		}{{"aws_use_fips_endpoint", n.FIPS}, {"aws_use_dualstack_endpoint", n.DualStack}} {
			if own.address != "" && variant.on != nil && *variant.on {
				l.err(s, own.field+" and "+variant.field+" together: an address of one's own has no variants", "remove one of the two; the address may be that of the variant")
				return
			}
		}
	}
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
	u.Region = "" // it may be anything, a secret in the wrong place too: nobody is shown it
	l.err(s, "this is not the name of an AWS region", remedy)
}

func (l *loader) roleARN(s spot, into *string) {
	l.given(s, into)
	if *into != "" && !roleARNForm.MatchString(*into) {
		l.err(s, "this is not the ARN of a role", "arn:aws:iam::<12 digits>:role/<name>")
	}
}

func (l *loader) roleChain(s spot, u *Upstream) {
	if !l.want(s, list) {
		return
	}
	u.RoleChain = nil
	for i := range s.items {
		var arn string
		if l.roleARN(s.item(i), &arn); arn != "" {
			u.RoleChain = append(u.RoleChain, arn)
		}
	}
}

// formed reads a string of a form.
func (l *loader) formed(s spot, into *string, form *regexp.Regexp, remedy string) {
	l.given(s, into)
	if *into != "" && !form.MatchString(*into) {
		l.err(s, "STS would refuse this", remedy)
	}
}

func (l *loader) sessionDuration(s spot, u *Upstream) {
	before := len(l.problems)
	l.duration(s, &u.RoleDuration)
	if len(l.problems) == before && (u.RoleDuration < shortestSession || u.RoleDuration > longestSession) {
		l.err(s, "a session of STS lasts from 15m to 12h", "")
	}
}

// origin reads the address of a host, without a path.
func (l *loader) origin(s spot, into *string) {
	l.address(s, into)
	scheme, rest, _ := strings.Cut(*into, "://")
	host := strings.TrimSuffix(rest, "/")
	if strings.ContainsAny(host, "/?#@") {
		l.err(s, "must be http(s)://host[:port], without a path", "")
		return
	}
	if *into != "" {
		*into = scheme + "://" + host
	}
}

// proxy reads the address of a proxy, or none.
func (l *loader) proxy(s spot, into *string) {
	l.given(s, into)
	scheme, host, ok := strings.Cut(*into, "://")
	if *into == "" || *into == "none" || ok && host != "" && slices.Contains([]string{"http", "https", "socks5"}, scheme) {
		if _, after, login := strings.Cut(host, "@"); login {
			l.secrets.add(strings.TrimSuffix(host, "@"+after))
		}
		return
	}
	*into = ""
	l.err(s, `must be the URL of a proxy, or "none"`, "for example http://proxy.example.com:3128")
}

// flag reads a boolean that may be left to the process.
func (l *loader) flag(s spot, into **bool) {
	var on bool
	before := len(l.problems)
	if l.boolean(s, &on); len(l.problems) == before {
		*into = &on
	}
}
