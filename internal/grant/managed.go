package grant

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"outcrop/internal/onboard"
)

// managed makes a customer managed policy, or gives it a new version. Managed, also where the document would fit
// inline: it has versions, and one look at it shows who has it.
func (p *planner) managed(ctx context.Context, arn string, policy Policy) error {
	what := "managed policy " + policy.Name
	got, err := p.iam.GetPolicy(ctx, &awsiam.GetPolicyInput{PolicyArn: &arn})
	switch {
	case absent(err):
		p.step(&Step{
			Do: Create, What: what, action: "iam:CreatePolicy",
			Why:     fmt.Sprintf("The least that is needed, %d of 6144 characters. Managed and not inline: it keeps its versions, and shows who has it.", policy.Document.Size()),
			Command: "aws iam create-policy --policy-name " + policy.Name + " --policy-document " + compact(policy.Document),
			run: func(ctx context.Context) error {
				_, err := p.iam.CreatePolicy(ctx, &awsiam.CreatePolicyInput{PolicyName: &policy.Name, PolicyDocument: aws.String(string(policy.Document.JSON()))})
				return err
			},
		})
		return nil
	case err != nil:
		return onboard.Explain(err, "reading the "+what, "iam:GetPolicy")
	}
	version, err := p.iam.GetPolicyVersion(ctx, &awsiam.GetPolicyVersionInput{PolicyArn: &arn, VersionId: got.Policy.DefaultVersionId})
	if err != nil {
		return onboard.Explain(err, "reading the "+what, "iam:GetPolicyVersion")
	}
	has, err := decoded(version.PolicyVersion.Document)
	switch {
	case err == nil && canonical(has) == canonical(policy.Document):
		p.exists(what, "Its version "+*got.Policy.DefaultVersionId+" says what is needed.")
		return nil
	case !p.Replace:
		p.step(&Step{Do: Blocked, What: what, Diff: diff(has, policy.Document),
			Why: "It exists and says something else. --replace makes the new text its default version; --policy-name NAME makes another policy."})
		return nil
	}
	if err := p.makeRoom(ctx, arn, what); err != nil {
		return err
	}
	p.step(&Step{
		Do: Change, What: what, Diff: diff(has, policy.Document), action: "iam:CreatePolicyVersion",
		Why:     "A new default version; " + *got.Policy.DefaultVersionId + " is kept, to go back to. Everybody who has this policy gets it.",
		Command: "aws iam create-policy-version --set-as-default --policy-arn " + arn + " --policy-document " + compact(policy.Document),
		run: func(ctx context.Context) error {
			_, err := p.iam.CreatePolicyVersion(ctx, &awsiam.CreatePolicyVersionInput{PolicyArn: &arn, PolicyDocument: aws.String(string(policy.Document.JSON())), SetAsDefault: true})
			return err
		},
	})
	return nil
}

const mostVersions = 5 // of a managed policy

// makeRoom deletes the oldest version where there is no room for another.
func (p *planner) makeRoom(ctx context.Context, arn, what string) error {
	var oldest *types.PolicyVersion
	n := 0
	pages := awsiam.NewListPolicyVersionsPaginator(p.iam, &awsiam.ListPolicyVersionsInput{PolicyArn: &arn})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return onboard.Explain(err, "listing the versions of "+what, "iam:ListPolicyVersions")
		}
		for _, v := range page.Versions {
			n++
			if !v.IsDefaultVersion && (oldest == nil || older(v, *oldest)) {
				oldest = &v
			}
		}
	}
	if n < mostVersions || oldest == nil {
		return nil
	}
	id := *oldest.VersionId
	p.step(&Step{
		Do: Delete, What: "version " + id + " of " + what, Why: "A policy has five versions at most, and this is the oldest that is not in force.",
		Command: "aws iam delete-policy-version --policy-arn " + arn + " --version-id " + id, action: "iam:DeletePolicyVersion",
		run: func(ctx context.Context) error {
			_, err := p.iam.DeletePolicyVersion(ctx, &awsiam.DeletePolicyVersionInput{PolicyArn: &arn, VersionId: &id})
			return err
		},
	})
	return nil
}

// older compares by number where the dates, which count seconds, do not tell: v2 is older than v10.
func older(a, b types.PolicyVersion) bool {
	if a.CreateDate != nil && b.CreateDate != nil && !a.CreateDate.Equal(*b.CreateDate) {
		return a.CreateDate.Before(*b.CreateDate)
	}
	x, y := *a.VersionId, *b.VersionId
	return len(x) < len(y) || len(x) == len(y) && x < y
}
