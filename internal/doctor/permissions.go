package doctor

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"outcrop/internal/bedrock"
	"outcrop/internal/iam"
	"outcrop/internal/models"
)

// need is one call that a deployment makes, as IAM judges it.
type need struct {
	iam.Request
	deployment string
	code       string   // of the finding when it is not allowed
	severity   Severity // of that
	why        string
	statement  iam.Statement
}

// needs are those of a deployment: what it cannot do without first.
func (m *Model) needs(caller string) []need {
	if m.Model == nil {
		return nil
	}
	region, base, of := m.Upstream.Region, m.Model.Base(), account(caller)
	part := iam.Partition(region)
	if m.Model.Surface() == bedrock.SurfaceMantle {
		project := "arn:" + part + ":bedrock-mantle:" + region + ":" + of + ":project/default"
		n := m.need("bedrock-mantle:CreateInference", project, "PERM-009")
		n.why, n.statement.Resource = "the deployment is served by bedrock-mantle", iam.Strings{"arn:" + part + ":bedrock-mantle:*:*:project/*"}
		out := []need{n}
		if m.Model.Counts() {
			out = append(out, m.countNeed("bedrock-mantle:CountTokens", project))
		}
		return out
	}
	foundation := func(in string) string { return "arn:" + part + ":bedrock:" + in + "::foundation-model/" + base }
	var out []need
	geo := geoOf(m.ID)
	switch {
	case geo != "":
		out = append(out, m.invoke(m.profileARN(of), "PERM-001", nil)...)
		for _, in := range models.Destinations(geo, region) {
			out = append(out, m.through(m.profileARN(of), foundation(in))...)
		}
	case strings.HasPrefix(m.ID, "arn:"):
		out = append(out, m.invoke(m.ID, "PERM-001", nil)...)
	default:
		out = append(out, m.invoke(foundation(region), "PERM-001", nil)...)
	}
	if m.Model.Counts() {
		out = append(out, m.countNeed("bedrock:CountTokens", foundation(region)))
	}
	return out
}

func (m *Model) countNeed(action, resource string) need {
	n := m.need(action, resource, "PERM-007")
	n.severity, n.why = Warning, "token counting is off and counts are estimates; chat is not concerned"
	return n
}

func (m *Model) need(action, resource, code string) need {
	return need{
		Request:    iam.Request{Action: action, Resource: resource, Context: map[string][]string{"aws:RequestedRegion": {m.Upstream.Region}}},
		deployment: m.Deployment, code: code, severity: Error, statement: allow(action, resource)[0],
	}
}

// invoke are the needs of a chat, whole and as a stream; embeddings have no stream.
func (m *Model) invoke(resource, code string, keys map[string][]string) (out []need) {
	for _, action := range invoking() {
		if m.Model.Kind() != models.Chat && action != "bedrock:InvokeModel" {
			continue
		}
		n := m.need(action, resource, code)
		if keys != nil {
			n.Context = keys
			equals := map[string]iam.Strings{"bedrock:InferenceProfileArn": keys["bedrock:InferenceProfileArn"]}
			if code == "PERM-013" {
				equals["aws:RequestedRegion"] = iam.Strings{"unspecified"}
			}
			n.statement.Condition = iam.Condition{"StringEquals": equals}
		}
		switch code {
		case "PERM-012":
			n.why = "calls fail when Bedrock sends them there, today or later"
		case "PERM-013":
			n.why = "as which a global profile asks for the model"
		}
		out = append(out, n)
	}
	return out
}

// through are the needs of a call that a profile sends on to a model.
func (m *Model) through(profile, model string) []need {
	in := denial{resource: model}.region()
	keys := map[string][]string{"bedrock:InferenceProfileArn": {profile}, "aws:RequestedRegion": {in}}
	code := "PERM-012"
	switch in {
	case "":
		code, keys["aws:RequestedRegion"] = "PERM-013", []string{"unspecified"}
	case m.Upstream.Region:
		code = "PERM-001"
	}
	return m.invoke(model, code, keys)
}

// behind are the needs of an application profile for the models behind it, which its ARN does not tell.
func (m *Model) behind(ctx context.Context) (out []need, unknown []Finding) {
	if m.Model == nil || !strings.Contains(m.ID, ":application-inference-profile/") {
		return nil, nil
	}
	var p profile
	if err := m.Upstream.Client.Control(ctx, "/inference-profiles/"+url.PathEscape(m.ID), &p); err != nil {
		return nil, []Finding{{
			Code: "PERM-010", Severity: Skipped, Subject: m.Deployment, Message: "the permissions for the models behind the application profile were not judged, because which they are is not known: " + reason(err),
			Remedy: "allow bedrock:GetInferenceProfile, and run outcrop doctor again", Statements: allow("bedrock:GetInferenceProfile", m.ID), In: "the caller's policy",
		}}
	}
	for _, x := range p.Models {
		out = append(out, m.through(m.ID, x.ModelArn)...)
	}
	return out, nil
}

