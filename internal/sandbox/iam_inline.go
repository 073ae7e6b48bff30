package sandbox

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// inlineQuota is the room of all inline policies of a user or role together.
func inlineQuota(kind string) int {
	if kind == "User" {
		return maxUserInline
	}
	return maxRoleInline
}

func (st *iamStore) putInline(kind string) iamHandler {
	return func(c iamCall) ([]element, *apiError) {
		e, refused := st.entity(kind, c)
		if refused != nil {
			return nil, refused
		}
		name, _, refused := c.checkName("PolicyName", 128)
		if refused != nil {
			return nil, refused
		}
		p, refused := readPolicy("PolicyDocument", c.form.Get("PolicyDocument"), inlineQuota(kind), false)
		if refused != nil {
			return nil, refused
		}
		total := p.size()
		for other, q := range e.inline {
			if other != name {
				total += q.size()
			}
		}
		if total > inlineQuota(kind) {
			return nil, conflict("LimitExceeded", "Maximum policy size of %d bytes exceeded for %s %s", inlineQuota(kind), strings.ToLower(kind), e.name)
		}
		e.inline[name] = p
		return done()
	}
}

// inlineOf finds the inline policy that a call names.
func (st *iamStore) inlineOf(kind string, c iamCall) (*iamEntity, string, *apiError) {
	e, refused := st.entity(kind, c)
	if refused != nil {
		return nil, "", refused
	}
	name := c.form.Get("PolicyName")
	if _, ok := e.inline[name]; !ok {
		return nil, "", noSuch("The %s policy with name %s cannot be found.", strings.ToLower(kind), clip(name, 128))
	}
	return e, name, nil
}

func (st *iamStore) getInline(kind string) iamHandler {
	return func(c iamCall) ([]element, *apiError) {
		e, name, refused := st.inlineOf(kind, c)
		if refused != nil {
			return nil, refused
		}
		return []element{
			{name: kind + "Name", text: e.name}, {name: "PolicyName", text: name}, {name: "PolicyDocument", text: uriEncode(e.inline[name].text, false)},
		}, nil
	}
}

func (st *iamStore) listInline(kind string) iamHandler {
	return func(c iamCall) ([]element, *apiError) {
		e, refused := st.entity(kind, c)
		if refused != nil {
			return nil, refused
		}
		var all []element
		for _, name := range slices.Sorted(maps.Keys(e.inline)) {
			all = append(all, element{name: "member", text: name})
		}
		return c.page("PolicyNames", all)
	}
}

func (st *iamStore) deleteInline(kind string) iamHandler {
	return func(c iamCall) ([]element, *apiError) {
		e, name, refused := st.inlineOf(kind, c)
		if refused != nil {
			return nil, refused
		}
		delete(e.inline, name)
		return done()
	}
}

func (st *iamStore) attach(kind string) iamHandler {
	return func(c iamCall) ([]element, *apiError) {
		e, refused := st.entity(kind, c)
		if refused != nil {
			return nil, refused
		}
		arn := c.form.Get("PolicyArn")
		switch {
		case !policyARNPattern.MatchString(arn):
			return nil, invalidInput("ARN %s is not valid.", clip(arn, 200))
		case st.policies[arn] == nil:
			return nil, noSuch("Policy %s does not exist or is not attachable.", arn)
		case !e.attached[arn] && len(e.attached) >= maxAttached:
			return nil, conflict("LimitExceeded", "Cannot exceed quota for PoliciesPer%s: %d", kind, maxAttached)
		}
		e.attached[arn] = true
		return done()
	}
}

func (st *iamStore) detach(kind string) iamHandler {
	return func(c iamCall) ([]element, *apiError) {
		e, refused := st.entity(kind, c)
		if refused != nil {
			return nil, refused
		}
		arn := c.form.Get("PolicyArn")
		if !e.attached[arn] {
			return nil, noSuch("Policy %s was not found.", clip(arn, 200))
		}
		delete(e.attached, arn)
		return done()
	}
}

func (st *iamStore) listAttached(kind string) iamHandler {
	return func(c iamCall) ([]element, *apiError) {
		e, refused := st.entity(kind, c)
		if refused != nil {
			return nil, refused
		}
		var all []element
		for _, arn := range slices.Sorted(maps.Keys(e.attached)) {
			all = append(all, element{name: "member", children: []element{{name: "PolicyName", text: st.policies[arn].name}, {name: "PolicyArn", text: arn}}})
		}
		return c.page("AttachedPolicies", all)
	}
}

// invalidInput is IAM's refusal of a value that no rule of a form catches.
func invalidInput(format string, args ...any) *apiError {
	e := stsError("InvalidInput", format, args...)
	e.Status = http.StatusBadRequest
	return e
}
