package main

import (
	"time"

	"github.com/spf13/cobra"

	"outcrop/internal/bedrock"
	"outcrop/internal/onboard"
)

func newAWSWhoamiCommand(f *awsFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "whoami",
		Short: "As whom AWS is called from here, and in which region",
		Long: `Prints the account and the principal, where the credentials and the region come from, when the
credentials expire, and what about them may not be as it was meant. A Bedrock API key is read
without a call: which key made it, for which region, until when.

Exit codes: 0 it is known who calls; 1 it is not (what is known is printed); 2 it is, but calls go out
as somebody else or elsewhere than the environment seems to say.`,
		Example: `  outcrop aws whoami
  outcrop aws whoami --profile production --output json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.whoami(cmd) },
	}
}

func (f *awsFlags) whoami(cmd *cobra.Command) error {
	in := onboard.WhoamiInput{Getenv: getenv, Settings: bedrock.Settings{Region: f.region, Profile: f.profile}, Now: time.Now()}
	catalogue, err := loadCatalogue(f.catalogue)
	if err != nil {
		return err
	}
	// The warnings are told by whoami in its own words.
	in.Process, _, in.Problem = bedrock.Load(cmd.Context(), getenv, catalogue)
	who := onboard.AskWhoami(cmd.Context(), in)
	if err := emit(cmd.OutOrStdout(), f.output, who, who.WriteText); err != nil {
		return err
	}
	switch {
	case who.Problem != nil:
		return &exitError{exitFailed}
	case who.Wrong():
		return &exitError{exitFindings}
	}
	return nil
}
