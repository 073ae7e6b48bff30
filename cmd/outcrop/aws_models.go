package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"outcrop/internal/bedrock"
	"outcrop/internal/models"
	"outcrop/internal/onboard"
)

// modelsFlags are the flags of outcrop aws models.
type modelsFlags struct {
	provider, kind string
	callable       bool
	regions        []string
}

func newAWSModelsCommand(f *awsFlags) *cobra.Command {
	var m modelsFlags
	cmd := &cobra.Command{
		Use:   "models",
		Short: "What can be called from here: ids, access, limits, prices, lifecycle",
		Long: `Joins the foundation models and the inference profiles of one or more regions with what the
catalogue knows of them. The first column is what to write into a configuration.

It calls bedrock:ListFoundationModels, ListInferenceProfiles, GetFoundationModelAvailability and
GetUseCaseForModelAccess. What may not be asked is named, and the rest is shown.

Exit codes: 0 all regions answered; 1 none did, or the flags are wrong; 2 some did not.`,
		Example: `  outcrop aws models
  outcrop aws models --provider anthropic --callable --regions eu-west-1,eu-central-1
  outcrop aws models --kind embedding --regions all --output json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.models(cmd, m) },
	}
	cmd.Flags().StringVar(&m.provider, "provider", "", "only models of this `PROVIDER`, such as anthropic")
	cmd.Flags().StringVar(&m.kind, "kind", "", "only models of this kind: chat, embedding, image, video, speech, rerank")
	cmd.Flags().BoolVar(&m.callable, "callable", false, "only models that can be called now")
	cmd.Flags().StringSliceVar(&m.regions, "regions", nil, "regions to ask, with commas, or all (default: the region of --region or the environment)")
	return cmd
}

func (f *awsFlags) models(cmd *cobra.Command, m modelsFlags) error {
	kinds := []string{"", string(models.Chat), string(models.Embedding), string(models.Image), string(models.Video), string(models.Speech), string(models.Rerank)}
	if !slices.Contains(kinds, m.kind) {
		return fmt.Errorf("--kind is %q: it must be one of %s", m.kind, strings.Join(kinds[1:], ", "))
	}
	for _, region := range m.regions {
		if region != "all" && !bedrock.IsRegion(region) {
			return fmt.Errorf("--regions: %q is not an AWS region, which looks like us-east-1", region)
		}
	}
	if f.region == "" && len(m.regions) > 0 && m.regions[0] != "all" {
		f.region = m.regions[0]
	}
	account, catalogue, err := f.account(cmd.Context(), cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	regions := m.regions
	switch {
	case slices.Contains(regions, "all"):
		regions = onboard.Regions(account.Config.Region)
	case len(regions) == 0:
		regions = []string{account.Config.Region}
	}
	progress := newProgress(cmd.ErrOrStderr())
	found := onboard.ListModels(cmd.Context(), account, onboard.ModelsInput{
		Regions: regions, Provider: m.provider, Kind: m.kind, Callable: m.callable, Catalogue: catalogue, Now: time.Now(), Progress: progress.show,
	})
	progress.clear()
	if err := emit(cmd.OutOrStdout(), f.output, found, found.WriteText); err != nil {
		return err
	}
	return modelsExit(found)
}

// modelsExit tells a list with gaps from none at all.
func modelsExit(found onboard.Models) error {
	silent := map[string]bool{}
	for _, p := range found.Problems {
		if p.What == "ListFoundationModels" {
			silent[p.Region] = true
		}
	}
	switch {
	case len(silent) == len(found.Regions):
		return &exitError{exitFailed}
	case len(found.Problems) > 0:
		return &exitError{exitFindings}
	}
	return nil
}

// progress is one line on a terminal that says what is being done; on everything else nothing.
type progress struct {
	mu    sync.Mutex
	w     io.Writer // nil for nothing
	begin time.Time
	shown bool
}

// progressAfter is how long a command may take before it says what it does.
const progressAfter = time.Second

func newProgress(w io.Writer) *progress {
	p := &progress{begin: time.Now()}
	if file, ok := w.(*os.File); ok {
		if info, err := file.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			p.w = w
		}
	}
	return p
}

func (p *progress) show(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.w == nil || time.Since(p.begin) < progressAfter {
		return
	}
	if r := []rune(text); len(r) > 78 {
		text = string(r[:77]) + "…"
	}
	_, err := fmt.Fprintf(p.w, "\r\x1b[K%s", text)
	p.shown = err == nil
}

func (p *progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown {
		_, _ = io.WriteString(p.w, "\r\x1b[K") // a terminal that is gone needs no clearing
	}
}
