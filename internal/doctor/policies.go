package doctor

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"outcrop/internal/iam"
)

// judge says whether a user or role may make a call, as far as its own policies and its boundary tell; wide
// says what is wider than any deployment needs.
func (e *Env) judge(ctx context.Context, cfg aws.Config, arn string) (judge func(iam.Request) bool, wide string, err error) {
	r := reader{client: awsiam.NewFromConfig(cfg), name: arn[strings.LastIndex(arn, "/")+1:]}
	if strings.Contains(arn, ":role/") {
		err = r.role(ctx)
	} else {
		err = r.user(ctx)
	}
	if err != nil {
		if simulated, ok := simulate(ctx, r.client, arn); ok {
			return simulated, "", nil
		}
		return nil, "", err
	}
	judge = func(q iam.Request) bool {
		q.Principal = arn
		return iam.Evaluate(q, r.documents...).Allowed && (r.boundary == nil || iam.Evaluate(q, *r.boundary).Allowed)
	}
	return judge, r.wide(), nil
}

// reader collects the policies of a user or role.
type reader struct {
	client    *awsiam.Client
	name      string
	names     []string // of the managed policies
	documents []iam.Document
	boundary  *iam.Document
}

func (r *reader) role(ctx context.Context) error {
	name := &r.name
	role, err := r.client.GetRole(ctx, &awsiam.GetRoleInput{RoleName: name})
	if err != nil {
		return err
	}
	if err := r.bound(ctx, role.Role.PermissionsBoundary); err != nil {
		return err
	}
	inline, err := r.client.ListRolePolicies(ctx, &awsiam.ListRolePoliciesInput{RoleName: name})
	if err != nil {
		return err
	}
	for _, p := range inline.PolicyNames {
		got, err := r.client.GetRolePolicy(ctx, &awsiam.GetRolePolicyInput{RoleName: name, PolicyName: &p})
		if err != nil {
			return err
		}
		if err := r.add(got.PolicyDocument); err != nil {
			return err
		}
	}
	attached, err := r.client.ListAttachedRolePolicies(ctx, &awsiam.ListAttachedRolePoliciesInput{RoleName: name})
	if err != nil {
		return err
	}
	return r.attached(ctx, attached.AttachedPolicies)
}

func (r *reader) user(ctx context.Context) error {
	name := &r.name
	user, err := r.client.GetUser(ctx, &awsiam.GetUserInput{UserName: name})
	if err != nil {
		return err
	}
	if err := r.bound(ctx, user.User.PermissionsBoundary); err != nil {
		return err
	}
	inline, err := r.client.ListUserPolicies(ctx, &awsiam.ListUserPoliciesInput{UserName: name})
	if err != nil {
		return err
	}
	for _, p := range inline.PolicyNames {
		got, err := r.client.GetUserPolicy(ctx, &awsiam.GetUserPolicyInput{UserName: name, PolicyName: &p})
		if err != nil {
			return err
		}
		if err := r.add(got.PolicyDocument); err != nil {
			return err
		}
	}
	attached, err := r.client.ListAttachedUserPolicies(ctx, &awsiam.ListAttachedUserPoliciesInput{UserName: name})
	if err != nil {
		return err
	}
	if err := r.attached(ctx, attached.AttachedPolicies); err != nil {
		return err
	}
	return r.groups(ctx)
}

