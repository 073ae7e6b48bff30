package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"outcrop/internal/doctor"
)

// doctorFlags are the flags of outcrop doctor.
type doctorFlags struct {
	configs   []string
	overwrite bool
	adapter   bool
	models    []string // --model
	region    string
	profile   string
	catalogue string

	output     string
	json       bool
	probe      string
	maxCost    float64
	only       []string
	timeout    time.Duration
	expectRole string
	strict     bool
}

const doctorLong = `Looks at everything that a deployment needs, changes nothing, and says what is wrong and what to
type: the configuration, the environment, the credentials of every upstream, a service account's
token, the way to AWS and the clock, who calls, every model, the permissions, and what will go
wrong soon. docs/doctor.md lists all that it can find.

Models are asked for one token (--probe paid, the default: about a thousandth of a cent each; an
image, or whatever goes over --max-cost, is tried without being paid for). --probe free has AWS
judge calls that it cannot answer. --probe none tries no model.

Without --config the environment's own credentials are looked at, with the models of --model.

Exit codes: 0 nothing wrong (warnings are allowed, unless --strict makes them 7); 1 the command
could not do its work; and of the first class with an error: 2 configuration or environment,
3 credentials, 4 network, 5 permissions or access, 6 a model; 130 interrupted.`

func newDoctorCommand() *cobra.Command {
	var f doctorFlags
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Verify a deployment: configuration, credentials, network, permissions, models",
		Long:  doctorLong,
		Example: `  outcrop doctor --config aidial.config.json
  outcrop doctor --adapter --model us.amazon.nova-lite-v1:0
  outcrop doctor --config /etc/outcrop --strict --expect-role arn:aws:iam::111122223333:role/dial
  outcrop doctor --only network,sts --output json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	outputFlag(cmd, &f.output)
	flags := cmd.Flags()
	flags.StringArrayVar(&f.configs, "config", nil, "DIAL configuration `FILE`, or a directory of them; repeat to merge several, later ones win")
	flags.BoolVar(&f.overwrite, "overwrite-arrays", false, "let a list of a later file replace the earlier one, as serve does with it")
	flags.BoolVar(&f.adapter, "adapter", false, "look at the environment of outcrop adapter")
	flags.StringArrayVar(&f.models, "model", nil, "model `ID` or ARN to try with the environment's credentials; repeatable")
	flags.StringVar(&f.region, "region", "", "region for --model (default: the environment's)")
	flags.StringVar(&f.profile, "profile", "", "profile of the AWS configuration files for --model")
	catalogueFlag(cmd, &f.catalogue)
	flags.BoolVar(&f.json, "json", false, "short for --output json")
	flags.StringVar(&f.probe, "probe", string(doctor.ProbePaid), "how models are tried: none, free or paid")
	flags.Float64Var(&f.maxCost, "max-cost", 0.01, "most that the probes may cost, in `USD`")
	flags.StringSliceVar(&f.only, "only", nil, "`CLASS`es to check, with commas between (default all)")
	flags.DurationVar(&f.timeout, "timeout", 30*time.Second, "time that one check may take")
	flags.StringVar(&f.expectRole, "expect-role", "", "`ARN` of the role that the process should have (default: AWS_ROLE_ARN)")
	flags.BoolVar(&f.strict, "strict", false, "let warnings fail, with exit code 7")
	return cmd
}

// run checks, reports, and ends with the report's exit code.
func (f *doctorFlags) run(ctx context.Context, stdout, stderr io.Writer) error {
	if f.json {
		f.output = "json"
	}
	if err := f.check(); err != nil {
		return err
	}
	env, err := f.environment(ctx)
	if err != nil {
		return err
	}
	progress := newDoctorProgress(stderr)
	if cost := doctor.Estimate(env, f.only); cost > 0 && f.output == "text" {
		if _, err := fmt.Fprintf(stderr, "The probes of the models cost about $%.5f (--probe free costs nothing).\n", cost); err != nil {
			return err
		}
	}
	report, err := doctor.Run(ctx, env, doctor.Options{Only: f.only, Timeout: f.timeout, Progress: progress.tell})
	progress.end()
	if err != nil {
		return err
	}
	if err := emit(stdout, f.output, report, report.WriteText); err != nil {
		return err
	}
	if code := report.Exit(f.strict); code != doctor.ExitWell {
		return &exitError{code}
	}
	return nil
}

// check refuses flags that make no sense, before anybody is asked.
func (f *doctorFlags) check() error {
	switch {
	case !slices.Contains([]string{"text", "json", "yaml"}, f.output):
		return fmt.Errorf("--output is %q: it must be text, json or yaml", f.output)
	case !slices.Contains([]doctor.Probe{doctor.ProbeNone, doctor.ProbeFree, doctor.ProbePaid}, doctor.Probe(f.probe)):
		return fmt.Errorf("--probe is %q: it must be none, free or paid", f.probe)
	case f.timeout <= 0:
		return errors.New("--timeout must be positive, such as 30s")
	case !(f.maxCost >= 0): // NaN is neither
		return fmt.Errorf("--max-cost is %v: it must be an amount in USD, such as 0.01", f.maxCost)
	case f.adapter && len(f.configs) > 0:
		return errors.New("--adapter and --config together: the adapter has no configuration; name its models with --model")
	case len(f.configs) > 0 && (len(f.models) > 0 || f.region != "" || f.profile != ""):
		return errors.New("--model, --region and --profile are for a check without --config: a configuration names its own")
	case f.expectRole != "" && !doctor.IsRoleARN(f.expectRole):
		return fmt.Errorf("--expect-role is %q: it must be the ARN of a role, arn:aws:iam::<12 digits>:role/<name>", f.expectRole)
	}
	return nil
}
