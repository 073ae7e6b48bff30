package helm

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"outcrop/internal/bedrock"
)

// setting is a variable of the environment and where it comes from.
type setting struct {
	name  string
	value *node // nil when a Secret or ConfigMap has it
	at    place
	path  string
	from  string // env, extraEnvVars or secrets
}

// settings are the variables of the component by name.
func (c component) settings() []setting {
	var out []setting
	for _, from := range []string{"env", "secrets"} {
		if n := c.node.get(from); n != nil {
			for _, m := range n.members {
				out = append(out, setting{m.name, m.value, m.at, join(c.path(from), m.name), from})
			}
		}
	}
	for i, item := range c.node.get("extraEnvVars").list() {
		path := fmt.Sprintf("%s[%d]", c.path("extraEnvVars"), i)
		out = append(out, setting{item.get("name").text(), item.get("value"), item.at, path, "extraEnvVars"})
	}
	return out
}

func named(all []setting, names ...string) (out []setting) {
	for _, s := range all {
		if slices.Contains(names, s.name) {
			out = append(out, s)
		}
	}
	return out
}

// isDynamic says that the text is not what the pod will see.
func isDynamic(value string) bool {
	return strings.Contains(value, "{{") || placeholderForm.MatchString(value)
}

// aws checks how the adapter comes to its region and credentials.
func (l *linter) aws(c component) {
	all := c.settings()
	l.region(c, all)
	l.credentials(c, all)
	for _, s := range named(all, "AWS_ROLE_ARN") {
		if len(named(all, "AWS_WEB_IDENTITY_TOKEN_FILE")) == 0 {
			l.at(s.at, Error, roleNowhere, s.path, "AWS_ROLE_ARN without AWS_WEB_IDENTITY_TOKEN_FILE is ignored, and the pod takes the node's own role", "delete it and annotate the service account: serviceAccount.annotations[\""+roleAnnotation+"\"]")
		}
	}
	if m := c.node.get("podAnnotations").member(roleAnnotation); m != nil {
		l.at(m.at, Error, roleNowhere, join(c.path("podAnnotations"), m.name), "the role is an annotation of the pod, where EKS does not look: the pod takes the node's own role", "move it to serviceAccount.annotations")
	}
	for _, s := range named(all, "AWS_ASSUME_ROLE_ARN") {
		if s.value != nil {
			l.role(s.value, s.path)
		}
	}
}

func (l *linter) region(c component, all []setting) {
	regions := named(all, "AWS_REGION", "AWS_DEFAULT_REGION", "DEFAULT_REGION")
	if r := c.node.find("aws", "region"); c.ours && r.text() != "" {
		regions = append(regions, setting{"aws.region", r, r.at, "aws.region", "env"})
	}
	if len(regions) == 0 {
		l.noRegion(c)
		return
	}
	irsa := c.node.find("serviceAccount", "annotations", roleAnnotation) != nil
	for _, s := range regions {
		l.regionValue(s)
		if s.from == "secrets" {
			severity, eks := Warning, "on EKS"
			if irsa {
				severity, eks = Error, "with a role for the service account, as here,"
			}
			l.at(s.at, severity, regionInSecrets, s.path, "the region is no secret, and from one it does not count everywhere: "+eks+" EKS puts the cluster's region into the pod, unless env has one", "move it to env, as AWS_REGION and AWS_DEFAULT_REGION")
		}
		if s.name == "DEFAULT_REGION" {
			l.at(s.at, Warning, regionName, s.path, "DEFAULT_REGION is deprecated in DIAL's adapter, and AWS's own tools do not read it", "write AWS_REGION and AWS_DEFAULT_REGION with the same value")
		}
	}
	l.regionNames(c, regions)
	l.regionsAgree(regions)
}

