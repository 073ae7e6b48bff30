package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"outcrop/internal/models"
)

// catalogueFlag adds the flag of a file that changes the model catalogue.
func catalogueFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVar(file, "catalogue", "", "JSON `FILE` of models that adds to the built-in catalogue or corrects it (docs/config.md)")
}

// loadCatalogue is the built-in catalogue, changed by a file if there is one.
func loadCatalogue(file string) (*models.Catalogue, error) {
	if file == "" {
		return models.Load()
	}
	override, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("--catalogue: %w", err)
	}
	catalogue, err := models.LoadWith(override)
	if err != nil {
		return nil, fmt.Errorf("--catalogue %s: %w", file, err)
	}
	return catalogue, nil
}
