package grant

import (
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
	arn, err := p.role(ctx, to.Name, iam.RoleTrust(to.Trust, to.ExternalID), "Lets "+to.Trust+" assume it"+withID(to.ExternalID)+".", in.Policies)
	if err != nil {
		return nil, err
	}
	if err := p.assumed(ctx, arn); err != nil {
		return nil, err
	}
	upstream := "upstreams:\n  - extraData:\n      aws_assume_role_arn: " + arn + "\n"
	if to.ExternalID != "" {
		upstream += "      aws_external_id: " + fmt.Sprintf("%q", to.ExternalID) + "\n"
	}
	p.plan.Texts = append(p.plan.Texts, Text{"DIAL's configuration, of each model that is called with the role (as YAML)", upstream})
	return p.plan, nil
}

func withID(id string) string {
	if id == "" {
		return ""
	}
	return ", with the external id " + id
}

// role plans a role with its trust and policies. It gives the role's ARN.
func (p *planner) role(ctx context.Context, name string, trust iam.Document, why string, policies []Policy) (string, error) {
	if err := checkName("role", name, 64); err != nil {
		return "", err
	}
	arn, h := p.arn("iam", "role/"+name), holder{kind: "role", name: name}
	got, err := p.iam.GetRole(ctx, &awsiam.GetRoleInput{RoleName: &name})
	switch {
	case absent(err):
		h.fresh = true
		p.step(&Step{
			Do: Create, What: "IAM role " + name, Why: why, action: "iam:CreateRole",
			Command: "aws iam create-role --role-name " + name + " --assume-role-policy-document " + compact(trust),
			run: func(ctx context.Context) error {
				return settled(ctx, func() error {
					_, err := p.iam.CreateRole(ctx, &awsiam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(string(trust.JSON()))})
					return err
				})
			},
		})
	case err != nil:
		return "", onboard.Explain(err, "reading the role "+name, "iam:GetRole")
	default:
		arn = *got.Role.Arn
		has, err := decoded(got.Role.AssumeRolePolicyDocument)
		if err != nil {
			p.plan.Notes = append(p.plan.Notes, "the trust policy of "+name+" has parts that this program does not know")
		}
		p.trust(name, has, trust, why)
	}
	return arn, p.policies(ctx, h, policies)
}

// trust plans the trust policy of a role that exists.
func (p *planner) trust(name string, has, want iam.Document, why string) {
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
	for _, a := range p.Assumed {
		caller := a.Caller
		if caller == "" {
			caller = grantee
		}
		trust := iam.RoleTrust(caller, a.ExternalID)
		parts := strings.SplitN(a.ARN, ":", 6)
		name := a.ARN[strings.LastIndexByte(a.ARN, '/')+1:]
		if len(parts) == 6 && parts[4] == p.Number {
			if _, err := p.role(ctx, name, trust, "Upstreams assume it: lets "+caller+" in"+withID(a.ExternalID)+".", a.Policies); err != nil {
				return err
			}
			continue
		}
		p.plan.Texts = append(p.plan.Texts, Text{"For who administers " + a.ARN + ": its trust policy", string(trust.JSON())})
		for _, policy := range a.Policies {
			p.plan.Texts = append(p.plan.Texts, Text{"For who administers " + a.ARN + ": policy " + policy.Name, string(policy.Document.JSON())})
		}
	}
	return nil
}
