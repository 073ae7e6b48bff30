package sandbox

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

var policyARNPattern = regexp.MustCompile(`^arn:aws[a-z-]*:iam::(\d{12}|aws):policy/[\w+=,.@/-]+$`)

// managedPolicy is a policy with versions.
type managedPolicy struct {
	name, path, id, arn, description string
	created, updated                 time.Time
	versions                         []policyVersion // the oldest first
	last                             int             // number of the newest version there ever was
	aws                              bool            // AWS's own
}

// policyVersion is one version; one of them is the default.
type policyVersion struct {
	number    int
	document  policyText
	isDefault bool
	created   time.Time
}

func (v policyVersion) id() string { return "v" + strconv.Itoa(v.number) }

func (v policyVersion) members(withDocument bool) []element {
	out := []element{
		{name: "VersionId", text: v.id()}, {name: "IsDefaultVersion", text: strconv.FormatBool(v.isDefault)}, {name: "CreateDate", text: isoTime(v.created)},
	}
	if withDocument {
		out = append(out, element{name: "Document", text: uriEncode(v.document.text, false)})
	}
	return out
}

// standard is the default version; every policy has one.
func (p *managedPolicy) standard() policyVersion {
	at := slices.IndexFunc(p.versions, func(v policyVersion) bool { return v.isDefault })
	return p.versions[max(at, 0)]
}

// members describe a policy; attachments is how many have it.
func (p *managedPolicy) members(attachments int) []element {
	out := []element{
		{name: "PolicyName", text: p.name}, {name: "PolicyId", text: p.id}, {name: "Arn", text: p.arn}, {name: "Path", text: p.path},
		{name: "DefaultVersionId", text: p.standard().id()}, {name: "AttachmentCount", text: strconv.Itoa(attachments)},
		{name: "PermissionsBoundaryUsageCount", text: "0"}, {name: "IsAttachable", text: "true"},
		{name: "CreateDate", text: isoTime(p.created)}, {name: "UpdateDate", text: isoTime(p.updated)},
	}
	if p.description != "" {
		out = append(out, element{name: "Description", text: p.description})
	}
	return out
}

// attachments counts the users and roles that have a policy.
func (st *iamStore) attachments(arn string) int {
	n := 0
	for _, all := range []map[string]*iamEntity{st.users, st.roles} {
		for _, e := range all {
			if e.attached[arn] {
				n++
			}
		}
	}
	return n
}

func (st *iamStore) createPolicy(c iamCall) ([]element, *apiError) {
	name, path, refused := c.checkName("PolicyName", 128)
	if refused != nil {
		return nil, refused
	}
	own := 0
	for _, p := range st.policies {
		switch {
		case p.aws:
		case strings.EqualFold(p.name, name):
			return nil, conflict("EntityAlreadyExists", "A policy called %s already exists. Duplicate names are not allowed.", name)
		default:
			own++
		}
	}
	if own >= maxEntities {
		return nil, conflict("LimitExceeded", "Cannot exceed quota for PoliciesPerAccount: %d", maxEntities)
	}
	document, refused := managedDocument(c)
	if refused != nil {
		return nil, refused
	}
	p := &managedPolicy{
		name: name, path: path, id: "ANPA" + randomDigits(17), arn: st.arnOf("Policy", path, name), description: clip(c.form.Get("Description"), 1000),
		created: c.now, updated: c.now, last: 1, versions: []policyVersion{{number: 1, document: document, isDefault: true, created: c.now}},
	}
	st.policies[p.arn] = p
	return []element{{name: "Policy", children: p.members(0)}}, nil
}

// managedDocument reads the document of a managed policy.
func managedDocument(c iamCall) (policyText, *apiError) {
	document, refused := readPolicy("PolicyDocument", c.form.Get("PolicyDocument"), maxManagedPolicy, false)
	if refused == nil && document.size() > maxManagedPolicy {
		refused = conflict("LimitExceeded", "Cannot exceed quota for PolicySize: %d", maxManagedPolicy)
	}
	return document, refused
}

// policy finds the one that a call names.
func (st *iamStore) policy(c iamCall) (*managedPolicy, *apiError) {
	arn := c.form.Get("PolicyArn")
	if !policyARNPattern.MatchString(arn) {
		return nil, invalidInput("ARN %s is not valid.", clip(arn, 200))
	}
	if p := st.policies[arn]; p != nil {
		return p, nil
	}
	return nil, noSuch("Policy %s was not found.", arn)
}

// ownPolicy is the same for calls that change it.
func (st *iamStore) ownPolicy(c iamCall) (*managedPolicy, *apiError) {
	p, refused := st.policy(c)
	if refused == nil && p.aws {
		refused = denial(c.who, c.who.ask("iam:"+c.form.Get("Action"), p.arn), "an identity-based policy", false)
	}
	return p, refused
}