func (l *linter) noRegion(c component) {
	if l.partial {
		return
	}
	for _, from := range []string{"extraEnvVarsSecret", "extraEnvVarsCM"} {
		if n := c.node.get(from); n.text() != "" {
			l.at(n.at, Warning, noRegion, c.path("env"), "no region is in these values. If it is in what "+from+" names, EKS may override it by the cluster's", "write AWS_REGION and AWS_DEFAULT_REGION into env")
			return
		}
	}
	what, add := "DIAL's adapter does not start without one, or takes the cluster's", "add to env: AWS_REGION and AWS_DEFAULT_REGION, both with the region in quotes"
	if c.ours {
		what, add = "requests fail, or go to the cluster's region", "add aws.region"
	}
	l.at(c.at, Error, noRegion, c.path("env"), "no region of AWS: "+what, add)
}

func (l *linter) regionValue(s setting) {
	if s.value == nil || s.value.kind != text || isDynamic(s.value.value) {
		return
	}
	if !bedrock.IsRegion(s.value.value) {
		l.at(s.value.at, Error, regionWrong, s.path, "this is not the name of a region", `write one as "us-east-1", without a zone's letter`)
	}
}

// regionNames: boto3 reads AWS_DEFAULT_REGION only, DIAL's adapter DEFAULT_REGION before it.
func (l *linter) regionNames(c component, regions []setting) {
	if !c.outcrop() && len(named(regions, "AWS_DEFAULT_REGION", "DEFAULT_REGION")) == 0 {
		s := regions[0]
		l.at(s.at, Error, regionName, s.path, "DIAL's adapter is a Python program, and AWS's SDK for Python does not read AWS_REGION", "add AWS_DEFAULT_REGION with the same value")
	}
}

func (l *linter) regionsAgree(regions []setting) {
	first := regions[0]
	for _, s := range regions[1:] {
		if first.value == nil || s.value == nil || isDynamic(first.value.text()+s.value.text()) {
			continue
		}
		if first.value.text() != s.value.text() {
			l.at(s.value.at, Error, regionWrong, s.path, fmt.Sprintf("this is another region than %s has (line %d): each program takes the one that it knows", first.name, first.at.line), "give them the same value; another region for one model is upstreams[].extraData.region")
		}
	}
}

