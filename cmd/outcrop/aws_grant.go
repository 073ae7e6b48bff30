package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"outcrop/internal/bedrock"
	"outcrop/internal/config"
	"outcrop/internal/grant"
	"outcrop/internal/iam"
	"outcrop/internal/onboard"
)

// grantFlags are those that every kind of grant has.
type grantFlags struct {
	*awsFlags
	configs                  []string
	merge                    config.Options
	policy, policyName       string
	marketplace, withInspect bool
	apply, replace, add      bool
}

func newAWSGrantCommand(shared *awsFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "grant",
		Short: "Give a policy to a user, a role or a service account",
		Long: `Plans who may call Bedrock: what is there, what is made and changed, each with the aws command that
does the same, and the manifests and Helm values that go with it. --apply carries the plan out. What exists
and differs is shown and left as it is, unless --replace is given.

The policy is the least for what a configuration uses (--config, as outcrop aws policy prints it), or
one of your own (--policy).

Exit codes: 0 all is well; 1 the command could not do its work; 2 something differs, and nothing was applied.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newGrantUserCommand(shared), newGrantAccountCommand(shared), newGrantRoleCommand(shared))
	return cmd
}

func (f *grantFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.configs, "config", nil, "DIAL configuration `FILE`, or a directory of them; repeat to merge several, later ones win")
	cmd.Flags().BoolVar(&f.merge.OverwriteArrays, "overwrite-arrays", false, "let a list of a later file replace the earlier one instead of following it")
	cmd.Flags().StringVar(&f.policy, "policy", "", "`FILE|ARN` of the policy, in place of --config")
	cmd.Flags().StringVar(&f.policyName, "policy-name", "", "`NAME` of the managed policy (default: outcrop- and the name of who gets it)")
	cmd.Flags().BoolVar(&f.marketplace, "marketplace", false, "add what an account's first call to a third party's model needs")
	cmd.Flags().BoolVar(&f.withInspect, "doctor", false, "add what outcrop doctor and outcrop aws read")
	cmd.Flags().BoolVar(&f.apply, "apply", false, "carry the plan out")
	cmd.Flags().BoolVar(&f.replace, "replace", false, "replace what exists and differs")
	cmd.Flags().BoolVar(&f.add, "add", false, "add to the trust policies of roles that trust others")
}

func (f *grantFlags) check() error {
	switch {
	case len(f.configs) == 0 && f.policy == "":
		return errors.New("which policy is not said: give --config aidial.config.json, or --policy FILE|ARN")
	case len(f.configs) > 0 && f.policy != "":
		return errors.New("--config and --policy together: leave one out")
	case strings.HasPrefix(f.policy, "arn:"):
		return grant.CheckARN("--policy", f.policy, "policy")
	case f.replace && f.add:
		return errors.New("--add and --replace together: one keeps whom the role trusts, the other does not; leave one out")
	}
	return nil
}

// input is what the plan is made of. kind and name are of who gets the policy.
func (f *grantFlags) input(ctx context.Context, kind, name string, stderr io.Writer) (grant.Input, error) {
	in := grant.Input{Replace: f.replace, Add: f.add, Profile: f.profile}
	if err := f.check(); err != nil {
		return in, err
	}
	account, catalogue, err := f.account(ctx, stderr)
	if err != nil {
		return in, err
	}
	if in.Number, err = account.CallerAccount(ctx); err != nil {
		return in, onboard.Explain(err, "asking STS who calls", "")
	}
	in.Account = account
	if f.policy != "" {
		policy, err := ownPolicy(f.policy, cmp.Or(f.policyName, "outcrop-"+name))
		in.Policies = []grant.Policy{policy}
		return in, err
	}
	cfg, err := f.load(stderr)
	if err != nil {
		return in, err
	}
	uses, err := onboard.UsesOf(ctx, cfg, onboard.UseOptions{
		Catalogue: catalogue, Region: account.Config.Region, AccountID: in.Number, Account: account, Marketplace: f.marketplace, Inspect: f.withInspect,
	})
	if err != nil {
		return in, fmt.Errorf("the policy cannot be written:\n%w", err)
	}
	in.Notes = uses.Notes
	holder := "arn:" + iam.Partition(account.Config.Region) + ":iam::" + in.Number + ":" + kind + "/" + name
	for _, p := range uses.Principals { // names of roles are unique in an account, whatever their path
		if kind == "role" && strings.HasPrefix(p.Role, strings.TrimSuffix(holder, name)) && strings.HasSuffix(p.Role, "/"+name) {
			holder, in.Path = p.Role, p.Role[strings.Index(p.Role, ":role/")+len(":role"):len(p.Role)-len(name)]
		}
	}
	return in, f.fill(&in, uses, cfg, holder)
}

// fill adds the policies that the configuration needs.
func (f *grantFlags) fill(in *grant.Input, uses *onboard.Uses, cfg *config.Config, holder string) error {
	if len(uses.Principals) == 0 {
		return errors.New("no model of the configuration is served by Bedrock: its endpoint is bedrock:<model id>")
	}
	to, err := uses.Of(holder)
	if err != nil {
		return err
	}
	name := cmp.Or(f.policyName, "outcrop-"+holder[strings.LastIndexByte(holder, '/')+1:])
	if in.Policies, err = documents(to.Use, name); err != nil || to.Role != "" {
		return err
	}
	assumed, notes := assumedBy(to.Name, cfg)
	in.Notes = append(in.Notes, notes...)
	in.Assumed, err = withPolicies(assumed, uses)
	return err
}

func documents(use iam.Use, name string) ([]grant.Policy, error) {
	made, err := iam.Generate(use, name, iam.Managed)
	var out []grant.Policy
	for _, p := range made {
		out = append(out, grant.Policy{Name: p.Name, Document: p.Document})
	}
	return out, err
}

// assumedBy are the roles that upstreams assume with the credentials of who is granted to, with notes about the
// upstreams that begin with others: the plan is not about those.
func assumedBy(name string, cfg *config.Config) (assumed []grant.Assumed, notes []string) {
	seen := map[string]bool{}
	for _, m := range cfg.Models {
		if m.Bedrock == "" || m.NotServed() != "" {
			continue
		}
		for _, u := range m.Upstreams {
			note := otherwise(name, m, u)
			switch {
			case u.Weight <= 0:
			case note != "":
				if !slices.Contains(notes, note) {
					notes = append(notes, note)
				}
			case u.AssumeRoleARN != "":
				for _, a := range chain(u) {
					if key := a.ARN + " " + a.ExternalID + " " + a.Caller; !seen[key] {
						seen[key] = true
						assumed = append(assumed, a)
					}
				}
			}
		}
	}
	return assumed, notes
}

// otherwise says how an upstream begins with other credentials than those of name; "" where it does not.
func otherwise(name string, m config.Model, u config.Upstream) string {
	source, first := onboard.Source(m, u), u.AssumeRoleARN
	if len(u.RoleChain) > 0 {
		first = u.RoleChain[0]
	}
	switch role := first[strings.LastIndexByte(first, '/')+1:]; {
	case first != "" && u.WebIdentityTokenFile != "":
		return fmt.Sprintf("models.%s: %s is assumed with the token in %s, so its trust policy has to name who issues that. This plan leaves it out. For a cluster's token: outcrop aws grant service-account NAMESPACE/NAME --role %s",
			m.Name, first, u.WebIdentityTokenFile, role)
	case source == name:
		return ""
	case first != "":
		return fmt.Sprintf("models.%s: %s is assumed by %s, which is not granted to here. This plan leaves the role out: outcrop aws grant role %s --trust ARN, with the ARN of that identity.", m.Name, first, source, role)
	}
	return fmt.Sprintf("models.%s is called by %s, which is not granted to here: outcrop aws policy prints what that one needs.", m.Name, source)
}

// withPolicies adds what each role does.
func withPolicies(out []grant.Assumed, uses *onboard.Uses) ([]grant.Assumed, error) {
	for i := range out {
		for _, p := range uses.Principals {
			if p.Role != out[i].ARN {
				continue
			}
			var err error
			if out[i].Policies, err = documents(p.Use, "outcrop-"+p.Role[strings.LastIndexByte(p.Role, '/')+1:]); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// chain is one role after the other; the external id is for the last.
func chain(u config.Upstream) []grant.Assumed {
	var out []grant.Assumed
	caller := ""
	for _, role := range u.RoleChain {
		out = append(out, grant.Assumed{ARN: role, Caller: caller})
		caller = role
	}
	return append(out, grant.Assumed{ARN: u.AssumeRoleARN, ExternalID: u.ExternalID, Caller: caller})
}

func (f *grantFlags) load(stderr io.Writer) (*config.Config, error) {
	cfg, problems, err := source{paths: f.configs, merge: f.merge}.load()
	if err != nil || !config.HasErrors(problems) {
		return cfg, err
	}
	for _, p := range problems {
		if p.Severity == config.Error {
			if _, err := fmt.Fprintln(stderr, p); err != nil {
				return nil, err
			}
		}
	}
	return nil, errors.New("the configuration has mistakes: correct them first (outcrop config check shows all)")
}

// ownPolicy is one of the operator's own.
func ownPolicy(source, name string) (grant.Policy, error) {
	if strings.HasPrefix(source, "arn:") {
		return grant.Policy{ARN: source}, nil
	}
	data, err := os.ReadFile(source)
	if err != nil {
		return grant.Policy{}, fmt.Errorf("--policy: %w", err)
	}
	document, err := iam.Parse(data)
	if err != nil {
		return grant.Policy{}, fmt.Errorf("--policy %s: %w", source, err)
	}
	return grant.Policy{Name: name, Document: document}, nil
}

// finish prints a plan, and carries it out where that was asked for.
func (f *grantFlags) finish(ctx context.Context, plan *grant.Plan, out io.Writer, stderr io.Writer) error {
	if !f.apply || plan.Blocked() {
		if err := emit(out, f.output, plan, plan.WriteText); err != nil {
			return err
		}
		if plan.Blocked() {
			return &exitError{exitFindings}
		}
		return nil
	}
	text := f.output == "text"
	if text {
		if err := plan.WriteSteps(out); err != nil {
			return err
		}
	}
	failed := plan.Apply(ctx, func(s *grant.Step) {
		_, _ = fmt.Fprintf(stderr, "%s: %s %s\n", s.Became, s.Do, s.What)
	})
	if err := emit(out, f.output, plan, plan.WriteRest); err != nil {
		return err
	}
	return failed
}

// grantRegion is the region for values, where AWS is not asked.
func (f *grantFlags) grantRegion() (string, error) {
	region, _ := bedrock.Region(getenv)
	if region = cmp.Or(f.region, region); region == "" {
		return "", errors.New("no AWS region: set AWS_REGION, or give --region us-east-1")
	}
	return region, nil
}
