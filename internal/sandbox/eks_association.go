package sandbox

import (
	"maps"
	"slices"
	"strings"
)

// members describe an association as DescribePodIdentityAssociation does; summary leaves out what a list has not.
func (st *eksStore) members(a *association, summary bool) map[string]any {
	out := map[string]any{
		"associationId": a.id, "clusterName": a.cluster, "namespace": a.namespace, "serviceAccount": a.serviceAccount,
		"associationArn": "arn:aws:eks:" + st.clusters[a.cluster].region() + ":" + st.account + ":podidentityassociation/" + a.cluster + "/" + a.id,
	}
	if summary {
		return out
	}
	out["roleArn"], out["createdAt"], out["modifiedAt"], out["disableSessionTags"] = a.role, a.created.Unix(), a.modified.Unix(), a.noTags
	if out["tags"] = a.tags; a.tags == nil {
		out["tags"] = map[string]any{}
	}
	if a.target != "" {
		out["targetRoleArn"], out["externalId"] = a.target, a.externalID
	}
	return out
}

// The members of a request that name a role, checked.
func (c eksCall) roleMember(name string, needed bool) (string, *apiError) {
	arn := text(c.body[name])
	switch {
	case arn == "" && needed:
		return "", eksError("InvalidParameterException", "%s is required", name)
	case arn != "" && (len(arn) > 2048 || !rolePattern.MatchString(arn)):
		return "", eksError("InvalidParameterException", "%s %s is not the ARN of a role", name, clip(arn, 200))
	}
	return arn, nil
}

func (st *eksStore) createAssociation(c eksCall) (map[string]any, *apiError) {
	cluster, refused := st.cluster(c)
	if refused != nil {
		return nil, refused
	}
	a := &association{
		id: "a-" + strings.ToLower(randomDigits(17)), cluster: cluster.Name, namespace: text(c.body["namespace"]), serviceAccount: text(c.body["serviceAccount"]),
		created: c.now, modified: c.now, tags: object(c.body["tags"]),
	}
	switch {
	case a.namespace == "" || len(a.namespace) > 63:
		return nil, eksError("InvalidParameterException", "namespace must have between 1 and 63 characters")
	case a.serviceAccount == "" || len(a.serviceAccount) > 253:
		return nil, eksError("InvalidParameterException", "serviceAccount must have between 1 and 253 characters")
	case !smallTags(a.tags):
		return nil, eksError("InvalidParameterException", "tags: up to 50, with keys up to 128 and values up to 256 characters")
	}
	if refused := a.set(c, true); refused != nil {
		return nil, refused
	}
	for _, other := range st.associations[cluster.Name] {
		if other.namespace == a.namespace && other.serviceAccount == a.serviceAccount {
			return nil, eksError("ResourceInUseException", "Association already exists: %s", other.id)
		}
	}
	if len(st.associations[cluster.Name]) >= maxAssociations {
		return nil, eksError("ResourceLimitExceededException", "The sandbox has up to %d associations for each cluster", maxAssociations)
	}
	st.associations[cluster.Name] = append(st.associations[cluster.Name], a)
	return map[string]any{"association": st.members(a, false)}, nil
}

// smallTags bounds the tags of an association.
func smallTags(tags map[string]any) bool {
	for k, v := range tags {
		if s, ok := v.(string); !ok || len(k) > 4*maxTagKey || len(s) > 4*maxTagValue {
			return false
		}
	}
	return len(tags) <= maxTags
}

// set takes the roles and the wish about tags from a call.
func (a *association) set(c eksCall, isNew bool) *apiError {
	role, refused := c.roleMember("roleArn", isNew)
	if refused != nil {
		return refused
	}
	target, refused := c.roleMember("targetRoleArn", false)
	if refused != nil {
		return refused
	}
	if role != "" {
		a.role = role
	}
	if _, ok := c.body["targetRoleArn"]; ok {
		if a.target = target; target != "" && a.externalID == "" {
			a.externalID = newRequestID()
		}
	}
	if off, ok := c.body["disableSessionTags"].(bool); ok {
		a.noTags = off
	}
	return nil
}

// listAssociations lists by namespace and serviceAccount.
func (st *eksStore) listAssociations(c eksCall) (map[string]any, *apiError) {
	cluster, refused := st.cluster(c)
	if refused != nil {
		return nil, refused
	}
	var all []any
	for _, a := range st.associations[cluster.Name] {
		namespace, account := c.query.Get("namespace"), c.query.Get("serviceAccount")
		if (namespace == "" || namespace == a.namespace) && (account == "" || account == a.serviceAccount) {
			all = append(all, st.members(a, true))
		}
	}
	return c.page("associations", all)
}

// association finds the one of the path.
func (st *eksStore) association(c eksCall) (*association, *apiError) {
	if _, refused := st.cluster(c); refused != nil {
		return nil, refused
	}
	for _, a := range st.associations[c.path[1]] {
		if a.id == c.path[3] {
			return a, nil
		}
	}
	return nil, eksError("ResourceNotFoundException", "Association not found: %s", clip(c.path[3], 100))
}

func (st *eksStore) describeAssociation(c eksCall) (map[string]any, *apiError) {
	a, refused := st.association(c)
	if refused != nil {
		return nil, refused
	}
	return map[string]any{"association": st.members(a, false)}, nil
}

func (st *eksStore) updateAssociation(c eksCall) (map[string]any, *apiError) {
	a, refused := st.association(c)
	if refused == nil {
		refused = a.set(c, false)
	}
	if refused != nil {
		return nil, refused
	}
	a.modified = c.now
	return map[string]any{"association": st.members(a, false)}, nil
}

func (st *eksStore) deleteAssociation(c eksCall) (map[string]any, *apiError) {
	a, refused := st.association(c)
	if refused != nil {
		return nil, refused
	}
	st.associations[a.cluster] = slices.DeleteFunc(st.associations[a.cluster], func(other *association) bool { return other == a })
	return map[string]any{"association": st.members(a, false)}, nil
}

// associationOf finds the role of a service account in the cluster of an issuer.
func (st *eksStore) associationOf(issuer, namespace, account string) (Cluster, association, bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(st.clusters)) {
		if st.clusters[name].Issuer != issuer {
			continue
		}
		for _, a := range st.associations[name] {
			if a.namespace == namespace && a.serviceAccount == account {
				return st.clusters[name], *a, true
			}
		}
	}
	return Cluster{}, association{}, false
}
