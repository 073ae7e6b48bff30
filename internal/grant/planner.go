package grant

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/eks"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/smithy-go"

	"outcrop/internal/iam"
	"outcrop/internal/onboard"
)

// Policy is one to grant: with an ARN one that exists and is only attached, else a document under a name.
type Policy struct {
	ARN      string
	Name     string
	Document iam.Document
}

// Assumed is a role that the configuration's upstreams assume.
type Assumed struct {
	ARN, ExternalID string
	// Caller is the ARN of the role that assumes it, "" for the one who is granted to.
	Caller   string
	Policies []Policy
}

// Input is what all plans are made of.
type Input struct {
	Account  *onboard.Account
	Number   string // of the account, 12 digits
	Policies []Policy
	Assumed  []Assumed
	// Path is where the role that is granted to is made, like /team/; "" is the root.
	Path string
	// Replace lets what differs be replaced, Add lets a trust policy be extended.
	Replace, Add bool
	// Profile is of AWS's configuration files, for the commands; "" is the shell's own.
	Profile string
	// Notes are told with the plan's own.
	Notes []string
}

// planner makes one plan.
type planner struct {
	Input
	iam  *awsiam.Client
	eks  *eks.Client
	plan *Plan
}

func newPlanner(in Input, to string) *planner {
	return &planner{
		Input: in, iam: awsiam.NewFromConfig(in.Account.Config), eks: eks.NewFromConfig(in.Account.Config),
		plan: &Plan{Account: in.Number, For: to, Notes: slices.Clone(in.Notes)},
	}
}

func (p *planner) arn(service, resource string) string {
	return "arn:" + iam.Partition(p.Account.Config.Region) + ":" + service + "::" + p.Number + ":" + resource
}

func (p *planner) step(s *Step) {
	s.Command = p.shell(s.Command)
	p.plan.Steps = append(p.plan.Steps, s)
}

// shell makes commands of AWS's CLI act where the plan does, whatever the shell's own profile and region are. IAM
// has one place in all regions of a partition; it is named outside the usual one.
func (p *planner) shell(command string) string {
	flags, region := "", p.Account.Config.Region
	if p.Profile != "" {
		flags = " --profile " + argument(p.Profile)
	}
	near := flags + " --region " + region
	if iam.Partition(region) != "aws" {
		flags = near
	}
	return strings.NewReplacer("aws iam ", "aws"+flags+" iam ", "aws eks ", "aws"+near+" eks ").Replace(command)
}

var plainForm = regexp.MustCompile(`^[\w+=,.@/:-]+$`)

// argument is quoted where a shell would not take it as it is.
func argument(s string) string {
	if plainForm.MatchString(s) {
		return s
	}
	return quoted(s)
}

func (p *planner) exists(what, why string) { p.step(&Step{Do: Exists, What: what, Why: why}) }

// absent says whether AWS answered that something is not there.
func absent(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && (api.ErrorCode() == "NoSuchEntity" || api.ErrorCode() == "ResourceNotFoundException")
}