func (l *linter) credentials(c component, all []setting) {
	for _, s := range named(all, "AWS_ACCESS_KEY", "AWS_SECRET_KEY") {
		severity, who := Error, "DIAL's adapter (boto3) ignores this name, and has no credentials"
		if c.outcrop() {
			severity, who = Warning, "AWS's SDK for Go knows this name, boto3 and the AWS command line do not"
		}
		remedy := "write AWS_ACCESS_KEY_ID"
		if s.name == "AWS_SECRET_KEY" {
			remedy = "write AWS_SECRET_ACCESS_KEY"
		}
		l.at(s.at, severity, keyAlias, s.path, who, remedy)
	}
	keys := named(all, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_BEARER_TOKEN_BEDROCK", "AWS_ACCESS_KEY", "AWS_SECRET_KEY")
	for _, s := range keys {
		switch {
		case s.value == nil || s.from == "extraEnvVars" && s.value.kind == null:
		case s.value.kind == text && s.value.value == "":
			l.at(s.at, Error, keyEmpty, s.path, "an empty credential: it is set, and worth nothing", "delete the line, and "+c.secretRemedy())
		case s.value.kind == text && isDynamic(s.value.value):
			l.at(s.at, Warning, secretsMap, s.path, "what replaces this becomes a part of the values, which Helm keeps in its release record", c.secretRemedy())
		case s.value.kind == text && !secretForm.MatchString(s.value.value):
			l.at(s.at, Error, secretInValues, s.path, "a credential stands in values: it is in the file, in Helm's release record and wherever they are copied to", c.secretRemedy())
		}
	}
	l.oneSource(c, keys)
}

// secretRemedy is how a credential gets into the pod.
func (c component) secretRemedy() string {
	const create = "kubectl create secret generic bedrock-aws --from-literal=AWS_ACCESS_KEY_ID=… --from-literal=AWS_SECRET_ACCESS_KEY=…"
	if c.ours {
		return "keep it in a Secret (" + create + ") and write `aws.existingSecret: bedrock-aws`"
	}
	return "keep it in a Secret (" + create + ") and write `extraEnvVarsSecret: bedrock-aws`"
}

// oneSource: of several credentials the SDK takes static keys.
// https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
func (l *linter) oneSource(c component, keys []setting) {
	role := c.node.find("serviceAccount", "annotations").member(roleAnnotation)
	if c.ours && c.node.find("aws", "roleArn").text() != "" {
		role = c.node.get("aws").member("roleArn")
	}
	path := join(join(c.path("serviceAccount"), "annotations"), roleAnnotation)
	if role != nil && role.name != roleAnnotation {
		path = "aws.roleArn"
	}
	static := named(keys, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
	existing := c.ours && c.node.find("aws", "existingSecret").text() != ""
	if role != nil && (len(static) > 0 || existing) {
		l.at(role.at, Warning, keysAndRole, path, "the pod has access keys and a role: the keys win, and the role is never used", "delete one of the two; the role needs no secret")
	}
	for name, when := range map[string]string{"AWS_ACCESS_KEY_ID": "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY": "AWS_ACCESS_KEY_ID"} {
		if has := named(keys, name); len(has) > 0 && len(named(keys, when)) == 0 && c.node.get("extraEnvVarsSecret").text() == "" {
			l.at(has[0].at, Error, keyEmpty, has[0].path, "half a pair of keys: "+when+" is missing", c.secretRemedy())
		}
	}
}

// secretForm is what gives itself away: ids of access keys, Bedrock API keys, private keys.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
var (
	secretForm      = regexp.MustCompile(`\b(AKIA|ASIA)[A-Z2-7]{16}\b|\bbedrock-api-key-[A-Za-z0-9+/=]{20,}|\bABSK[A-Za-z0-9+/=]{40,}|-----BEGIN [A-Z ]*PRIVATE KEY-----`)
	secretMember    = regexp.MustCompile(`"(aws_secret_access_key|aws_session_token|aws_access_key_id)"\s*:\s*"[^"%{]{8,}"`)
	placeholderForm = regexp.MustCompile(`%%[A-Za-z0-9_.-]+%%|<[a-zA-Z][a-zA-Z0-9 _-]*>|\b(CHANGE_?ME|REPLACE_?ME|changeme|youReallyNeedToChangeThis)\b`)
)

// everywhere looks at every text of the values.
func (l *linter) everywhere(root *node) {
	left := map[string]*placeholders{}
	root.each("", func(path, _ string, n *node) {
		if n.kind != text {
			return
		}
		for _, form := range []*regexp.Regexp{secretForm, secretMember} {
			if at := form.FindStringIndex(n.value); at != nil {
				l.at(n.offset(at[0]), Error, secretInValues, path, "a key or token stands in values: it is in the file, in Helm's release record and wherever they are copied to", "withdraw it at AWS, make a new one, keep it in a Secret, and name that (extraEnvVarsSecret; in Outcrop's chart aws.existingSecret or aws.apiKey.existingSecret)")
			}
		}
		for _, at := range placeholderForm.FindAllStringIndex(n.value, -1) {
			if n.value[at[0]] == '<' && (at[0] != 0 || at[1] != len(n.value)) {
				continue
			}
			if left[n.at.file] == nil {
				left[n.at.file] = &placeholders{at: n.offset(at[0]), path: path}
			}
			left[n.at.file].add(n.value[at[0]:at[1]], n.offset(at[0]).line)
		}
	})
	for _, p := range left {
		l.at(p.at, Warning, placeholder, p.path, fmt.Sprintf("%s left to replace: %s", count(len(p.names), "placeholder"), strings.Join(p.names, ", ")), "write what they stand for")
	}
}

// placeholders are those of one file, each with its first line.
type placeholders struct {
	at    place
	path  string
	names []string
}

func (p *placeholders) add(name string, line int) {
	if !slices.ContainsFunc(p.names, func(n string) bool { return strings.HasPrefix(n, name+" ") }) {
		p.names = append(p.names, fmt.Sprintf("%s (line %d)", name, line))
	}
}

// offset is the place of a byte of the text.
func (n *node) offset(i int) place {
	before := n.value[:i]
	return n.inside(1+strings.Count(before, "\n"), 1+len([]rune(before[strings.LastIndexByte(before, '\n')+1:])))
}
