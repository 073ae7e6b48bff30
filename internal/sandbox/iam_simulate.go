package sandbox

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"outcrop/internal/iam"
)

// Bounds of a simulation, so that one call stays small.
const (
	maxSimulatedActions   = 100
	maxSimulatedResources = 100
	maxSimulatedKeys      = 100
)

// simulatePrincipal judges actions by the policies of a user or role of the account.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
func (st *iamStore) simulatePrincipal(c iamCall) ([]element, *apiError) {
	arn := c.form.Get("PolicySourceArn")
	for _, kind := range []string{"User", "Role"} {
		for _, e := range st.entities(kind) {
			if e.arn == arn {
				return st.simulate(c, st.documents(e))
			}
		}
	}
	if !strings.HasPrefix(arn, "arn:") {
		return nil, invalidInput("Invalid Entity Arn: %s does not clearly define entity type and name.", clip(arn, 200))
	}
	return nil, noSuch("Entity %s cannot be found.", clip(arn, 200))
}

// simulateCustom judges by the policies of the call alone.
func (st *iamStore) simulateCustom(c iamCall) ([]element, *apiError) { return st.simulate(c, nil) }

func (st *iamStore) simulate(c iamCall, policies []namedPolicy) ([]element, *apiError) {
	for i, text := range members(c.form, "PolicyInputList") {
		p, refused := readPolicy("PolicyInputList", text, maxManagedPolicy, false)
		if refused != nil {
			return nil, invalidInput("%s", refused.Message)
		}
		policies = append(policies, namedPolicy{id: "PolicyInputList." + strconv.Itoa(i+1), document: p.parsed})
	}
	actions, resources := members(c.form, "ActionNames"), members(c.form, "ResourceArns")
	if len(resources) == 0 {
		resources = []string{"*"}
	}
	context, refused := c.contextEntries()
	switch {
	case refused != nil:
		return nil, refused
	case len(actions) == 0:
		return nil, constraintError("actionNames", "Member must not be null")
	case len(actions) > maxSimulatedActions || len(resources) > maxSimulatedResources:
		return nil, invalidInput("The sandbox simulates up to %d actions on up to %d resources in one call.", maxSimulatedActions, maxSimulatedResources)
	}
	var all []element
	for _, action := range actions {
		if !actionShape(action) {
			return nil, invalidInput("Invalid Action: %s", clip(action, 100))
		}
		for _, resource := range resources {
			all = append(all, element{name: "member", children: simulated(iam.Request{Action: action, Resource: resource, Context: context}, policies)})
		}
	}
	return c.page("EvaluationResults", all)
}

// simulated is one EvaluationResult.
func simulated(ask iam.Request, policies []namedPolicy) []element {
	decision, matched := "implicitDeny", []element(nil)
	verdict := iam.Evaluate(ask, onlyDocuments(policies)...)
	switch {
	case verdict.Allowed:
		decision = "allowed"
	case verdict.Denied:
		decision = "explicitDeny"
	}
	for _, p := range policies {
		alone := iam.Evaluate(ask, p.document)
		if alone.Statement != nil && alone.Allowed == verdict.Allowed && alone.Denied == verdict.Denied {
			matched = append(matched, element{name: "member", children: []element{{name: "SourcePolicyId", text: p.id}, {name: "SourcePolicyType", text: "IAM Policy"}}})
		}
	}
	var missing []string
	for _, p := range policies {
		for _, st := range p.document.Statement {
			missing = append(missing, missingKeys(st, ask)...)
		}
	}
	slices.Sort(missing)
	return []element{
		{name: "EvalActionName", text: ask.Action}, {name: "EvalResourceName", text: ask.Resource}, {name: "EvalDecision", text: decision},
		{name: "MatchedStatements", children: matched}, {name: "MissingContextValues", children: textMembers(slices.Compact(missing))},
	}
}

// missingKeys are the condition keys of a statement that would match but for them.
func missingKeys(st iam.Statement, ask iam.Request) (out []string) {
	plain := st
	plain.Condition, plain.Effect = nil, iam.Allow
	if !iam.Evaluate(ask, iam.Document{Version: iam.PolicyVersion, Statement: []iam.Statement{plain}}).Allowed {
		return nil
	}
	for _, keys := range st.Condition {
		for key := range maps.Keys(keys) {
			if _, ok := ask.Context[strings.ToLower(key)]; !ok {
				out = append(out, key)
			}
		}
	}
	return out
}

// contextEntries reads ContextEntries.member.N.
func (c iamCall) contextEntries() (map[string][]string, *apiError) {
	out := map[string][]string{}
	for i := 1; c.form.Has(memberName("ContextEntries", i, ".ContextKeyName")); i++ {
		if i > maxSimulatedKeys {
			return nil, invalidInput("The sandbox takes up to %d context entries.", maxSimulatedKeys)
		}
		name := strings.ToLower(c.form.Get(memberName("ContextEntries", i, ".ContextKeyName")))
		out[name] = append(out[name], members(c.form, memberName("ContextEntries", i, ".ContextKeyValues"))...)
	}
	return out, nil
}

func (st *iamStore) accountSummary(iamCall) ([]element, *apiError) {
	own := 0
	for _, p := range st.policies {
		if !p.aws {
			own++
		}
	}
	var entries []element
	for _, n := range []struct {
		key   string
		value int
	}{
		{"Users", len(st.users)}, {"UsersQuota", maxEntities}, {"Roles", len(st.roles)}, {"RolesQuota", maxEntities},
		{"Policies", own}, {"PoliciesQuota", maxEntities}, {"Providers", len(st.providers)}, {"PolicySizeQuota", maxManagedPolicy},
		{"UserPolicySizeQuota", maxUserInline}, {"RolePolicySizeQuota", maxRoleInline}, {"AssumeRolePolicySizeQuota", maxTrustPolicy},
		{"AccessKeysPerUserQuota", maxKeysPerUser}, {"VersionsPerPolicyQuota", maxVersions}, {"AttachedPoliciesPerRoleQuota", maxAttached},
		{"AttachedPoliciesPerUserQuota", maxAttached}, {"AccountMFAEnabled", 1}, {"AccountAccessKeysPresent", 0},
	} {
		entries = append(entries, element{name: "entry", children: []element{{name: "key", text: n.key}, {name: "value", text: strconv.Itoa(n.value)}}})
	}
	return []element{{name: "SummaryMap", children: entries}}, nil
}

func (st *iamStore) listAliases(c iamCall) ([]element, *apiError) {
	return c.page("AccountAliases", nil)
}

// listGroups finds none: the sandbox has no groups.
func (st *iamStore) listGroups(c iamCall) ([]element, *apiError) {
	if _, refused := st.entity("User", c); refused != nil {
		return nil, refused
	}
	return c.page("Groups", nil)
}
