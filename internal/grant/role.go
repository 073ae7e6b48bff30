package grant

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"

	"outcrop/internal/iam"
	"outcrop/internal/onboard"
)

// RoleTo is a role that another role or user assumes.
type RoleTo struct {
	Name string
	// Trust is the ARN of the role, user or account that assumes it; ExternalID "" asks for none.
	Trust, ExternalID string
}

// Role plans a role.
func Role(ctx context.Context, in Input, to RoleTo) (*Plan, error) {
	if err := CheckARN("--trust", to.Trust, "role", "user", "root"); err != nil {
		return nil, err
	}
	p := newPlanner(in, "role "+to.Name)
	arn, err := p.role(ctx, wanted{
		name: to.Name, path: in.Path, trust: iam.RoleTrust(to.Trust, to.ExternalID), why: "Lets " + to.Trust + " assume it" + withID(to.ExternalID) + ".", policies: in.Policies,
	})
	if err != nil {
		return nil, err
	}
	if err := p.assumed(ctx, arn); err != nil {
		return nil, err
	}
	p.whom(to)
	upstream := "upstreams:\n  - extraData:\n      aws_assume_role_arn: " + arn + "\n"
	if to.ExternalID != "" {
		upstream += "      aws_external_id: " + fmt.Sprintf("%q", to.ExternalID) + "\n"
	}
	p.plan.Texts = append(p.plan.Texts, Text{"DIAL's configuration, of each model that is called with the role (as YAML)", upstream})
	return p.plan, nil
}

// whom notes what the trust of a role leaves open.
func (p *planner) whom(to RoleTo) {
	_, account, _ := strings.Cut(to.Trust, ":iam::")
	account, rest, _ := strings.Cut(account, ":")
	if rest == "root" {
		p.plan.Notes = append(p.plan.Notes, "Everybody in account "+account+" whose policies allow sts:AssumeRole for this role may assume it: --trust with the ARN of one role or user is narrower.")
	}
	if account == p.Number {
		return
	}
	p.plan.Notes = append(p.plan.Notes, "The caller is of account "+account+": its own policies have to allow sts:AssumeRole for this role, too.")
	if to.ExternalID == "" {
		p.plan.Notes = append(p.plan.Notes, "No external id is asked for. If others in account "+account+" can name this role to the caller, as a service for many customers lets them, give --external-id: it keeps them from using the role through the caller.")
	}
}

func withID(id string) string {
	if id == "" {
		return ""
	}
	return ", with the external id " + id
}

// wanted is a role as it has to be.
type wanted struct {
	name, path string // path is "" or like /team/
	trust      iam.Document
	why        string // it trusts whom it trusts
	policies   []Policy
}

// role plans a role with its trust and policies. It gives the role's ARN.
func (p *planner) role(ctx context.Context, w wanted) (string, error) {
	name := w.name
	if err := checkName("role", name, 64); err != nil {
		return "", err
	}
	path := cmp.Or(w.path, "/")
	arn, h := p.arn("iam", "role"+path+name), holder{kind: "role", name: name}
	got, err := p.iam.GetRole(ctx, &awsiam.GetRoleInput{RoleName: &name})
	switch {
	case absent(err):
		h.fresh = true
		p.step(&Step{
			Do: Create, What: "IAM role " + name, Why: w.why, action: "iam:CreateRole",
			Command: "aws iam create-role --role-name " + name + pathFlag(w.path) + " --assume-role-policy-document " + compact(w.trust),
			run: func(ctx context.Context) error {
				return settled(ctx, func() error {
					_, err := p.iam.CreateRole(ctx, &awsiam.CreateRoleInput{RoleName: &name, Path: &path, AssumeRolePolicyDocument: aws.String(string(w.trust.JSON()))})
					return err
				})
			},
		})
	case err != nil:
		return "", onboard.Explain(err, "reading the role "+name, "iam:GetRole")
	default:
		arn = *got.Role.Arn
		has, err := decoded(got.Role.AssumeRolePolicyDocument)
		if err != nil && !p.Replace { // what cannot be read cannot be added to
			p.step(&Step{Do: Blocked, What: "trust policy of IAM role " + name,
				Why: "It has parts that this program does not know (" + err.Error() + "). --replace puts another in its place; --role NAME takes another role."})
			break
		}
		p.trust(w, has)
	}
	return arn, p.policies(ctx, h, w.policies)
}

