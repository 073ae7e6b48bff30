package iam

import (
	"slices"
	"strings"
)

// Request is one call as AWS judges it.
type Request struct {
	// Principal is who calls: an ARN of a user or role, a service name or an identity provider's ARN. Only
	// policies with principals look at it.
	Principal string
	Action    string // bedrock:InvokeModel
	Resource  string // ARN, or "*" for actions without resources
	// Context has the condition keys and their values; keys are compared without regard to case.
	Context map[string][]string
}

// Decision is AWS's answer.
type Decision struct {
	Allowed bool
	// Denied says that a statement denies; else nothing allows.
	Denied bool
	// Statement is the one that decided; nil when none matched.
	Statement *Statement
	// Unknown are the condition operators that this package does not know and that could have changed the
	// answer. Their statements were taken as not allowing and as denying.
	Unknown []string
}

// Evaluate judges a request by an identity's policies, or by one resource's or trust policy: a statement that
// denies wins over every one that allows, and what nothing allows is not allowed. Where AWS wants an
// identity's and a resource's policy both (across accounts, for a role's trust), evaluate each.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
func Evaluate(r Request, policies ...Document) Decision {
	var d Decision
	c := newContext(r.Context)
	var allow, deny *Statement
	for _, p := range policies {
		c.variables = p.Version == PolicyVersion
		for i := range p.Statement {
			s := &p.Statement[i]
			if !s.concerns(&r, &c) {
				continue
			}
			holds, unknown := c.holds(s.Condition)
			if holds == no {
				continue
			}
			for _, operator := range unknown {
				if !slices.Contains(d.Unknown, operator) {
					d.Unknown = append(d.Unknown, operator)
				}
			}
			switch {
			case s.Effect == Deny && deny == nil:
				deny = s
			case s.Effect == Allow && holds == yes && allow == nil:
				allow = s
			}
		}
	}
	switch {
	case deny != nil:
		d.Denied, d.Statement = true, deny
	case allow != nil:
		d.Allowed, d.Statement = true, allow
	}
	return d
}

// concerns says whether a statement is about this caller, action and resource. A statement without principals
// is an identity's, and one without resources a trust's.
func (s *Statement) concerns(r *Request, c *context) bool {
	switch {
	case s.Principal != nil && !s.Principal.is(r.Principal):
		return false
	case s.NotPrincipal != nil && s.NotPrincipal.is(r.Principal):
		return false
	case s.Action != nil && !matchesAction(s.Action, r.Action):
		return false
	case s.NotAction != nil && matchesAction(s.NotAction, r.Action):
		return false
	case s.Resource != nil && !c.matchesResource(s.Resource, r.Resource):
		return false
	case s.NotResource != nil && c.matchesResource(s.NotResource, r.Resource):
		return false
	}
	return s.Action != nil || s.NotAction != nil
}

func matchesAction(patterns Strings, action string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		return strings.EqualFold(p, action) || strings.ContainsAny(p, "*?") && glob(wild(strings.ToLower(p)), strings.ToLower(action))
	})
}

// matchesResource compares without regard to the segments of an ARN: a star at the end of a segment matches
// beyond its colon, and ids of models have colons of their own.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
func (c *context) matchesResource(patterns Strings, resource string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		pattern, ok := c.expand(p, true)
		return ok && glob(pattern, resource)
	})
}

// is says whether the principal names the caller.
func (p *Principal) is(caller string) bool {
	return p.Any || slices.Contains(p.Service, caller) || slices.Contains(p.Federated, caller) ||
		slices.ContainsFunc(p.AWS, func(one string) bool { return sameCaller(one, caller) })
}

// sameCaller compares an AWS principal with a caller: an account (its number, or the ARN of its root) is
// everybody in it, and a role is every session of the role.
func sameCaller(named, caller string) bool {
	if named == "*" {
		return strings.HasPrefix(caller, "arn:") && !strings.Contains(caller, "-provider/")
	}
	if named == caller {
		return true
	}
	have := strings.SplitN(caller, ":", 6)
	if len(have) != 6 || strings.Contains(have[5], "-provider/") {
		return false
	}
	if named == have[4] {
		return true
	}
	want := strings.SplitN(named, ":", 6)
	if len(want) != 6 || want[0] != "arn" || want[1] != have[1] || want[4] != have[4] {
		return false
	}
	if want[2] == "iam" && want[5] == "root" {
		return true
	}
	// A session's ARN is arn:aws:sts::ACCOUNT:assumed-role/NAME/SESSION: without the role's path.
	session, isSession := strings.CutPrefix(have[5], "assumed-role/")
	role, isRole := strings.CutPrefix(want[5], "role/")
	if !isSession || !isRole {
		return false
	}
	name, _, _ := strings.Cut(session, "/")
	return name == role[strings.LastIndexByte(role, '/')+1:]
}
