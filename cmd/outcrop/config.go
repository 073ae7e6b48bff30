package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"outcrop/internal/config"
)

func newConfigCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check configuration files, and write their models",
	}
	cmd.AddCommand(newConfigCheckCommand(), newConfigImportCommand(), newConfigSchemaCommand())
	return cmd
}

func newConfigCheckCommand() *cobra.Command {
	var options config.Options
	var output, file, settings string
	cmd := &cobra.Command{
		Use:   "check FILE|DIRECTORY...",
		Short: "Report every mistake in the files, and what they compile to",
		Long: `Reads aidial.config.json files (JSON or YAML) as "outcrop serve --config" does,
merges them in the order given, those of a directory by name, and prints what
they compile to and everything that is wrong with them. Model ids that the built-in catalogue knows nothing of, or
nothing good, are warnings. Keys and secrets are never shown.

With --settings the static settings are checked too, and the variables aidial.… of the environment.

The exit status is 1 when there is an error; warnings leave it at 0.`,
		Example: `  outcrop config check models.json keys.yaml
  outcrop config check --settings aidial.settings.json
  outcrop config check --output json aidial.config.json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			doubts, err := checkSettings(cmd.Flags(), settings, &args, &options)
			if err != nil {
				return err
			}
			files, err := source{paths: args}.files()
			if err != nil {
				return err
			}
			cfg, problems := &config.Config{}, []config.Problem(nil)
			if len(files) > 0 { // else the settings alone are checked
				cfg, problems = config.Load(files, options)
			}
			problems = append(problems, policyProblems(cfg, options.SkipInvalid)...)
			if options.SkipInvalid {
				problems = append(problems, leaveOutDefaults(cfg)...)
			}
			problems = append(problems, cfg.ExpiryProblems(time.Now())...)
			catalogue, err := loadCatalogue(file)
			if err != nil {
				return err
			}
			problems = append(problems, catalogueProblems(cfg, catalogue)...)
			problems = append(problems, defaultsProblems(cmd.Context(), cfg, catalogue)...)
			config.SortProblems(problems, files)
			problems = append(doubts, problems...)
			if err := writeReport(cmd.OutOrStdout(), output, cfg, problems); err != nil {
				return err
			}
			if config.HasErrors(problems) {
				return &exitError{1}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&options.OverwriteArrays, "overwrite-arrays", false, "let a list of a later file replace the earlier one instead of following it")
	invalidFlag(cmd.Flags(), &options.SkipInvalid)
	cmd.Flags().StringVar(&settings, "settings", "", "DIAL's static settings, a `FILE` like aidial.settings.json, to check too; it may name the configuration files")
	catalogueFlag(cmd, &file)
	cmd.Flags().StringVar(&output, "output", "text", "form of the report: text or json")
	return cmd
}

// configReport is the JSON form of the report.
type configReport struct {
	Errors   int              `json:"errors"`
	Warnings int              `json:"warnings"`
	Problems []config.Problem `json:"problems"`
	Compiled config.Compiled  `json:"compiled"`
	// Regions are where the prompts of each deployment may run; null is not known.
	Regions map[string][]string `json:"regions"`
	// Deployments are all that can be called, those of Compiled too, and who answers.
	Deployments []config.CompiledDeployment `json:"deployments"`
	// Skipped are the entities that are left out for their mistakes.
	Skipped []config.Skipped `json:"skipped,omitempty"`
}

func writeReport(w io.Writer, output string, cfg *config.Config, problems []config.Problem) error {
	report := configReport{
		Problems: append([]config.Problem{}, problems...), Compiled: cfg.Compile(), Regions: regionsOf(cfg),
		Deployments: cfg.CompileDeployments(), Skipped: cfg.Skipped,
	}
	for _, p := range problems {
		if p.Severity == config.Error {
			report.Errors++
		} else {
			report.Warnings++
		}
	}
	switch output {
	case "json":
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(report)
	case "text":
		return writeReportText(w, cfg, report)
	}
	return fmt.Errorf("--output is %q: it must be text or json", output)
}

// writeReportText puts what matters last, where a terminal shows it: what the
// files compile to, the problems, and how many there are.
func writeReportText(w io.Writer, cfg *config.Config, report configReport) error {
	if err := cfg.Dump(w); err != nil {
		return err
	}
	if err := writeDeployments(w, report.Deployments); err != nil {
		return err
	}
	if err := printRegions(w, cfg, report.Regions); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	for _, p := range report.Problems {
		if _, err := fmt.Fprintln(w, p); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%s, %s\n", counted(report.Errors, "error"), counted(report.Warnings, "warning"))
	return err
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