func (st *iamStore) getPolicy(c iamCall) ([]element, *apiError) {
	p, refused := st.policy(c)
	if refused != nil {
		return nil, refused
	}
	return []element{{name: "Policy", children: p.members(st.attachments(p.arn))}}, nil
}

// listPolicies lists by Scope (All, AWS, Local) and OnlyAttached.
func (st *iamStore) listPolicies(c iamCall) ([]element, *apiError) {
	scope := cmp.Or(c.form.Get("Scope"), "All")
	if !slices.Contains([]string{"All", "AWS", "Local"}, scope) {
		return nil, valueError("scope", scope, "Member must satisfy enum value set: [All, AWS, Local]")
	}
	var all []element
	for _, arn := range slices.Sorted(maps.Keys(st.policies)) {
		p, n := st.policies[arn], st.attachments(arn)
		hidden := scope == "AWS" && !p.aws || scope == "Local" && p.aws || c.form.Get("OnlyAttached") == "true" && n == 0 ||
			!strings.HasPrefix(p.path, c.form.Get("PathPrefix"))
		if !hidden {
			all = append(all, element{name: "member", children: p.members(n)})
		}
	}
	return c.page("Policies", all)
}

func (st *iamStore) deletePolicy(c iamCall) ([]element, *apiError) {
	p, refused := st.ownPolicy(c)
	switch {
	case refused != nil:
		return nil, refused
	case st.attachments(p.arn) > 0:
		return nil, conflict("DeleteConflict", "Cannot delete a policy attached to entities.")
	case len(p.versions) > 1:
		return nil, conflict("DeleteConflict", "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. "+
			"The default version is deleted with the policy.")
	}
	delete(st.policies, p.arn)
	return done()
}

func (st *iamStore) createVersion(c iamCall) ([]element, *apiError) {
	p, refused := st.ownPolicy(c)
	if refused != nil {
		return nil, refused
	}
	document, refused := managedDocument(c)
	switch {
	case refused != nil:
		return nil, refused
	case len(p.versions) >= maxVersions:
		return nil, conflict("LimitExceeded", "A managed policy can have up to %d versions. Before you create a new version, you must delete an existing version.", maxVersions)
	}
	p.last++
	p.updated = c.now
	p.versions = append(p.versions, policyVersion{number: p.last, document: document, created: c.now})
	if c.form.Get("SetAsDefault") == "true" {
		p.setDefault(len(p.versions) - 1)
	}
	return []element{{name: "PolicyVersion", children: p.versions[len(p.versions)-1].members(false)}}, nil
}

func (p *managedPolicy) setDefault(at int) {
	for i := range p.versions {
		p.versions[i].isDefault = i == at
	}
}

// version finds the one that a call names.
func (p *managedPolicy) version(c iamCall) (int, *apiError) {
	id := c.form.Get("VersionId")
	at := slices.IndexFunc(p.versions, func(v policyVersion) bool { return v.id() == id })
	if at < 0 {
		return 0, noSuch("Policy %s version %s does not exist or is not attachable.", p.arn, clip(id, 20))
	}
	return at, nil
}

func (st *iamStore) getVersion(c iamCall) ([]element, *apiError) {
	p, refused := st.policy(c)
	if refused != nil {
		return nil, refused
	}
	at, refused := p.version(c)
	if refused != nil {
		return nil, refused
	}
	return []element{{name: "PolicyVersion", children: p.versions[at].members(true)}}, nil
}

func (st *iamStore) listVersions(c iamCall) ([]element, *apiError) {
	p, refused := st.policy(c)
	if refused != nil {
		return nil, refused
	}
	var all []element
	for _, v := range slices.Backward(p.versions) {
		all = append(all, element{name: "member", children: v.members(false)})
	}
	return c.page("Versions", all)
}

func (st *iamStore) deleteVersion(c iamCall) ([]element, *apiError) {
	p, refused := st.ownPolicy(c)
	if refused != nil {
		return nil, refused
	}
	at, refused := p.version(c)
	switch {
	case refused != nil:
		return nil, refused
	case p.versions[at].isDefault:
		return nil, conflict("DeleteConflict", "Cannot delete the default version of a policy.")
	}
	p.versions = slices.Delete(p.versions, at, at+1)
	return done()
}

func (st *iamStore) setDefaultVersion(c iamCall) ([]element, *apiError) {
	p, refused := st.ownPolicy(c)
	if refused != nil {
		return nil, refused
	}
	at, refused := p.version(c)
	if refused != nil {
		return nil, refused
	}
	p.setDefault(at)
	return done()
}
