package main

import (
	"github.com/spf13/cobra"

	"outcrop/internal/config"
)

func newConfigSchemaCommand() *cobra.Command {
	var settings bool
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of configuration files",
		Long: `Prints the JSON Schema (draft 2020-12) of aidial.config.json files as this program reads
them, for editors: name it in "$schema". It knows every field, its values and whether it is acted on.
What only several fields or files together tell, "outcrop config check" tells.`,
		Example: "  outcrop config schema > aidial.config.schema.json\n  outcrop config schema --settings > aidial.settings.schema.json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			schema := config.Schema
			if settings {
				schema = config.SettingsSchema
			}
			_, err := cmd.OutOrStdout().Write(schema())
			return err
		},
	}
	cmd.Flags().BoolVar(&settings, "settings", false, "print that of aidial.settings.json")
	return cmd
}
