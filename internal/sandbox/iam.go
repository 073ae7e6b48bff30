package sandbox

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// IAM speaks AWS's query protocol in a namespace of its own.
// https://docs.aws.amazon.com/IAM/latest/APIReference/welcome.html
const (
	iamNamespace = "https://iam.amazonaws.com/doc/2010-05-08/"
	iamVersion   = "2010-05-08"
)

// iamCall is one call of IAM.
type iamCall struct {
	form url.Values
	who  identity
	now  time.Time
}

// iamHandler does one call; the store is locked meanwhile.
type iamHandler func(iamCall) ([]element, *apiError)

// serveIAM answers POST / with a form whose Version is IAM's.
func (s *Server) serveIAM(w http.ResponseWriter, r *http.Request, body []byte, form url.Values) {
	id, action := w.Header().Get("X-Amzn-Requestid"), form.Get("Action")
	results, refused := s.iamAnswer(r, body, form)
	switch {
	case refused != nil && refused.Type == "":
		writeError(w, refused)
	case refused != nil:
		writeQueryError(w, iamNamespace, id, refused)
	default:
		var children []element
		if results != nil {
			children = append(children, element{name: action + "Result", children: results})
		}
		children = append(children, element{name: "ResponseMetadata", children: []element{{name: "RequestId", text: id}}})
		writeXML(w, http.StatusOK, element{name: action + `Response xmlns="` + iamNamespace + `"`, children: children})
	}
}

// iamAnswer verifies, authorises and does one call.
func (s *Server) iamAnswer(r *http.Request, body []byte, form url.Values) ([]element, *apiError) {
	who, refused := s.verifier.verify(r, body, "iam")
	if refused == nil {
		refused = s.stsRefusal(true)
	}
	if refused != nil {
		return nil, refused
	}
	action, ok := s.iam.actions()[form.Get("Action")]
	if !ok {
		return nil, stsError("InvalidAction", "Could not find operation %s for version %s; the sandbox has %v.",
			clip(form.Get("Action"), 100), iamVersion, slices.Sorted(maps.Keys(s.iam.actions())))
	}
	c := iamCall{form: form, who: who, now: s.now().UTC().Truncate(time.Second)}
	if s.judged(who) {
		if refused := s.may(who, who.ask("iam:"+form.Get("Action"), s.iam.resource(c))); refused != nil {
			return nil, refused
		}
	}
	s.iam.mu.Lock()
	defer s.iam.mu.Unlock()
	return action(c)
}

// actions is what the sandbox's IAM can do.
func (st *iamStore) actions() map[string]iamHandler {
	out := map[string]iamHandler{
		"CreateUser": st.createUser, "GetUser": st.getUser, "ListUsers": st.listUsers, "DeleteUser": st.deleteUser,
		"CreateAccessKey": st.createKey, "ListAccessKeys": st.listKeys, "UpdateAccessKey": st.updateKey, "DeleteAccessKey": st.deleteKey,
		"GetAccessKeyLastUsed": st.keyLastUsed,

		"CreateRole": st.createRole, "GetRole": st.getRole, "ListRoles": st.listRoles, "DeleteRole": st.deleteRole, "UpdateRole": st.updateRole,
		"UpdateAssumeRolePolicy": st.updateTrust, "TagRole": st.tagEntity("Role"), "ListRoleTags": st.listTags("Role"),
		"TagUser": st.tagEntity("User"), "ListUserTags": st.listTags("User"),

		"CreatePolicy": st.createPolicy, "GetPolicy": st.getPolicy, "ListPolicies": st.listPolicies, "DeletePolicy": st.deletePolicy,
		"CreatePolicyVersion": st.createVersion, "GetPolicyVersion": st.getVersion, "ListPolicyVersions": st.listVersions,
		"DeletePolicyVersion": st.deleteVersion, "SetDefaultPolicyVersion": st.setDefaultVersion,

		"CreateOpenIDConnectProvider": st.createProvider, "GetOpenIDConnectProvider": st.getProvider,
		"ListOpenIDConnectProviders": st.listProviders, "DeleteOpenIDConnectProvider": st.deleteProvider,
		"AddClientIDToOpenIDConnectProvider": st.addClientID, "RemoveClientIDFromOpenIDConnectProvider": st.removeClientID,

		"SimulatePrincipalPolicy": st.simulatePrincipal, "SimulateCustomPolicy": st.simulateCustom,
		"GetAccountSummary": st.accountSummary, "ListAccountAliases": st.listAliases,
		"ListGroupsForUser": st.listGroups,
	}
	for _, kind := range []string{"User", "Role"} {
		out["Put"+kind+"Policy"], out["Get"+kind+"Policy"] = st.putInline(kind), st.getInline(kind)
		out["List"+kind+"Policies"], out["Delete"+kind+"Policy"] = st.listInline(kind), st.deleteInline(kind)
		out["Attach"+kind+"Policy"], out["Detach"+kind+"Policy"] = st.attach(kind), st.detach(kind)
		out["ListAttached"+kind+"Policies"] = st.listAttached(kind)
	}
	return out
}

