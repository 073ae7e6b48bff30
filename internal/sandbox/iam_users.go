package sandbox

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// userKey is a key that CreateAccessKey gave.
type userKey struct {
	user       *iamEntity
	credential Credential
	active     bool
	created    time.Time

	used            time.Time // zero: never
	service, region string
}

func (e *iamEntity) userMembers() []element {
	return append([]element{
		{name: "Path", text: e.path}, {name: "UserName", text: e.name}, {name: "UserId", text: e.id},
		{name: "Arn", text: e.arn}, {name: "CreateDate", text: isoTime(e.created)},
	}, e.tagMembers()...)
}

// tagMembers is the list of tags, where there are any.
func (e *iamEntity) tagMembers() []element {
	if len(e.tags) == 0 {
		return nil
	}
	return []element{{name: "Tags", children: tagElements(e.tags)}}
}

func tagElements(tags []sessionTag) []element {
	var out []element
	for _, t := range tags {
		out = append(out, element{name: "member", children: []element{{name: "Key", text: t.Key}, {name: "Value", text: t.Value}}})
	}
	return out
}

func (st *iamStore) createUser(c iamCall) ([]element, *apiError) {
	e, refused := st.create("User", "AIDA", c)
	if refused != nil {
		return nil, refused
	}
	st.users[e.name] = e
	return []element{{name: "User", children: e.userMembers()}}, nil
}

// getUser tells of a user, by default of the caller.
func (st *iamStore) getUser(c iamCall) ([]element, *apiError) {
	if c.form.Get("UserName") == "" {
		if e := st.users[c.who.User]; e != nil {
			return []element{{name: "User", children: e.userMembers()}}, nil
		}
		if c.who.Role {
			return nil, stsError("ValidationError", "Must specify userName when calling with non-User credentials")
		}
		name := c.who.ARN[strings.LastIndex(c.who.ARN, "/")+1:]
		e := iamEntity{path: "/", name: name, id: c.who.UserID, arn: c.who.ARN, created: c.now}
		return []element{{name: "User", children: e.userMembers()}}, nil
	}
	e, refused := st.entity("User", c)
	if refused != nil {
		return nil, refused
	}
	return []element{{name: "User", children: e.userMembers()}}, nil
}

// sorted are the users or roles by name, those below PathPrefix only.
func (st *iamStore) sorted(kind string, c iamCall) []*iamEntity {
	var out []*iamEntity
	for _, e := range st.entities(kind) {
		if strings.HasPrefix(e.path, c.form.Get("PathPrefix")) {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b *iamEntity) int { return cmp.Compare(a.name, b.name) })
	return out
}

func (st *iamStore) listUsers(c iamCall) ([]element, *apiError) {
	var all []element
	for _, e := range st.sorted("User", c) {
		all = append(all, element{name: "member", children: e.userMembers()})
	}
	return c.page("Users", all)
}

func (st *iamStore) deleteUser(c iamCall) ([]element, *apiError) {
	e, refused := st.entity("User", c)
	switch {
	case refused != nil:
		return nil, refused
	case len(st.keysOf(e)) > 0:
		return nil, conflict("DeleteConflict", "Cannot delete entity, must delete access keys first.")
	}
	if refused := e.removable(); refused != nil {
		return nil, refused
	}
	delete(st.users, e.name)
	return done()
}

// keysOf are a user's keys, the oldest first.
func (st *iamStore) keysOf(e *iamEntity) []*userKey {
	keys := slices.Collect(maps.Values(st.keys))
	keys = slices.DeleteFunc(keys, func(k *userKey) bool { return k.user != e })
	slices.SortFunc(keys, func(a, b *userKey) int {
		return cmp.Or(a.created.Compare(b.created), cmp.Compare(a.credential.AccessKeyID, b.credential.AccessKeyID))
	})
	return keys
}

// userOf is the user that a call names, else the caller.
func (st *iamStore) userOf(c iamCall) (*iamEntity, *apiError) {
	if c.form.Get("UserName") == "" {
		if e := st.users[c.who.User]; e != nil {
			return e, nil
		}
		return nil, stsError("ValidationError", "Must specify userName when calling with non-User credentials")
	}
	return st.entity("User", c)
}

