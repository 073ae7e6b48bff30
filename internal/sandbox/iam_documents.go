package sandbox

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strconv"

	"outcrop/internal/iam"
)

// syntaxFault is what IAM says where it does not say more.
const syntaxFault = "Syntax errors in policy."

func itoa(n int) string { return strconv.Itoa(n) }

// readPolicy parses a document that came in a form and judges its grammar as IAM does: trust says
// whether it is a role's trust.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
func readPolicy(member, text string, quota int, trust bool) (policyText, *apiError) {
	switch {
	case text == "":
		return policyText{}, constraintError(lowerFirst(member), "Member must not be null")
	case len(text) > quota*whiteSpaceAllowed:
		return policyText{}, conflict("LimitExceeded", "Cannot exceed quota for PolicySize: %d", quota)
	}
	parsed, err := iam.Parse([]byte(text))
	if err != nil { // what can be decoded at all is refused with the text for its fault
		parsed = looseDocument(text)
	}
	if fault := grammarFault(parsed, trust); fault != "" || err != nil {
		return policyText{}, badPolicy(cmp.Or(fault, syntaxFault))
	}
	return policyText{text: text, parsed: parsed}, nil
}

// looseDocument is what can be read of a document that is no policy.
func looseDocument(text string) (d iam.Document) {
	var raw struct {
		Version   string
		Statement json.RawMessage
	}
	if json.Unmarshal([]byte(text), &raw) != nil {
		return d
	}
	list := bytes.TrimSpace(raw.Statement)
	if len(list) > 0 && list[0] == '{' {
		list = slices.Concat([]byte("["), list, []byte("]"))
	}
	if d.Version = raw.Version; json.Unmarshal(list, &d.Statement) != nil {
		d.Statement = nil
	}
	return d
}

// grammarFault is what IAM says to a document that is JSON and no policy, "" for a policy.
func grammarFault(d iam.Document, trust bool) string {
	if d.Version != "" && d.Version != iam.PolicyVersion && d.Version != "2008-10-17" {
		return syntaxFault
	}
	if len(d.Statement) == 0 {
		return syntaxFault
	}
	sids := map[string]bool{}
	for _, st := range d.Statement {
		if st.Sid != "" && sids[st.Sid] {
			return "Statement IDs (SID) in a single policy must be unique."
		}
		sids[st.Sid] = true
		if fault := statementFault(st, trust); fault != "" {
			return fault
		}
	}
	return ""
}

func statementFault(st iam.Statement, trust bool) string {
	resources := len(st.Resource) + len(st.NotResource)
	switch {
	case st.Effect != iam.Allow && st.Effect != iam.Deny:
		return syntaxFault
	case len(st.Action)+len(st.NotAction) == 0:
		return "Policy statement must contain actions."
	case trust && resources > 0:
		return "Has prohibited field Resource."
	case trust && st.Principal == nil && st.NotPrincipal == nil:
		return "Missing required field Principal"
	case !trust && (st.Principal != nil || st.NotPrincipal != nil):
		return "Policy document should not specify a principal."
	case !trust && resources == 0:
		return "Policy statement must contain resources."
	}
	for _, a := range append(append(iam.Strings{}, st.Action...), st.NotAction...) {
		if a != "*" && !actionShape(a) {
			return "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
		}
	}
	for _, r := range append(append(iam.Strings{}, st.Resource...), st.NotResource...) {
		if r != "*" && !arnShape(r) {
			return `Resource ` + clip(r, 100) + ` must be in ARN format or "*".`
		}
	}
	return ""
}

// actionShape says whether an action names its service.
func actionShape(a string) bool {
	for i, r := range a {
		if r == ':' {
			return i > 0 && i < len(a)-1
		}
	}
	return false
}

// arnShape says whether a resource is an ARN of six parts, or begins like one and ends in a wildcard.
func arnShape(r string) bool {
	parts := 1
	for _, c := range r {
		if c == ':' {
			parts++
		}
	}
	return len(r) > 4 && r[:4] == "arn:" && (parts >= 6 || r[len(r)-1] == '*')
}
