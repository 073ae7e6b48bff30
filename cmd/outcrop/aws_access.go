package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"outcrop/internal/onboard"
)

// accessFlags are the flags of outcrop aws access.
type accessFlags struct {
	form  string
	apply bool
	wait  time.Duration
}

func newAWSAccessCommand(f *awsFlags) *cobra.Command {
	var a accessFlags
	cmd := &cobra.Command{
		Use:   "access MODEL…",
		Short: "Get access to models: the use-case form and the agreements",
		Long: `Shows what stands between this account and the models, and what would be agreed to: the offer, its
terms and prices, and the use-case form that Anthropic wants once of an account. Nothing is sent and
nothing is agreed to without --apply. MODEL is the id of a model or of a profile, or its ARN.

It calls bedrock:ListFoundationModels, GetFoundationModelAvailability, GetUseCaseForModelAccess and
ListFoundationModelAgreementOffers, with --apply PutUseCaseForModelAccess and
CreateFoundationModelAgreement, which wants aws-marketplace:Subscribe and ViewSubscriptions.

Exit codes: 0 all models can be called; 1 the command could not do its work; 2 something is left to do.`,
		Example: `  outcrop aws access us.anthropic.claude-haiku-4-5-20251001-v1:0
  outcrop aws access anthropic.claude-haiku-4-5-20251001-v1:0 --form form.yaml --apply`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("no model: outcrop aws access MODEL…; outcrop aws models lists their ids")
			}
			return f.access(cmd, a, args)
		},
	}
	cmd.Flags().StringVar(&a.form, "form", "", "`FILE` with the use-case form, YAML or JSON: companyName, companyWebsite, intendedUsers, industryOption, otherIndustryOption, useCases")
	cmd.Flags().BoolVar(&a.apply, "apply", false, "send the form and make the agreements")
	cmd.Flags().DurationVar(&a.wait, "wait", 15*time.Minute, "with --apply: how long to wait for agreements")
	return cmd
}

func (f *awsFlags) access(cmd *cobra.Command, a accessFlags, args []string) error {
	form, err := readForm(a.form)
	if err != nil {
		return err
	}
	account, catalogue, err := f.account(cmd.Context(), cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	plan, err := onboard.PlanAccess(cmd.Context(), account, onboard.AccessInput{Models: args, Form: form, Catalogue: catalogue})
	if err != nil {
		return err
	}
	switch {
	case a.apply && plan.NeedsForm():
		if err := emit(cmd.OutOrStdout(), f.output, plan, plan.WriteText); err != nil {
			return err
		}
		return errors.New("--apply without --form FILE: the use-case form is missing, and nothing was written")
	case a.apply && !plan.Done():
		if err := f.apply(cmd, a, plan); err != nil {
			return err
		}
	}
	if err := emit(cmd.OutOrStdout(), f.output, plan, plan.WriteText); err != nil {
		return err
	}
	if !plan.Done() {
		return &exitError{exitFindings}
	}
	return nil
}

// apply prints the plan, on stderr so that stdout has one document, and does it.
func (f *awsFlags) apply(cmd *cobra.Command, a accessFlags, plan *onboard.AccessPlan) error {
	if _, err := io.WriteString(cmd.ErrOrStderr(), "The plan:\n\n"); err != nil {
		return err
	}
	if err := plan.WriteSteps(cmd.ErrOrStderr()); err != nil {
		return err
	}
	plan.Apply(cmd.Context())
	progress := newProgress(cmd.ErrOrStderr())
	defer progress.clear()
	return await(cmd.Context(), plan, a.wait, progress)
}

// await looks until no agreement is pending or the time is over.
func await(ctx context.Context, plan *onboard.AccessPlan, wait time.Duration, p *progress) error {
	end := time.NewTimer(wait)
	defer end.Stop()
	tick := time.NewTicker(min(max(wait/100, 20*time.Millisecond), 10*time.Second))
	defer tick.Stop()
	for begin := time.Now(); plan.Pending(); {
		select {
		case <-tick.C:
			plan.Look(ctx)
			p.show(fmt.Sprintf("waiting for the agreements, %s of %s", time.Since(begin).Round(time.Second), wait))
		case <-end.C:
			return nil
		case <-ctx.Done():
			return nil // what was done is printed
		}
	}
	return nil
}

func readForm(file string) (*onboard.UseCaseForm, error) {
	if file == "" {
		return nil, nil //nolint:nilnil // no form is no mistake
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("--form: %w", err)
	}
	form, err := onboard.ReadForm(data)
	if err != nil {
		return nil, fmt.Errorf("--form %s: %w", file, err)
	}
	return form, nil
}