// permissions judges what the deployments of an upstream need by what the caller has.
func (e *Env) permissions(ctx context.Context, u *Upstream) []Finding {
	arn, err := e.caller(ctx, u)
	if err != nil {
		return []Finding{e.unreadable(u, "who calls is not known")}
	}
	if strings.HasSuffix(arn, ":root") {
		return []Finding{{Code: "PERM-000", Subject: u.Name, Message: "the root user may do everything that the organization does not refuse"}}
	}
	var needs []need
	var unknown []Finding
	for _, m := range e.Models {
		if m.Upstream == u {
			more, why := m.behind(ctx)
			needs, unknown = slices.Concat(needs, m.needs(arn), more), append(unknown, why...)
		}
	}
	has, err := e.rights(ctx, u, roleOf(arn))
	if err != nil {
		return []Finding{e.unreadable(u, rootCause(err))}
	}
	missing := slices.DeleteFunc(slices.Clone(needs), func(n need) bool { return has.allows(n.Request) })
	out := tellMissing(missing, roleOf(arn))
	if !slices.ContainsFunc(out, func(f Finding) bool { return f.Severity == Error }) {
		out = append([]Finding{{
			Code: "PERM-000", Subject: u.Name, Message: fmt.Sprintf("the policies of %s are enough to serve %s", roleOf(arn), count(len(u.Deployments), "deployment")),
		}}, out...)
	}
	out = append(out, unknown...)
	out = append(out, off(u, arn, has.allows, needs)...)
	for _, note := range has.notes {
		out = append(out, Finding{Code: "PERM-010", Severity: Skipped, Subject: u.Name, Message: note})
	}
	if has.wide != "" {
		out = append(out, Finding{Code: "PERM-011", Severity: Info, Subject: u.Name, Message: has.wide, Remedy: "outcrop aws policy --config FILE prints the least policy"})
	}
	return out
}

func (e *Env) unreadable(u *Upstream, why string) Finding {
	f := Finding{
		Code: "PERM-010", Severity: Skipped, Subject: u.Name, Message: "the caller's policies were not judged: " + why,
		Remedy: "nothing needs to be done: whether the models answer is checked above; with an operator's credentials outcrop doctor reads them",
	}
	if slices.ContainsFunc(e.Models, func(m *Model) bool {
		return m.Upstream == u && (geoOf(m.ID) != "" || strings.Contains(m.ID, ":application-inference-profile/"))
	}) {
		f.Message += "; an answer of a profile proves nothing of the other regions that it sends calls to"
		f.Remedy = "outcrop aws policy --config FILE --diff " + cmp.Or(roleOf(u.arn()), "ROLE-ARN") + " with an operator's credentials tells whether every region is allowed"
	}
	return f
}

// arn is who calls, as far as it is known by now.
func (u *Upstream) arn() string {
	u.facts.mu.Lock()
	defer u.facts.mu.Unlock()
	if u.facts.who == nil {
		return ""
	}
	return u.facts.who.Principal.ARN
}

// tellMissing has one finding for each kind of what a deployment lacks, with all its statements.
func tellMissing(missing []need, caller string) []Finding {
	var out []Finding
	for _, n := range missing {
		at := slices.IndexFunc(out, func(f Finding) bool { return f.Code == n.code && f.Subject == n.deployment })
		if at < 0 {
			out = append(out, Finding{
				Code: n.code, Severity: n.severity, Subject: n.deployment, In: "the policy of " + caller,
				Message: "no policy allows " + n.Action + " on " + n.Resource, Remedy: "add the statement; outcrop aws policy prints the whole policy",
			})
			at = len(out) - 1
			if n.why != "" {
				out[at].Message += ": " + n.why
			}
		}
		out[at].Statements = merge(out[at].Statements, n.statement)
	}
	return out
}

// merge adds a statement, or its action or resource to one that is otherwise the same.
func merge(list []iam.Statement, s iam.Statement) []iam.Statement {
	for i, old := range list {
		if fmt.Sprint(old.Condition) != fmt.Sprint(s.Condition) {
			continue
		}
		switch {
		case slices.Equal(old.Resource, s.Resource):
			list[i].Action = union(old.Action, s.Action)
			return list
		case slices.Contains(old.Action, s.Action[0]) && (len(old.Resource) > 1 || !slices.Contains(old.Resource, s.Resource[0])):
			list[i].Resource = union(old.Resource, s.Resource)
			return list
		case slices.Contains(old.Resource, s.Resource[0]):
			list[i].Action = union(old.Action, s.Action)
			return list
		}
	}
	return append(list, s)
}

func union(a, b iam.Strings) iam.Strings {
	out := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// off names what the policies do not allow and no deployment depends on.
func off(u *Upstream, arn string, judge func(iam.Request) bool, needs []need) (out []Finding) {
	part, region, of := iam.Partition(u.Region), u.Region, account(arn)
	for _, o := range []struct{ action, resource, code, message string }{
		{"bedrock:CountTokens", "arn:" + part + ":bedrock:" + region + "::foundation-model/anthropic.claude", "PERM-007", "token counting is off (bedrock:CountTokens): counts would be estimates; chat is not concerned"},
		{"bedrock:GetInferenceProfile", "arn:" + part + ":bedrock:" + region + ":" + of + ":application-inference-profile/any", "PERM-008", "profile look-ups are off (bedrock:GetInferenceProfile): the model behind an ARN has to be named in baseModel; chat is not concerned"},
		{"bedrock-mantle:CreateInference", "arn:" + part + ":bedrock-mantle:" + region + ":" + of + ":project/default", "PERM-009", "bedrock-mantle is off (bedrock-mantle:CreateInference): models that only it serves cannot be used; the others are not concerned"},
	} {
		needed := slices.ContainsFunc(needs, func(n need) bool { return n.code == o.code })
		if needed || judge(iam.Request{Action: o.action, Resource: o.resource, Context: map[string][]string{"aws:RequestedRegion": {region}}}) {
			continue
		}
		out = append(out, Finding{
			Code: o.code, Severity: Info, Subject: u.Name, Message: o.message, Remedy: "add the action if it is wanted: outcrop aws policy",
			Statements: allow(o.action, "*"), In: "the policy of " + roleOf(arn),
		})
	}
	return out
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
