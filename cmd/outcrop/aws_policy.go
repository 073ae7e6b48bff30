package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"outcrop/internal/bedrock"
	"outcrop/internal/config"
	"outcrop/internal/iam"
	"outcrop/internal/onboard"
)

type policyFlags struct {
	*awsFlags
	configs                                []string
	merge                                  config.Options
	accountID, format, target, diff        string
	offline, why, marketplace, withInspect bool
}

func newAWSPolicyCommand(shared *awsFlags) *cobra.Command {
	f := policyFlags{awsFlags: shared}
	cmd := &cobra.Command{
		Use:   "policy --config FILE...",
		Short: "The least IAM policy for what a configuration uses",
		Long: `Prints the least IAM policies for exactly what a configuration uses: one for the process's own
identity, and one for each role, profile or key that upstreams name. With credentials, the account is
asked where its inference profiles send calls (bedrock:GetInferenceProfile); without, or with
--offline, the regions are those that AWS documents.

With --diff, the policies of a role or user are read and judged instead: what is missing, as
statements to add, and what is wider than needed. Nothing is written to AWS.

Exit codes: 0 all is well; 1 the command could not do its work; 2 --diff found permissions missing.`,
		Example: `  outcrop aws policy --config aidial.config.json --account 111122223333 --region eu-west-1 --why
  outcrop aws policy --config aidial.config.json --format terraform > policy.tf
  outcrop aws policy --config aidial.config.json --diff arn:aws:iam::111122223333:role/dial-bedrock`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringArrayVar(&f.configs, "config", nil, "DIAL configuration `FILE`, or a directory of them; repeat to merge several, later ones win")
	cmd.Flags().BoolVar(&f.merge.OverwriteArrays, "overwrite-arrays", false, "let a list of a later file replace the earlier one instead of following it")
	cmd.Flags().StringVar(&f.accountID, "account", "", "`NUMBER` of the account, 12 digits (default: that of the credentials)")
	cmd.Flags().BoolVar(&f.offline, "offline", false, "ask AWS nothing")
	cmd.Flags().StringVar(&f.format, "format", "json", "form of the policies: json, terraform or cloudformation")
	cmd.Flags().StringVar(&f.target, "for", "managed", "what the policies are attached as: managed, or inline in a role or user; decides how large they may be")
	cmd.Flags().BoolVar(&f.why, "why", false, "say why each statement is there")
	cmd.Flags().BoolVar(&f.marketplace, "marketplace", false, "add what an account's first call to a third party's model needs")
	cmd.Flags().BoolVar(&f.withInspect, "doctor", false, "add what outcrop doctor and outcrop aws read")
	cmd.Flags().StringVar(&f.diff, "diff", "", "judge the policies of this `ROLE-ARN|USER` instead")
	return cmd
}

var accountNumber = regexp.MustCompile(`^\d{12}$`)

func (f *policyFlags) check() error {
	switch {
	case len(f.configs) == 0:
		return errors.New("no configuration: give --config aidial.config.json")
	case f.accountID != "" && !accountNumber.MatchString(f.accountID):
		return fmt.Errorf("--account is %q: it must be 12 digits, such as 111122223333", f.accountID)
	case f.format != "json" && f.format != "terraform" && f.format != "cloudformation":
		return fmt.Errorf("--format is %q: it must be json, terraform or cloudformation", f.format)
	case f.target != "managed" && f.target != "role" && f.target != "user":
		return fmt.Errorf("--for is %q: it must be managed, role or user", f.target)
	case f.offline && f.diff != "":
		return errors.New("--offline and --diff together: the policies that a role or user has are read from AWS; leave one out")
	case f.output != "text" && f.format != "json":
		return fmt.Errorf("--output %s and --format %s together: leave one out", f.output, f.format)
	}
	return nil
}

func (f *policyFlags) run(ctx context.Context, stdout, stderr io.Writer) error {
	if err := f.check(); err != nil {
		return err
	}
	files, err := source{paths: f.configs}.files()
	if err != nil {
		return err
	}
	cfg, problems := config.Load(files, f.merge)
	if config.HasErrors(problems) {
		for _, p := range problems {
			if p.Severity == config.Error {
				if _, err := fmt.Fprintln(stderr, p); err != nil {
					return err
				}
			}
		}
		return errors.New("the configuration has mistakes: correct them first (outcrop config check shows all)")
	}
	uses, account, err := f.uses(ctx, cfg, stderr)
	if err != nil {
		return err
	}
	if len(uses.Principals) == 0 {
		return errors.New("no model of the configuration is served by Bedrock: its endpoint is bedrock:<model id>")
	}
	if f.diff != "" {
		return f.compare(ctx, uses, account, stdout)
	}
	policies, err := uses.Policies(iam.Target(f.target))
	if err != nil {
		return err
	}
	return f.print(policies, uses.Notes, stdout, stderr)
}

// askTimeout is how long the account is waited for, where its answer is not necessary.
const askTimeout = 30 * time.Second

// uses is what the configuration does, with what the account says where it can be asked.
func (f *policyFlags) uses(ctx context.Context, cfg *config.Config, stderr io.Writer) (*onboard.Uses, *onboard.Account, error) {
	catalogue, err := loadCatalogue(f.catalogue)
	if err != nil {
		return nil, nil, err
	}
	region, _ := bedrock.Region(getenv)
	o := onboard.UseOptions{Catalogue: catalogue, Region: region, AccountID: f.accountID, Marketplace: f.marketplace, Inspect: f.withInspect}
	if f.region != "" {
		o.Region = f.region
	}
	var account *onboard.Account
	why := "--offline"
	if !f.offline {
		account, why, err = f.caller(ctx, cfg, &o, stderr)
		if err != nil {
			return nil, nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	uses, err := onboard.UsesOf(ctx, cfg, o)
	if err != nil {
		return nil, nil, fmt.Errorf("the policy cannot be written:\n%w", err)
	}
	if o.Account == nil {
		uses.Notes = append(uses.Notes, "AWS was not asked: "+why+".")
	}
	return uses, account, nil
}

// caller opens the account of the credentials, if there are any: a policy can be written without.
func (f *policyFlags) caller(ctx context.Context, cfg *config.Config, o *onboard.UseOptions, stderr io.Writer) (*onboard.Account, string, error) {
	flags := *f.awsFlags
	if flags.region == "" && o.Region == "" {
		flags.region = anyRegion(cfg)
	}
	account, _, err := flags.account(ctx, stderr)
	number := ""
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		number, err = account.CallerAccount(ctx)
	}
	switch {
	case err != nil && f.diff != "":
		return nil, "", fmt.Errorf("--diff reads policies from AWS: %w", err)
	case err != nil:
		return nil, "no credentials that work (" + firstLine(err.Error()) + ")", nil
	case o.AccountID != "" && o.AccountID != number:
		return account, "the credentials are of account " + number + ", not of --account " + o.AccountID, nil
	}
	o.AccountID, o.Account = number, account
	return account, "", nil
}

// anyRegion is one that the configuration names, for services that have the same answers in all.
func anyRegion(cfg *config.Config) string {
	for _, m := range cfg.Models {
		if u, ok := m.Upstream(); ok && m.Bedrock != "" && m.Region(u) != "" {
			return m.Region(u)
		}
	}
	return ""
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// policyDocument is the form of --output json and yaml.
type policyDocument struct {
	Policies []iam.Policy `json:"policies"`
	Notes    []string     `json:"notes,omitempty"`
}

// print writes the policies to stdout, and what is to be said about them to stderr, so that stdout can go into
// a file.
func (f *policyFlags) print(policies []iam.Policy, notes []string, stdout, stderr io.Writer) error {
	if f.output != "text" {
		return emit(stdout, f.output, policyDocument{policies, notes}, nil)
	}
	for _, note := range notes {
		if _, err := fmt.Fprintln(stderr, "note:", note); err != nil {
			return err
		}
	}
	var b bytes.Buffer
	switch target := iam.Target(f.target); f.format {
	case "terraform":
		b.Write(iam.Terraform(policies, target))
	case "cloudformation":
		b.Write(iam.CloudFormation(policies, target))
	default:
		f.text(&b, policies)
	}
	_, err := stdout.Write(b.Bytes())
	return err
}

// text is one policy as it goes into a file, or several with a line before each.
func (f *policyFlags) text(b *bytes.Buffer, policies []iam.Policy) {
	for i, p := range policies {
		if len(policies) > 1 || f.why {
			if i > 0 {
				b.WriteString("\n")
			}
			fmt.Fprintf(b, "# %s, for %s: %d of %d characters\n", p.Name, p.Principal, p.Document.Size(), iam.Target(f.target).Limit())
		}
		b.Write(p.Document.JSON())
		if f.why {
			for _, r := range p.Why {
				fmt.Fprintf(b, "# %s: %s\n", r.Sid, r.Why)
			}
		}
	}
}

// compare prints what a role or user has against what it needs.
func (f *policyFlags) compare(ctx context.Context, uses *onboard.Uses, account *onboard.Account, stdout io.Writer) error {
	principal, err := uses.Of(f.diff)
	if err != nil {
		return fmt.Errorf("--diff %s: %w", f.diff, err)
	}
	held, notes, err := account.HeldPolicies(ctx, f.diff)
	if err != nil {
		return err
	}
	c := onboard.Compare(principal, f.diff, held)
	c.Notes = slices.Concat(notes, uses.Notes)
	if err := emit(stdout, f.output, c, func(w io.Writer) error { return writeComparison(w, c) }); err != nil {
		return err
	}
	if len(c.Verdict.Off) > 0 {
		return &exitError{exitFindings}
	}
	return nil
}

func writeComparison(w io.Writer, c onboard.Comparison) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s, compared with what %s needs\n\n", c.Holder, c.Principal)
	if len(c.Policies) == 0 {
		b.WriteString("It has no policies.\n")
	}
	for _, h := range c.Policies {
		fmt.Fprintf(&b, "has       %s (%s)\n", h.Name, h.From)
	}
	for _, t := range c.Wide {
		fmt.Fprintf(&b, "wider     %s: %s\n", strings.TrimSuffix(t.Policy+" "+t.Sid, " "), t.Why)
	}
	for _, sid := range c.Verdict.Denied {
		fmt.Fprintf(&b, "denied    by %s: take that statement back, adding others does not help\n", sid)
	}
	for _, operator := range c.Verdict.Unknown {
		fmt.Fprintf(&b, "unknown   the condition operator %s was taken as not fulfilled\n", operator)
	}
	if len(c.Verdict.Hangs) > 0 {
		fmt.Fprintf(&b, "hangs     on the condition keys %s, which AWS knows when a call comes: taken as fitting\n", strings.Join(c.Verdict.Hangs, ", "))
	}
	for _, off := range c.Verdict.Off {
		fmt.Fprintf(&b, "missing   for %s: %s\n", off.Feature, off.Means)
	}
	for _, note := range c.Notes {
		fmt.Fprintf(&b, "note      %s\n", note)
	}
	switch {
	case len(c.Verdict.Off) == 0:
		b.WriteString("\nEverything that the configuration needs is allowed.\n")
	case c.Verdict.Serves:
		b.WriteString("\nEnough to serve. To have the rest, add:\n\n")
	default:
		b.WriteString("\nNot enough to serve. Add:\n\n")
	}
	if len(c.Verdict.Off) > 0 {
		add := iam.Document{Version: iam.PolicyVersion}
		for _, off := range c.Verdict.Off {
			add.Statement = append(add.Statement, off.Missing.Statement...)
		}
		b.Write(add.JSON())
	}
	_, err := w.Write(b.Bytes())
	return err
}