// resource is the ARN that a call of IAM is judged by.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html
func (st *iamStore) resource(c iamCall) string {
	st.mu.RLock()
	defer st.mu.RUnlock()
	action := c.form.Get("Action")
	switch action {
	case "ListUsers":
		return st.arnOf("User", "/", "")
	case "ListRoles":
		return st.arnOf("Role", "/", "")
	case "CreatePolicy":
		return st.arnOf("Policy", c.form.Get("Path"), c.form.Get("PolicyName"))
	case "CreateOpenIDConnectProvider":
		return st.providerARN(c.form.Get("Url"))
	}
	// Only the member that the action works on counts: others could be the caller's own.
	switch kind, member := iamTarget(action); {
	case kind == "User" && c.form.Get(member) == "" && c.who.User != "":
		return c.who.ARN
	case c.form.Get(member) == "":
		return "*"
	case kind == "":
		return c.form.Get(member)
	default:
		name := c.form.Get(member)
		if e, ok := st.entities(kind)[name]; ok {
			return e.arn
		}
		return st.arnOf(kind, c.form.Get("Path"), name)
	}
}

// iamTarget is the member that names what an action works on, and the kind of an entity that it names by its
// name; an ARN has none.
func iamTarget(action string) (kind, member string) {
	switch {
	case action == "SimulatePrincipalPolicy":
		return "", "PolicySourceArn"
	case strings.Contains(action, "OpenIDConnectProvider"):
		return "", "OpenIDConnectProviderArn"
	case strings.Contains(action, "Role"):
		return "Role", "RoleName"
	case strings.Contains(action, "User"), strings.Contains(action, "AccessKey"):
		return "User", "UserName"
	case strings.Contains(action, "Policy"):
		return "", "PolicyArn"
	}
	return "", ""
}

// iamPage is MaxItems and Marker over a list that is given whole.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListUsers.html
func (c iamCall) page(list string, all []element) ([]element, *apiError) {
	size, start := 100, 0
	if v := c.form.Get("MaxItems"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > 1000 {
			return nil, valueError("maxItems", v, "Member must have value between 1 and 1000")
		}
		size = n
	}
	if v := c.form.Get("Marker"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 {
			return nil, stsError("ValidationError", "Invalid Marker.")
		}
		start = min(n, len(all))
	}
	end := min(start+size, len(all))
	out := []element{{name: list, children: all[start:end]}, {name: "IsTruncated", text: strconv.FormatBool(end < len(all))}}
	if end < len(all) {
		out = append(out, element{name: "Marker", text: strconv.Itoa(end)})
	}
	return out, nil
}

// done is the result of an action without one.
func done() ([]element, *apiError) { return nil, nil }

// noSuch and taken are IAM's two commonest refusals.
func noSuch(format string, args ...any) *apiError {
	e := stsError("NoSuchEntity", format, args...)
	e.Status = http.StatusNotFound
	return e
}

// conflict is one of IAM's refusals with status 409: EntityAlreadyExists, LimitExceeded, DeleteConflict.
func conflict(code, format string, args ...any) *apiError {
	e := stsError(code, format, args...)
	e.Status = http.StatusConflict
	return e
}
