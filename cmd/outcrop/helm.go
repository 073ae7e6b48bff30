package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"outcrop/charts"
	"outcrop/internal/helm"
)

// helmFlags are those that every command of outcrop helm has.
type helmFlags struct {
	output, release, namespace string
}

func newHelmCommand() *cobra.Command {
	var f helmFlags
	cmd := &cobra.Command{
		Use:   "helm",
		Short: "Write and check the values of Helm charts",
		Long: `Values for Outcrop's own chart and for AI DIAL's umbrella chart, written and checked.
No command of these asks a cluster or AWS.

Exit codes: 0 all is well; 1 the command could not do its work; 2 it did, and the values
have errors.`,
	}
	outputFlag(cmd, &f.output)
	cmd.PersistentFlags().StringVar(&f.release, "release", "", "name of the Helm release, the first part of the names of Services (default: outcrop, or dial for DIAL's chart)")
	cmd.PersistentFlags().StringVar(&f.namespace, "namespace", "", "namespace of the release")
	cmd.AddCommand(newHelmValuesCommand(&f), newHelmLintCommand(&f))
	return cmd
}

type helmLintFlags struct {
	*helmFlags
	chart     string
	configs   []string
	catalogue string
}

func newHelmLintCommand(shared *helmFlags) *cobra.Command {
	f := helmLintFlags{helmFlags: shared}
	cmd := &cobra.Command{
		Use:   "lint FILE...",
		Short: "Find what is wrong with values files, before Helm does or does not",
		Long: `Reads values files as Helm does (several are merged in the order given) and reports what Helm
refuses, what it drops without a word, and what deploys something else than it says: null sections,
indentation, unknown keys, regions and credentials that do not reach the pod, keys in values, wrong
hosts and ports, roles that are none, models that AWS does not serve. Goes on after a mistake in the
YAML. Every finding has a code, a place, and what to type.

Exit codes: 0 no errors (there may be warnings); 1 a file could not be read; 2 errors were found.`,
		Example: `  outcrop helm lint values.yaml
  outcrop helm lint values.yaml values-prod.yaml --release dial --config aidial.config.json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(args, cmd.OutOrStdout()) },
	}
	cmd.Flags().StringVar(&f.chart, "chart", helm.ChartAuto, "chart the values are for: outcrop, dial, or auto")
	cmd.Flags().StringArrayVar(&f.configs, "config", nil, "DIAL configuration `FILE` that goes with the values: its hosts and models are checked too; repeatable")
	catalogueFlag(cmd, &f.catalogue)
	return cmd
}

func (f helmLintFlags) run(args []string, out io.Writer) error {
	catalogue, err := loadCatalogue(f.catalogue)
	if err != nil {
		return err
	}
	schema, err := helm.SchemaOf(charts.FS)
	if err != nil {
		return err
	}
	files, err := readFiles(args)
	if err != nil {
		return err
	}
	configs, err := readFiles(f.configs)
	if err != nil {
		return err
	}
	findings, err := helm.Lint(files, helm.LintOptions{
		Chart: f.chart, Configs: configs, Release: f.release, Namespace: f.namespace,
		Schema: schema, Catalogue: catalogue, Today: time.Now().UTC().Format(time.DateOnly),
	})
	if err != nil {
		return err
	}
	report := newHelmReport(findings)
	if err := emit(out, f.output, report, report.text); err != nil {
		return err
	}
	if helm.HasErrors(findings) {
		return &exitError{exitFindings}
	}
	return nil
}

// readFiles reads them whole; - is not one.
func readFiles(names []string) (out []helm.File, err error) {
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		out = append(out, helm.File{Name: name, Data: data})
	}
	return out, nil
}

// helmReport is what outcrop helm lint found.
type helmReport struct {
	Errors   int            `json:"errors"`
	Warnings int            `json:"warnings"`
	Notes    int            `json:"notes"`
	Findings []helm.Finding `json:"findings"`
}

func newHelmReport(findings []helm.Finding) helmReport {
	r := helmReport{Findings: append([]helm.Finding{}, findings...)}
	for _, f := range findings {
		switch f.Severity {
		case helm.Error:
			r.Errors++
		case helm.Warning:
			r.Warnings++
		default:
			r.Notes++
		}
	}
	return r
}

func (r helmReport) text(w io.Writer) error {
	if err := helm.WriteFindings(w, r.Findings); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%s, %s, %s\n", counted(r.Errors, "error"), counted(r.Warnings, "warning"), counted(r.Notes, "note"))
	return err
}
