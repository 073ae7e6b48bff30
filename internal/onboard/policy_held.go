package onboard

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go"

	"outcrop/internal/iam"
)

// Held is one policy that a role or user has.
type Held struct {
	Name     string       `json:"name"`
	ARN      string       `json:"arn,omitempty"` // of a managed policy
	From     string       `json:"from"`          // attached, inline, or a group's name
	Document iam.Document `json:"-"`
}

// HeldPolicies are all policies of a role (its ARN) or of a user (name or ARN), those of the user's groups
// included. notes say what else AWS looks at.
func (a *Account) HeldPolicies(ctx context.Context, holder string) (held []Held, notes []string, err error) {
	r := reader{client: awsiam.NewFromConfig(a.Config), holder: holder}
	resource := arnPart(holder, 5)
	name := resource[strings.LastIndexByte(resource, '/')+1:]
	switch {
	case strings.HasPrefix(resource, "role/"):
		err = r.role(ctx, name)
	case strings.HasPrefix(resource, "user/"):
		err = r.user(ctx, name)
	case strings.HasPrefix(holder, "arn:"):
		return nil, nil, fmt.Errorf("%q is neither a role nor a user: write arn:aws:iam::<account>:role/<name>, or a user's name", holder)
	default:
		err = r.user(ctx, holder)
	}
	return r.held, r.notes, err
}

// reader reads policies.
type reader struct {
	client *awsiam.Client
	holder string
	held   []Held
	notes  []string
}