// Names as IAM takes them. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
var (
	nameForm      = regexp.MustCompile(`^[\w+=,.@-]+$`)
	arnForm       = regexp.MustCompile(`^arn:aws[a-z-]*:iam::(\d{12}|aws):(user|role|policy|root)(/[\w+=,.@/-]+)?$`)
	kubernetes    = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$`)
	kubernetesRow = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
)

// checkName says what is wrong with the name of a user (64 characters), a role (64) or a policy (128).
func checkName(kind, name string, most int) error {
	if !nameForm.MatchString(name) || len(name) > most {
		return fmt.Errorf("%q cannot be the name of a %s: IAM takes 1 to %d letters, digits and characters of +=,.@_-", name, kind, most)
	}
	return nil
}

// CheckARN says what is wrong with the ARN of one of these kinds: user, role, policy, root.
func CheckARN(what, arn string, kinds ...string) error {
	m := arnForm.FindStringSubmatch(arn)
	if m != nil {
		for _, kind := range kinds {
			if m[2] == kind && (m[3] != "" || kind == "root") {
				return nil
			}
		}
	}
	return fmt.Errorf("%s is %q: it must be the ARN of a %s, such as arn:aws:iam::111122223333:%s/name", what, arn, strings.Join(kinds, " or "), kinds[0])
}

// quoted is an argument of a shell.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// compact is a document on one line, as an argument of a shell.
func compact(d iam.Document) string {
	var b bytes.Buffer
	if err := json.Compact(&b, d.JSON()); err != nil {
		return quoted(string(d.JSON()))
	}
	return quoted(b.String())
}

// decoded is a document as IAM gives it: encoded like a part of a URL.
func decoded(text *string) (iam.Document, error) {
	if text == nil {
		return iam.Document{}, errors.New("IAM gave no document")
	}
	plain, err := url.QueryUnescape(strings.ReplaceAll(*text, "+", "%2B"))
	if err != nil {
		return iam.Document{}, err
	}
	return iam.Parse([]byte(plain))
}

// holder is who policies are attached to.
type holder struct {
	kind, name string // user or role
	fresh      bool   // the plan makes it
}

// policies makes and attaches all policies.
func (p *planner) policies(ctx context.Context, h holder, all []Policy) error {
	has := map[string]bool{}
	if !h.fresh {
		var err error
		if has, err = p.attached(ctx, h); err != nil {
			return err
		}
	}
	for _, policy := range all {
		arn := policy.ARN
		if arn == "" {
			if err := checkName("policy", policy.Name, 128); err != nil {
				return err
			}
			arn = p.arn("iam", "policy/"+policy.Name)
			if err := p.managed(ctx, arn, policy); err != nil {
				return err
			}
		}
		p.attach(h, arn, has[arn])
	}
	return nil
}

func (p *planner) attached(ctx context.Context, h holder) (map[string]bool, error) {
	has := map[string]bool{}
	if h.kind == "user" {
		pages := awsiam.NewListAttachedUserPoliciesPaginator(p.iam, &awsiam.ListAttachedUserPoliciesInput{UserName: &h.name})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, onboard.Explain(err, "listing the policies of "+h.name, "iam:ListAttachedUserPolicies")
			}
			for _, a := range page.AttachedPolicies {
				has[*a.PolicyArn] = true
			}
		}
		return has, nil
	}
	pages := awsiam.NewListAttachedRolePoliciesPaginator(p.iam, &awsiam.ListAttachedRolePoliciesInput{RoleName: &h.name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, onboard.Explain(err, "listing the policies of "+h.name, "iam:ListAttachedRolePolicies")
		}
		for _, a := range page.AttachedPolicies {
			has[*a.PolicyArn] = true
		}
	}
	return has, nil
}

func (p *planner) attach(h holder, arn string, has bool) {
	what := arn + " of " + h.kind + " " + h.name
	if has {
		p.exists(what, "The policy is attached.")
		return
	}
	s := &Step{Do: Attach, What: arn + " to " + h.kind + " " + h.name, Why: "So that the " + h.kind + " may do what the policy allows.",
		Command: fmt.Sprintf("aws iam attach-%s-policy --%s-name %s --policy-arn %s", h.kind, h.kind, h.name, arn)}
	if h.kind == "user" {
		s.action = "iam:AttachUserPolicy"
		s.run = func(ctx context.Context) error {
			_, err := p.iam.AttachUserPolicy(ctx, &awsiam.AttachUserPolicyInput{UserName: &h.name, PolicyArn: &arn})
			return err
		}
	} else {
		s.action = "iam:AttachRolePolicy"
		s.run = func(ctx context.Context) error {
			_, err := p.iam.AttachRolePolicy(ctx, &awsiam.AttachRolePolicyInput{RoleName: &h.name, PolicyArn: &arn})
			return err
		}
	}
	p.step(s)
}
