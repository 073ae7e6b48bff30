package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"outcrop/internal/bedrock"
	"outcrop/internal/models"
	"outcrop/internal/onboard"
)

// awsFlags are those that every command of outcrop aws has.
type awsFlags struct {
	output, region, profile, catalogue string
}

func newAWSCommand() *cobra.Command {
	var f awsFlags
	cmd := &cobra.Command{
		Use:   "aws",
		Short: "From an AWS account to a working deployment",
		Long: `Each step of the deployment at AWS: who calls, which models can be called, access to them,
the least policy, and the user or role that has it. Nothing is written to AWS without --apply.

Exit codes: 0 all is well; 1 the command could not do its work; 2 it did, and what it looked
at is not as it should be.`,
	}
	outputFlag(cmd, &f.output)
	cmd.PersistentFlags().StringVar(&f.region, "region", "", "AWS region (default: that of the environment or profile)")
	cmd.PersistentFlags().StringVar(&f.profile, "profile", "", "profile of the AWS configuration files (default: the usual chain of credentials)")
	cmd.PersistentFlags().StringVar(&f.catalogue, "catalogue", "", "`FILE` that changes or adds to what the built-in catalogue knows of models")
	cmd.AddCommand(newAWSWhoamiCommand(&f), newAWSModelsCommand(&f), newAWSAccessCommand(&f), newAWSPolicyCommand(&f), newAWSGrantCommand(&f))
	return cmd
}

// account opens the account of the flags. Warnings of the environment go to stderr.
func (f *awsFlags) account(ctx context.Context, stderr io.Writer) (*onboard.Account, *models.Catalogue, error) {
	if f.region != "" && !bedrock.IsRegion(f.region) {
		return nil, nil, fmt.Errorf("--region %q is not an AWS region, which looks like us-east-1", f.region)
	}
	catalogue, err := loadCatalogue(f.catalogue)
	if err != nil {
		return nil, nil, err
	}
	process, warnings, err := bedrock.Load(ctx, getenv, catalogue)
	for _, warning := range warnings {
		if _, err := fmt.Fprintln(stderr, "warning:", warning); err != nil {
			return nil, nil, err
		}
	}
	if err != nil {
		return nil, nil, err
	}
	account, err := onboard.Open(process, bedrock.Settings{Region: f.region, Profile: f.profile})
	switch {
	case errors.Is(err, bedrock.ErrNoRegion):
		err = errors.New("no AWS region: set AWS_REGION, or give --region us-east-1")
	case errors.Is(err, bedrock.ErrKeyOnly):
		err = fmt.Errorf("%w. Unset AWS_BEARER_TOKEN_BEDROCK for this command, or give --profile NAME", err)
	}
	return account, catalogue, err
}