func (st *iamStore) createKey(c iamCall) ([]element, *apiError) {
	e, refused := st.userOf(c)
	switch {
	case refused != nil:
		return nil, refused
	case len(st.keysOf(e)) >= maxKeysPerUser:
		return nil, conflict("LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: %d", maxKeysPerUser)
	}
	k := &userKey{
		user: e, active: true, created: c.now,
		credential: Credential{AccessKeyID: "AKIA" + randomDigits(16), SecretAccessKey: randomDigits(20) + strings.ToLower(randomDigits(20))},
	}
	st.keys[k.credential.AccessKeyID] = k
	return []element{{name: "AccessKey", children: append(k.members(), element{name: "SecretAccessKey", text: k.credential.SecretAccessKey})}}, nil
}

func (k *userKey) members() []element {
	status := "Active"
	if !k.active {
		status = "Inactive"
	}
	return []element{
		{name: "UserName", text: k.user.name}, {name: "AccessKeyId", text: k.credential.AccessKeyID},
		{name: "Status", text: status}, {name: "CreateDate", text: isoTime(k.created)},
	}
}

func (st *iamStore) listKeys(c iamCall) ([]element, *apiError) {
	e, refused := st.userOf(c)
	if refused != nil {
		return nil, refused
	}
	var all []element
	for _, k := range st.keysOf(e) {
		all = append(all, element{name: "member", children: k.members()})
	}
	return c.page("AccessKeyMetadata", all)
}

// key is the key that a call names, of the user that it names, if it does.
func (st *iamStore) key(c iamCall) (*userKey, *apiError) {
	id := c.form.Get("AccessKeyId")
	k, name := st.keys[id], c.form.Get("UserName")
	if k == nil || name != "" && k.user.name != name {
		return nil, noSuch("The Access Key with id %s cannot be found.", clip(id, 128))
	}
	return k, nil
}

func (st *iamStore) updateKey(c iamCall) ([]element, *apiError) {
	k, refused := st.key(c)
	if refused != nil {
		return nil, refused
	}
	switch status := c.form.Get("Status"); status {
	case "Active", "Inactive":
		k.active = status == "Active"
	default:
		return nil, valueError("status", status, "Member must satisfy enum value set: [Active, Inactive]")
	}
	return done()
}

func (st *iamStore) deleteKey(c iamCall) ([]element, *apiError) {
	k, refused := st.key(c)
	if refused != nil {
		return nil, refused
	}
	delete(st.keys, k.credential.AccessKeyID)
	return done()
}

func (st *iamStore) keyLastUsed(c iamCall) ([]element, *apiError) {
	k, refused := st.key(c)
	if refused != nil {
		return nil, refused
	}
	used := []element{{name: "Region", text: "N/A"}, {name: "ServiceName", text: "N/A"}}
	if !k.used.IsZero() {
		used = []element{{name: "Region", text: k.region}, {name: "LastUsedDate", text: isoTime(k.used)}, {name: "ServiceName", text: k.service}}
	}
	return []element{{name: "UserName", text: k.user.name}, {name: "AccessKeyLastUsed", children: used}}, nil
}

// lookUp returns the owner and the secret of an active key; false when there is none.
func (st *iamStore) lookUp(keyID string) (identity, string, bool) {
	st.mu.RLock()
	defer st.mu.RUnlock()
	k := st.keys[keyID]
	if k == nil || !k.active {
		return identity{}, "", false
	}
	return identity{Account: st.account, ARN: k.user.arn, UserID: k.user.id, Key: keyID, User: k.user.name, Tags: k.user.tags}, k.credential.SecretAccessKey, true
}

// touch notes that a key was used.
func (st *iamStore) touch(keyID, service, region string, now time.Time) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if k := st.keys[keyID]; k != nil {
		k.used, k.service, k.region = now, service, region
	}
}
