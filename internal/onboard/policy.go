package onboard

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sts"

	"outcrop/internal/iam"
)

// policyName is what the policies of a configuration are called, followed by who needs them.
const policyName = "outcrop-bedrock"

// managedPerRole is how many managed policies a role or user has at most.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html#reference_iam-quotas-entities
const managedPerRole = 10

// Policies are the least policies of all principals. It adds a note where they are too many to attach.
func (u *Uses) Policies(target iam.Target) ([]iam.Policy, error) {
	var out []iam.Policy
	taken := map[string]bool{}
	for _, p := range u.Principals {
		name := p.policyName()
		for n := 2; taken[name]; n++ {
			name = fmt.Sprintf("%s-of-%s", p.policyName(), accountOf(p.Role, n))
		}
		taken[name] = true
		policies, err := iam.Generate(p.Use, name, target)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.Name, err)
		}
		if len(policies) > managedPerRole {
			u.Notes = append(u.Notes, fmt.Sprintf("%s needs %d managed policies; AWS attaches %d to a role or user unless the quota is raised (20 at most). Serve fewer models with one identity: give upstreams roles of their own.",
				p.Name, len(policies), managedPerRole))
		}
		for _, policy := range policies {
			policy.Principal = p.Name
			out = append(out, policy)
		}
	}
	return out, nil
}

// longestName leaves room for the rest of a policy's name, which has 128 characters at most: "outcrop-bedrock-", an
// account and the number of a part.
const longestName = 90

func accountOf(role string, n int) string {
	if account := arnPart(role, 4); account != "" && n == 2 {
		return account
	}
	return fmt.Sprint(n)
}

func (p UsePrincipal) policyName() string {
	if p.Name == OwnIdentity {
		return policyName
	}
	words := strings.TrimPrefix(p.Name, "the owner of the ")
	if p.Role != "" {
		words = p.Role[strings.LastIndexByte(p.Role, '/')+1:]
	}
	words = strings.Join(strings.FieldsFunc(words, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_')
	}), "-")
	return policyName + "-" + words[:min(len(words), longestName)]
}

// Of is what a principal does that an ARN or a user's name stands for: a role that upstreams name, else the
// process's own identity, else the only one that is no role.
func (u *Uses) Of(arnOrName string) (UsePrincipal, error) {
	var others []UsePrincipal
	for _, p := range u.Principals {
		if p.Role != "" && p.Role == arnOrName || p.Name == OwnIdentity && !u.names(arnOrName) {
			return p, nil
		}
		if p.Role == "" {
			others = append(others, p)
		}
	}
	if len(others) == 1 {
		return others[0], nil
	}
	return UsePrincipal{}, errors.New("the configuration does not say which of its upstreams it is for: no upstream names the role, and none uses the process's own identity")
}

func (u *Uses) names(role string) bool {
	for _, p := range u.Principals {
		if p.Role != "" && p.Role == role {
			return true
		}
	}
	return false
}

// CallerAccount is the number of the account that the credentials are of.
func (a *Account) CallerAccount(ctx context.Context) (string, error) {
	who, err := sts.NewFromConfig(a.Config).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", explain(err, call{what: "asking STS who calls", region: a.Config.Region})
	}
	return *who.Account, nil
}