// groups adds what the user's groups have.
func (r *reader) groups(ctx context.Context) error {
	groups, err := r.client.ListGroupsForUser(ctx, &awsiam.ListGroupsForUserInput{UserName: &r.name})
	if err != nil {
		return err
	}
	for _, g := range groups.Groups {
		inline, err := r.client.ListGroupPolicies(ctx, &awsiam.ListGroupPoliciesInput{GroupName: g.GroupName})
		if err != nil {
			return err
		}
		for _, p := range inline.PolicyNames {
			got, err := r.client.GetGroupPolicy(ctx, &awsiam.GetGroupPolicyInput{GroupName: g.GroupName, PolicyName: &p})
			if err != nil {
				return err
			}
			if err := r.add(got.PolicyDocument); err != nil {
				return err
			}
		}
		attached, err := r.client.ListAttachedGroupPolicies(ctx, &awsiam.ListAttachedGroupPoliciesInput{GroupName: g.GroupName})
		if err != nil {
			return err
		}
		if err := r.attached(ctx, attached.AttachedPolicies); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) attached(ctx context.Context, policies []types.AttachedPolicy) error {
	for _, p := range policies {
		r.names = append(r.names, aws.ToString(p.PolicyName))
		doc, err := r.managed(ctx, p.PolicyArn)
		if err != nil {
			return err
		}
		r.documents = append(r.documents, doc)
	}
	return nil
}

func (r *reader) bound(ctx context.Context, b *types.AttachedPermissionsBoundary) error {
	if b == nil {
		return nil
	}
	doc, err := r.managed(ctx, b.PermissionsBoundaryArn)
	r.boundary = &doc
	return err
}

// managed reads a managed policy as it is now.
func (r *reader) managed(ctx context.Context, arn *string) (iam.Document, error) {
	policy, err := r.client.GetPolicy(ctx, &awsiam.GetPolicyInput{PolicyArn: arn})
	if err != nil {
		return iam.Document{}, err
	}
	version, err := r.client.GetPolicyVersion(ctx, &awsiam.GetPolicyVersionInput{PolicyArn: arn, VersionId: policy.Policy.DefaultVersionId})
	if err != nil {
		return iam.Document{}, err
	}
	return read(version.PolicyVersion.Document)
}

func (r *reader) add(document *string) error {
	doc, err := read(document)
	r.documents = append(r.documents, doc)
	return err
}

// read decodes a document as IAM writes it, in a URL's form.
func read(document *string) (iam.Document, error) {
	text, err := url.PathUnescape(aws.ToString(document))
	if err != nil {
		return iam.Document{}, err
	}
	return iam.Parse([]byte(text))
}

// wide says what no deployment needs.
func (r *reader) wide() string {
	for _, name := range []string{"AmazonBedrockFullAccess", "AdministratorAccess", "PowerUserAccess", "AmazonBedrockLimitedAccess"} {
		if slices.Contains(r.names, name) {
			return "the managed policy " + name + " is enough to serve, and far wider than needed"
		}
	}
	for _, d := range r.documents {
		for _, s := range d.Statement {
			if s.Effect == iam.Allow && (slices.Contains(s.Action, "*") || slices.Contains(s.Action, "bedrock:*")) {
				return "a policy allows bedrock:*, which is far wider than needed"
			}
			if s.Effect == iam.Allow && slices.Contains(s.Resource, "*") && slices.ContainsFunc(s.Action, func(a string) bool { return strings.HasPrefix(a, "bedrock:InvokeModel") }) {
				return "a policy allows bedrock:InvokeModel on every model (Resource \"*\")"
			}
		}
	}
	return ""
}

// simulate has IAM judge, for who may simulate and not read; ok is false for who may neither.
func simulate(ctx context.Context, client *awsiam.Client, arn string) (judge func(iam.Request) bool, ok bool) {
	ask := func(q iam.Request) (bool, error) {
		in := &awsiam.SimulatePrincipalPolicyInput{PolicySourceArn: &arn, ActionNames: []string{q.Action}, ResourceArns: []string{q.Resource}}
		for key, values := range q.Context {
			in.ContextEntries = append(in.ContextEntries, types.ContextEntry{ContextKeyName: &key, ContextKeyValues: values, ContextKeyType: types.ContextKeyTypeEnumString})
		}
		got, err := client.SimulatePrincipalPolicy(ctx, in)
		if err != nil || len(got.EvaluationResults) == 0 {
			return false, err
		}
		return got.EvaluationResults[0].EvalDecision == types.PolicyEvaluationDecisionTypeAllowed, nil
	}
	if _, err := ask(iam.Request{Action: "bedrock:InvokeModel", Resource: "*"}); err != nil {
		return nil, false
	}
	return func(q iam.Request) bool {
		allowed, err := ask(q)
		return allowed || err != nil // what could not be asked is not called missing
	}, true
}
