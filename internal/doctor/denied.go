package doctor

import (
	"strings"

	"outcrop/internal/bedrock"
	"outcrop/internal/iam"
)

// allow is a statement.
func allow(action, resource string) []iam.Statement {
	if resource == "" {
		resource = "*"
	}
	return []iam.Statement{{Effect: iam.Allow, Action: iam.Strings{action}, Resource: iam.Strings{resource}}}
}

// invoking are the two actions that go together.
func invoking() iam.Strings {
	return iam.Strings{"bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"}
}

// denied explains an AccessDenied that names what was denied; false for another answer.
func (e *Env) denied(m *Model, r bedrock.Refusal) (Finding, bool) {
	d, ok := parseDenial(r.Message)
	if !ok || strings.Contains(r.Message, "aws-marketplace") {
		return Finding{}, false
	}
	f := Finding{Severity: Error, Subject: m.Deployment, In: "the policy of " + roleOf(d.principal)}
	elsewhere := d.isModel() && d.region() != m.Upstream.Region
	what := d.action + " on " + d.resource
	if elsewhere {
		what += ", " + m.whose(d)
	}
	f.Statements = m.statements(d)
	switch {
	case d.policy == "service control" || d.policy == "resource control":
		f.Code, f.Message, f.Statements, f.In = "PERM-002", "the organization's "+d.policy+" policy refuses "+what, nil, ""
		action := d.action
		if strings.HasPrefix(action, invoking()[0]) {
			action = invoking()[0] + "*"
		}
		f.Remedy = "ask who administers the organization to except " + action + " from the policy" + scpRegion(d, elsewhere)
	case d.policy == "permissions boundary":
		f.Code, f.Message, f.In = "PERM-003", "the permissions boundary refuses "+what, "the permissions boundary of "+roleOf(d.principal)
		f.Remedy = "add the statement to the boundary; it has to be in the policy as well"
	case d.policy == "session":
		f.Code, f.Message, f.In = "PERM-005", "the policy of the session refuses "+what, "the session's policy"
		f.Remedy = "add the statement to the policy that is given when the role is assumed, or in the Pod Identity association"
	case d.explicit:
		f.Code, f.Message, f.Statements, f.In = "PERM-004", "a Deny refuses "+what+" "+d.why, nil, ""
		f.Remedy = "find the statement and narrow it: outcrop aws policy --diff shows what the role has"
	case elsewhere:
		f.Code, f.Message = "PERM-006", "no policy allows "+what
		f.Remedy = "add the statement; outcrop aws policy prints it for every destination region"
	default:
		f.Code, f.Message, f.Remedy = "PERM-001", "no policy allows "+what, "add the statement; outcrop aws policy prints the whole policy"
	}
	return f, true
}

// whose says why another region than the upstream's is asked.
func (m *Model) whose(d denial) string {
	if d.region() == "" {
		return "the model without a region, as which the global profile " + m.ID + " asks for it (aws:RequestedRegion is \"unspecified\")"
	}
	return "in a region to which the profile " + m.ID + " sends calls from " + m.Upstream.Region
}

// scpRegion names the key that such policies look at.
func scpRegion(d denial, elsewhere bool) string {
	switch {
	case !elsewhere:
		return ""
	case d.region() == "":
		return `: its condition on aws:RequestedRegion has to let "unspecified" pass; or use a profile of one geography`
	}
	return ": its condition on aws:RequestedRegion has to let " + d.region() + " pass; or use a profile whose regions are all allowed"
}

// statements are what to add for a denial.
func (m *Model) statements(d denial) []iam.Statement {
	s := allow(d.action, d.resource)
	if !strings.HasPrefix(d.action, "bedrock:InvokeModel") {
		return s
	}
	s[0].Action = invoking()
	if geoOf(m.ID) == "" || !d.isModel() {
		return s
	}
	equals := map[string]iam.Strings{"bedrock:InferenceProfileArn": {m.profileARN(account(d.principal))}}
	if d.region() == "" {
		equals["aws:RequestedRegion"] = iam.Strings{"unspecified"}
	}
	s[0].Condition = iam.Condition{"StringEquals": equals}
	return s
}

// profileARN is the ARN of the model's profile, as an account sees it.
func (m *Model) profileARN(of string) string {
	if strings.HasPrefix(m.ID, "arn:") {
		return m.ID
	}
	return "arn:" + iam.Partition(m.Upstream.Region) + ":bedrock:" + m.Upstream.Region + ":" + of + ":inference-profile/" + m.ID
}