func pathFlag(path string) string {
	if path == "" || path == "/" {
		return ""
	}
	return " --path " + argument(path)
}

// trust plans the trust policy of a role that exists.
func (p *planner) trust(w wanted, has iam.Document) {
	name, want, why := w.name, w.trust, w.why
	what := "trust policy of IAM role " + name
	missing := iam.Document{Version: iam.PolicyVersion}
	known := map[string]bool{}
	for _, s := range has.Statement {
		known[statement(s)] = true
	}
	for _, s := range want.Statement {
		if !known[statement(s)] {
			missing.Statement = append(missing.Statement, s)
		}
	}
	switch {
	case len(missing.Statement) == 0 && len(has.Statement) == len(want.Statement):
		p.exists(what, why)
		return
	case len(missing.Statement) == 0 && !p.Replace:
		p.exists(what, why+" It trusts others, too.")
		return
	case p.Replace:
	case p.Add:
		want = extended(has, missing)
		why += " Whom it trusts already, it goes on trusting."
	default:
		p.step(&Step{Do: Blocked, What: what, Diff: diff(has, want),
			Why: "The role trusts others and not this one. --add keeps them and adds it; --replace trusts this one alone; --role NAME takes another role."})
		return
	}
	p.step(&Step{
		Do: Change, What: what, Why: why, Diff: diff(has, want), action: "iam:UpdateAssumeRolePolicy",
		Command: "aws iam update-assume-role-policy --role-name " + name + " --policy-document " + compact(want),
		run: func(ctx context.Context) error {
			return settled(ctx, func() error {
				_, err := p.iam.UpdateAssumeRolePolicy(ctx, &awsiam.UpdateAssumeRolePolicyInput{RoleName: &name, PolicyDocument: aws.String(string(want.JSON()))})
				return err
			})
		},
	})
}

// statement is one statement as a text to compare; its Sid says nothing of what it does.
func statement(s iam.Statement) string {
	s.Sid = ""
	return canonical(iam.Document{Statement: []iam.Statement{s}})
}

// extended is a trust policy with more statements. Their Sids stay unique.
func extended(has, more iam.Document) iam.Document {
	out := iam.Document{Version: iam.PolicyVersion, ID: has.ID, Statement: slices.Clone(has.Statement)}
	taken := map[string]bool{}
	for _, s := range has.Statement {
		taken[s.Sid] = true
	}
	for _, s := range more.Statement {
		sid := s.Sid
		for n := 2; taken[s.Sid]; n++ {
			s.Sid = fmt.Sprint(sid, n)
		}
		taken[s.Sid] = true
		out.Statement = append(out.Statement, s)
	}
	return out
}

// assumed plans the roles that upstreams assume, of this account, and prints documents for other accounts.
func (p *planner) assumed(ctx context.Context, grantee string) error {
	roles := map[string]*wanted{}
	var order []string
	for _, a := range p.Assumed {
		caller := cmp.Or(a.Caller, grantee)
		if a.ARN == grantee {
			continue
		}
		trust, lets := iam.RoleTrust(caller, a.ExternalID), " Lets "+caller+" in"+withID(a.ExternalID)+"."
		if w := roles[a.ARN]; w != nil {
			w.trust, w.why = extended(w.trust, trust), w.why+lets
			continue
		}
		path, name := rolePath(a.ARN)
		roles[a.ARN] = &wanted{name: name, path: path, trust: trust, why: "Upstreams assume it." + lets, policies: a.Policies}
		order = append(order, a.ARN)
	}
	for _, arn := range order {
		w := roles[arn]
		if parts := strings.SplitN(arn, ":", 6); len(parts) == 6 && parts[4] == p.Number {
			if _, err := p.role(ctx, *w); err != nil {
				return err
			}
			continue
		}
		p.plan.Texts = append(p.plan.Texts, Text{"For who administers " + arn + ": its trust policy", string(w.trust.JSON())})
		for _, policy := range w.policies {
			p.plan.Texts = append(p.plan.Texts, Text{"For who administers " + arn + ": policy " + policy.Name, string(policy.Document.JSON())})
		}
	}
	return nil
}

// rolePath takes an ARN apart; the path is "" for a role without one.
func rolePath(arn string) (path, name string) {
	_, rest, _ := strings.Cut(arn, ":role/")
	at := strings.LastIndexByte(rest, '/')
	if at < 0 {
		return "", rest
	}
	return "/" + rest[:at+1], rest[at+1:]
}
