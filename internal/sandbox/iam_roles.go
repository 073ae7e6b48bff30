package sandbox

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

func (e *iamEntity) roleMembers() []element {
	out := []element{
		{name: "Path", text: e.path}, {name: "RoleName", text: e.name}, {name: "RoleId", text: e.id}, {name: "Arn", text: e.arn},
		{name: "CreateDate", text: isoTime(e.created)}, {name: "AssumeRolePolicyDocument", text: uriEncode(e.trust.text, false)},
		{name: "MaxSessionDuration", text: strconv.Itoa(int(e.maxSession / time.Second))},
	}
	if e.description != "" {
		out = append(out, element{name: "Description", text: e.description})
	}
	return append(out, e.tagMembers()...)
}

func (st *iamStore) createRole(c iamCall) ([]element, *apiError) {
	e, refused := st.create("Role", "AROA", c)
	if refused == nil {
		refused = st.setTrust(e, "AssumeRolePolicyDocument", c)
	}
	if refused == nil {
		refused = e.setRole(c)
	}
	if refused != nil {
		return nil, refused
	}
	st.roles[e.name] = e
	return []element{{name: "Role", children: e.roleMembers()}}, nil
}

// setRole takes the description and the longest session from a call.
func (e *iamEntity) setRole(c iamCall) *apiError {
	if e.maxSession == 0 {
		e.maxSession = time.Hour
	}
	if v := c.form.Get("MaxSessionDuration"); v != "" {
		n, err := strconv.Atoi(v)
		switch {
		case err != nil || n < 3600:
			return valueError("maxSessionDuration", v, "Member must have value greater than or equal to 3600")
		case n > 43200:
			return valueError("maxSessionDuration", v, "Member must have value less than or equal to 43200")
		}
		e.maxSession = time.Duration(n) * time.Second
	}
	if c.form.Has("Description") {
		e.description = clip(c.form.Get("Description"), 1000)
	}
	return nil
}

// setTrust takes the trust policy from a call.
func (st *iamStore) setTrust(e *iamEntity, member string, c iamCall) *apiError {
	p, refused := readPolicy(member, c.form.Get(member), maxTrustPolicy, true)
	if refused != nil {
		return refused
	}
	if p.size() > maxTrustPolicy {
		return conflict("LimitExceeded", "Cannot exceed quota for ACLSizePerRole: %d", maxTrustPolicy)
	}
	e.trust = p
	return nil
}

func (st *iamStore) updateTrust(c iamCall) ([]element, *apiError) {
	e, refused := st.entity("Role", c)
	if refused == nil {
		refused = st.setTrust(e, "PolicyDocument", c)
	}
	if refused != nil {
		return nil, refused
	}
	return done()
}

func (st *iamStore) updateRole(c iamCall) ([]element, *apiError) {
	e, refused := st.entity("Role", c)
	if refused == nil {
		refused = e.setRole(c)
	}
	return []element{}, refused
}

func (st *iamStore) getRole(c iamCall) ([]element, *apiError) {
	e, refused := st.entity("Role", c)
	if refused != nil {
		return nil, refused
	}
	return []element{{name: "Role", children: e.roleMembers()}}, nil
}

func (st *iamStore) listRoles(c iamCall) ([]element, *apiError) {
	var all []element
	for _, e := range st.sorted("Role", c) {
		all = append(all, element{name: "member", children: e.roleMembers()})
	}
	return c.page("Roles", all)
}

func (st *iamStore) deleteRole(c iamCall) ([]element, *apiError) {
	e, refused := st.entity("Role", c)
	if refused == nil {
		refused = e.removable()
	}
	if refused != nil {
		return nil, refused
	}
	delete(st.roles, e.name)
	return done()
}

// tagEntity adds tags to a user or role, or replaces their values.
func (st *iamStore) tagEntity(kind string) iamHandler {
	return func(c iamCall) ([]element, *apiError) {
		e, refused := st.entity(kind, c)
		if refused != nil {
			return nil, refused
		}
		tags, _, refused := stsCall{form: c.form}.tags()
		if refused != nil {
			return nil, refused
		}
		kept := slices.DeleteFunc(slices.Clone(e.tags), func(t sessionTag) bool { return slices.ContainsFunc(tags, t.same) })
		if len(kept)+len(tags) > maxTags {
			return nil, conflict("LimitExceeded", "The number of tags has reached the maximum limit.")
		}
		e.tags = slices.Concat(kept, tags)
		return done()
	}
}

func (st *iamStore) listTags(kind string) iamHandler {
	return func(c iamCall) ([]element, *apiError) {
		e, refused := st.entity(kind, c)
		if refused != nil {
			return nil, refused
		}
		return c.page("Tags", tagElements(e.tags))
	}
}

// roleByARN finds a role of the account. known says that the account's IAM has the name, under this
// path or another.
func (st *iamStore) roleByARN(arn string) (role iamEntity, known bool) {
	st.mu.RLock()
	defer st.mu.RUnlock()
	prefix := "arn:aws:iam::" + st.account + ":role/"
	name, ok := strings.CutPrefix(arn, prefix)
	if !ok {
		return iamEntity{}, false
	}
	e := st.roles[name[strings.LastIndex(name, "/")+1:]]
	switch {
	case e == nil:
		return iamEntity{}, false
	case e.arn != arn:
		return iamEntity{}, true
	}
	return *e, true
}
