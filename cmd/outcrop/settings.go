package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"time"

	"github.com/spf13/pflag"

	"outcrop/internal/config"
)

// onInvalid is the flag --on-invalid-entity: what a mistake in one entity does.
type onInvalid bool

func (o *onInvalid) String() string {
	if *o {
		return "skip"
	}
	return "abort"
}

func (o *onInvalid) Type() string { return "WORD" }

// Set takes abort or skip.
func (o *onInvalid) Set(word string) error {
	if word != "abort" && word != "skip" {
		return fmt.Errorf("%q is neither abort (nothing is served) nor skip (all but that entity is)", word)
	}
	*o = word == "skip"
	return nil
}

// settingsFlag adds the flag of DIAL's static settings.
func settingsFlag(flags *pflag.FlagSet, file *string) {
	flags.StringVar(file, "settings", "", "DIAL's static settings, a `FILE` like aidial.settings.json; without it AIDIAL_SETTINGS names one. Variables aidial.… go before the file, flags before both")
}

// invalidFlag adds the flag of what a mistake in one entity does.
func invalidFlag(flags *pflag.FlagSet, skip *bool) {
	flags.Var((*onInvalid)(skip), "on-invalid-entity", "what a mistake in one model, key, role … does: abort (nothing is served) or skip (all but that)")
}

// settle reads the static settings and puts what they say where no flag says anything. They hold for the life of
// the process, so that a mistake ends it: all are printed.
func (f *serveFlags) settle(flags *pflag.FlagSet, environ []string, stderr io.Writer) error {
	settings, problems := config.LoadSettings(f.settings, environ)
	if config.HasErrors(problems) {
		return errors.Join(printProblems(stderr, problems), errors.New("the settings have errors, nothing is served"))
	}
	f.stated, f.doubts = settings, problems
	settleFiles(flags, settings, &f.configs, &f.merge)
	if f.promptLog != "" {
		settings.PromptLog.File = f.promptLog
	}
	if !flags.Changed("metrics-listen") && settings.MetricsPort > 0 {
		f.metrics = ":" + strconv.Itoa(settings.MetricsPort)
	}
	if !flags.Changed("config-poll") && settings.Reload > 0 {
		f.poll = settings.Reload
	}
	if !flags.Changed("listen") && settings.Port > 0 {
		f.listen = ":" + strconv.Itoa(settings.Port)
	}
	return nil
}

// settleFiles is what the settings say of the configuration files, where no flag does.
func settleFiles(flags *pflag.FlagSet, settings *config.Settings, files *[]string, options *config.Options) {
	if len(*files) == 0 {
		*files = settings.Files
	}
	options.TokenRoles = len(settings.Providers) > 0
	if !flags.Changed("overwrite-arrays") {
		options.OverwriteArrays = settings.OverwriteArrays
	}
	if !flags.Changed("on-invalid-entity") {
		options.SkipInvalid = settings.SkipInvalid
	}
}

// nothingNamed is the error of who names no configuration. Files are never picked up because they lie there: what a
// server serves must not depend on where it is started.
func nothingNamed() error {
	for _, name := range []struct{ file, flag string }{{config.DefaultSettingsFile, "--settings"}, {"aidial.config.json", "--config"}} {
		if _, err := os.Stat(name.file); err == nil {
			return fmt.Errorf("nothing to serve: a file %s is here, but none is read that is not named: outcrop serve %s %s", name.file, name.flag, name.file)
		}
	}
	return errors.New("nothing to serve: give --config FILE, or --sandbox to try it without AWS")
}

// settingsOf are the settings of the flags; of those that nobody settled, what is built in.
func (f serveFlags) settingsOf() *config.Settings {
	if f.stated != nil {
		return f.stated
	}
	settings, _ := config.LoadSettings("", nil)
	return settings
}

// idleTimeout is how long an idle connection of a client is kept.
func (f serveFlags) idleTimeout() time.Duration {
	if stated := f.settingsOf().IdleTimeout; stated > 0 {
		return stated
	}
	return idleTimeout
}

// logDoubts tells what is doubtful about the settings.
func (f serveFlags) logDoubts(log *slog.Logger) {
	for _, p := range f.doubts {
		log.Warn("settings", "warning", p.String())
	}
}

// load reads the configuration, with what only the catalogue and the clock tell of it.
func (l *live) load() (*config.Config, []config.Problem, error) {
	cfg, problems, err := l.source.load()
	if err != nil {
		return nil, nil, err
	}
	problems = append(problems, policyProblems(cfg, l.source.merge.SkipInvalid)...)
	if l.source.merge.SkipInvalid {
		problems = append(problems, leaveOutDefaults(cfg)...)
	}
	return cfg, append(problems, cfg.ExpiryProblems(time.Now())...), nil
}

// checkSettings reads the settings for config check: with --settings they say what no flag and no argument does.
func checkSettings(flags *pflag.FlagSet, file string, files *[]string, options *config.Options) ([]config.Problem, error) {
	if !flags.Changed("settings") {
		if len(*files) == 0 {
			return nil, errors.New("nothing to check: name a configuration file, or --settings FILE")
		}
		return nil, nil
	}
	settings, problems := config.LoadSettings(file, os.Environ())
	settleFiles(flags, settings, files, options)
	if len(*files) == 0 {
		problems = append(problems, config.Problem{Severity: config.Warning, File: file, Path: "config.files", Message: "the settings name no configuration file, and no argument does", Remedy: "add config.files, or name the files after the flags"})
	}
	return problems, nil
}
