package sandbox

import (
	"net/http"
	"strings"

	"outcrop/internal/iam"
)

// ask is a request of this caller, with the condition keys that every request has.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
func (who identity) ask(action, resource string) iam.Request {
	keys := map[string][]string{
		"aws:principalarn": {who.principalARN()}, "aws:principalaccount": {who.Account}, "aws:userid": {who.UserID},
		"aws:principaltype": {"User"}, "aws:viaawsservice": {"false"},
	}
	if who.Region != "" {
		keys["aws:requestedregion"] = []string{who.Region}
	}
	if who.Role {
		keys["aws:principaltype"] = []string{"AssumedRole"}
	} else {
		keys["aws:username"] = []string{who.ARN[strings.LastIndex(who.ARN, "/")+1:]}
	}
	for _, t := range who.Tags {
		keys["aws:principaltag/"+strings.ToLower(t.Key)] = []string{t.Value}
	}
	return iam.Request{Principal: who.principalARN(), Action: action, Resource: resource, Context: keys}
}

// with adds a condition key to a request.
func with(ask iam.Request, key string, values ...string) iam.Request {
	ask.Context[strings.ToLower(key)] = values
	return ask
}

// principalARN is the user, or the role behind a session.
func (who identity) principalARN() string {
	if who.Role && who.RoleARN != "" {
		return who.RoleARN
	}
	return who.ARN
}

// judged says whether the caller's requests are evaluated: users and roles of the sandbox's IAM by
// their policies, everybody where a service control policy is set. The keys of the options and roles
// that IAM does not know may do everything.
func (s *Server) judged(who identity) bool {
	return s.scp != nil || s.iam.governs(who)
}

// governs says whether IAM knows the caller.
func (st *iamStore) governs(who identity) bool {
	if who.User != "" || who.RoleID != "" {
		return true
	}
	if !who.Role {
		return false
	}
	_, known := st.roleByARN(who.RoleARN)
	return known
}

// policiesOf are the documents that a governed caller has; none when the user or role is gone.
func (st *iamStore) policiesOf(who identity) []iam.Document {
	st.mu.RLock()
	defer st.mu.RUnlock()
	var e *iamEntity
	if who.User != "" {
		e = st.users[who.User]
	} else {
		e = st.roles[who.RoleARN[strings.LastIndex(who.RoleARN, "/")+1:]]
	}
	// A user or role that was made anew under an old name is another one.
	if e == nil || who.User != "" && e.id != who.UserID || who.RoleID != "" && e.id != who.RoleID {
		return nil
	}
	return onlyDocuments(st.documents(e))
}

// may judges requests in their order and gives AWS's refusal of the first that is denied.
func (s *Server) may(who identity, asks ...iam.Request) *apiError {
	var documents []iam.Document
	governed := s.iam.governs(who)
	if governed {
		documents = s.iam.policiesOf(who)
	}
	for _, ask := range asks {
		// AWS's FullAWSAccess is attached beside a policy of one's own, so only its denials count.
		if s.scp != nil && iam.Evaluate(ask, *s.scp).Denied {
			return denial(who, ask, "a service control policy", true)
		}
		if !governed {
			continue
		}
		if verdict := iam.Evaluate(ask, documents...); !verdict.Allowed {
			return denial(who, ask, "an identity-based policy", verdict.Denied)
		}
	}
	return nil
}

// denial is AWS's text for a refused request: policy is the kind that refuses, with its article.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
func denial(who identity, ask iam.Request, policy string, explicit bool) *apiError {
	text := "User: " + who.ARN + " is not authorized to perform: " + ask.Action
	if ask.Resource != "*" {
		text += " on resource: " + ask.Resource
	}
	if explicit {
		text += " with an explicit deny in " + policy
	} else {
		_, kind, _ := strings.Cut(policy, " ")
		text += " because no " + kind + " allows the " + ask.Action + " action"
	}
	return &apiError{Status: http.StatusForbidden, Type: "AccessDeniedException", BodyKey: "Message", Message: text}
}