func (r *reader) role(ctx context.Context, name string) error {
	got, err := r.client.GetRole(ctx, &awsiam.GetRoleInput{RoleName: &name})
	if err != nil {
		return r.denied("iam:GetRole", err)
	}
	r.boundary(got.Role.PermissionsBoundary)
	attached := awsiam.NewListAttachedRolePoliciesPaginator(r.client, &awsiam.ListAttachedRolePoliciesInput{RoleName: &name})
	for attached.HasMorePages() {
		page, err := attached.NextPage(ctx)
		if err != nil {
			return r.denied("iam:ListAttachedRolePolicies", err)
		}
		if err := r.managed(ctx, page.AttachedPolicies, "attached"); err != nil {
			return err
		}
	}
	inline := awsiam.NewListRolePoliciesPaginator(r.client, &awsiam.ListRolePoliciesInput{RoleName: &name})
	for inline.HasMorePages() {
		page, err := inline.NextPage(ctx)
		if err != nil {
			return r.denied("iam:ListRolePolicies", err)
		}
		for _, policy := range page.PolicyNames {
			got, err := r.client.GetRolePolicy(ctx, &awsiam.GetRolePolicyInput{RoleName: &name, PolicyName: &policy})
			if err != nil {
				return r.denied("iam:GetRolePolicy", err)
			}
			if err := r.add(Held{Name: policy, From: "inline"}, got.PolicyDocument); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *reader) user(ctx context.Context, name string) error {
	got, err := r.client.GetUser(ctx, &awsiam.GetUserInput{UserName: &name})
	if err != nil {
		return r.denied("iam:GetUser", err)
	}
	r.boundary(got.User.PermissionsBoundary)
	attached := awsiam.NewListAttachedUserPoliciesPaginator(r.client, &awsiam.ListAttachedUserPoliciesInput{UserName: &name})
	for attached.HasMorePages() {
		page, err := attached.NextPage(ctx)
		if err != nil {
			return r.denied("iam:ListAttachedUserPolicies", err)
		}
		if err := r.managed(ctx, page.AttachedPolicies, "attached"); err != nil {
			return err
		}
	}
	inline := awsiam.NewListUserPoliciesPaginator(r.client, &awsiam.ListUserPoliciesInput{UserName: &name})
	for inline.HasMorePages() {
		page, err := inline.NextPage(ctx)
		if err != nil {
			return r.denied("iam:ListUserPolicies", err)
		}
		for _, policy := range page.PolicyNames {
			got, err := r.client.GetUserPolicy(ctx, &awsiam.GetUserPolicyInput{UserName: &name, PolicyName: &policy})
			if err != nil {
				return r.denied("iam:GetUserPolicy", err)
			}
			if err := r.add(Held{Name: policy, From: "inline"}, got.PolicyDocument); err != nil {
				return err
			}
		}
	}
	return r.groups(ctx, name)
}

func (r *reader) groups(ctx context.Context, user string) error {
	groups := awsiam.NewListGroupsForUserPaginator(r.client, &awsiam.ListGroupsForUserInput{UserName: &user})
	for groups.HasMorePages() {
		page, err := groups.NextPage(ctx)
		if isDenied(err) { // what the user has by itself is worth a comparison
			r.notes = append(r.notes, "Policies of the user's groups are not known: allow iam:ListGroupsForUser.")
			return nil
		}
		if err != nil {
			return r.denied("iam:ListGroupsForUser", err)
		}
		for _, g := range page.Groups {
			if err := r.group(ctx, aws.ToString(g.GroupName)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *reader) group(ctx context.Context, name string) error {
	attached := awsiam.NewListAttachedGroupPoliciesPaginator(r.client, &awsiam.ListAttachedGroupPoliciesInput{GroupName: &name})
	for attached.HasMorePages() {
		page, err := attached.NextPage(ctx)
		if err != nil {
			return r.denied("iam:ListAttachedGroupPolicies", err)
		}
		if err := r.managed(ctx, page.AttachedPolicies, "group "+name); err != nil {
			return err
		}
	}
	inline := awsiam.NewListGroupPoliciesPaginator(r.client, &awsiam.ListGroupPoliciesInput{GroupName: &name})
	for inline.HasMorePages() {
		page, err := inline.NextPage(ctx)
		if err != nil {
			return r.denied("iam:ListGroupPolicies", err)
		}
		for _, policy := range page.PolicyNames {
			got, err := r.client.GetGroupPolicy(ctx, &awsiam.GetGroupPolicyInput{GroupName: &name, PolicyName: &policy})
			if err != nil {
				return r.denied("iam:GetGroupPolicy", err)
			}
			if err := r.add(Held{Name: policy, From: "group " + name}, got.PolicyDocument); err != nil {
				return err
			}
		}
	}
	return nil
}

// managed reads the versions of managed policies that count.
func (r *reader) managed(ctx context.Context, list []types.AttachedPolicy, from string) error {
	for _, p := range list {
		policy, err := r.client.GetPolicy(ctx, &awsiam.GetPolicyInput{PolicyArn: p.PolicyArn})
		if err != nil {
			return r.denied("iam:GetPolicy", err)
		}
		version, err := r.client.GetPolicyVersion(ctx, &awsiam.GetPolicyVersionInput{PolicyArn: p.PolicyArn, VersionId: policy.Policy.DefaultVersionId})
		if err != nil {
			return r.denied("iam:GetPolicyVersion", err)
		}
		if err := r.add(Held{Name: aws.ToString(p.PolicyName), ARN: aws.ToString(p.PolicyArn), From: from}, version.PolicyVersion.Document); err != nil {
			return err
		}
	}
	return nil
}

// add reads a document as IAM sends it: percent-encoded.
func (r *reader) add(h Held, document *string) error {
	text := aws.ToString(document)
	if plain, err := url.QueryUnescape(text); err == nil && !strings.HasPrefix(strings.TrimSpace(text), "{") {
		text = plain
	}
	var err error
	if h.Document, err = iam.Parse([]byte(text)); err != nil {
		return fmt.Errorf("policy %s of %s cannot be read: %w", h.Name, r.holder, err)
	}
	r.held = append(r.held, h)
	return nil
}

func (r *reader) boundary(b *types.AttachedPermissionsBoundary) {
	if b != nil {
		r.notes = append(r.notes, "The permissions boundary "+aws.ToString(b.PermissionsBoundaryArn)+" was not looked at: what it does not allow is refused, too.")
	}
}

func isDenied(err error) bool {
	e, ok := errors.AsType[smithy.APIError](err)
	return ok && (e.ErrorCode() == "AccessDenied" || e.ErrorCode() == "AccessDeniedException")
}

// denied says which permission is missing.
func (r *reader) denied(action string, err error) error {
	if isDenied(err) {
		return fmt.Errorf("the policies of %s cannot be read: allow %s to who runs this command, or let somebody run it who may (%s)", r.holder, action, reason(err))
	}
	if e, ok := errors.AsType[*types.NoSuchEntityException](err); ok {
		return fmt.Errorf("there is no %s: %s", r.holder, e.ErrorMessage())
	}
	return fmt.Errorf("%s of %s: %w", action, r.holder, err)
}

// Comparison is what a role or user has, against what it needs.
type Comparison struct {
	Holder    string      `json:"holder"`
	Principal string      `json:"principal"` // of the configuration
	Policies  []Held      `json:"policies"`
	Verdict   iam.Verdict `json:"verdict"`
	Wide      []TooWide   `json:"wide"`
	Notes     []string    `json:"notes,omitempty"`
}

// TooWide is what a policy allows beyond need.
type TooWide struct {
	Policy string `json:"policy"`
	Sid    string `json:"sid,omitempty"`
	Why    string `json:"why"`
}

// Compare judges policies that a holder has by what a principal of the configuration does.
func Compare(p UsePrincipal, holder string, held []Held) Comparison {
	c := Comparison{Holder: holder, Principal: p.Name, Policies: held, Wide: []TooWide{}}
	documents := make([]iam.Document, 0, len(held))
	for _, h := range held {
		documents = append(documents, h.Document)
		if why := iam.WideManaged(h.ARN); why != "" {
			c.Wide = append(c.Wide, TooWide{Policy: h.Name, Why: why})
			continue
		}
		for _, w := range iam.TooWide(h.Document) {
			c.Wide = append(c.Wide, TooWide{Policy: h.Name, Sid: w.Sid, Why: w.Why})
		}
	}
	c.Verdict = iam.Judge(p.Use, documents...)
	return c
}
