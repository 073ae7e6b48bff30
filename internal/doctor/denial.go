package doctor

import (
	"regexp"
	"strings"
)

// denial is AWS's AccessDenied text, taken apart.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
type denial struct {
	principal, action, resource string
	explicit                    bool   // a Deny, not a missing Allow
	policy                      string // identity-based, service control, resource control, permissions boundary, session, resource-based, VPC endpoint; "" untold
	why                         string // AWS's words of it
}

var (
	denialForm = regexp.MustCompile(`(?:User: )?(\S+) is not authorized to perform: ([\w-]+:\w+)(?: on resource: (\S+))?(.*)$`)
	policyForm = regexp.MustCompile(`(?i)(identity-based|service control|resource control|session|resource-based|VPC endpoint) polic|(permissions boundary)`)
)

// parseDenial reads a text; false for one of another form.
func parseDenial(text string) (denial, bool) {
	m := denialForm.FindStringSubmatch(text)
	if m == nil {
		return denial{}, false
	}
	d := denial{principal: m[1], action: m[2], resource: strings.Trim(strings.TrimRight(m[3], ".,"), `"`), why: strings.Trim(m[4], " .")}
	d.explicit = strings.Contains(d.why, "explicit deny")
	if p := policyForm.FindStringSubmatch(d.why); p != nil {
		d.policy = strings.ToLower(p[1] + p[2])
	}
	return d, true
}

// region is that of the resource; "" for a model's ARN without one, as global profiles ask for.
func (d denial) region() string {
	if parts := strings.SplitN(d.resource, ":", 6); len(parts) == 6 {
		return parts[3]
	}
	return ""
}

// isModel says whether the resource is a foundation model.
func (d denial) isModel() bool { return strings.Contains(d.resource, ":foundation-model/") }
