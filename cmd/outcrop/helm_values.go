package main

import "github.com/spf13/cobra"

func newHelmValuesCommand(shared *helmFlags) *cobra.Command {
	_ = shared
	return &cobra.Command{Use: "values"}
}
