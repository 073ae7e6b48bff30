package main

import (
	"context"
	"slices"
	"time"

	"outcrop/internal/auth"
	"outcrop/internal/config"
	"outcrop/internal/gateway"
)

// outcome is what became of the configuration that was read last.
type outcome struct {
	failed     bool
	generation int       // that is served
	loaded     time.Time // when that was read; zero while there is none
	problems   []string
}

// Reload implements gateway.Operations.
func (l *live) Reload(ctx context.Context) (merged any, problems []string) {
	if len(l.source.paths) == 0 {
		return l.compiled(), nil // the demonstration's, which is in the program
	}
	l.reload(context.WithoutCancel(ctx), true)
	last := l.last.Load()
	if last.failed {
		return nil, last.problems
	}
	return l.compiled(), nil
}

// compiled is what the configuration that is served comes to, without secrets.
func (l *live) compiled() mergedConfig {
	if cfg := l.current.Load().config; cfg != nil {
		return mergedOf(cfg)
	}
	return mergedConfig{}
}

// ConfigHealth implements gateway.Operations.
func (l *live) ConfigHealth() gateway.ConfigHealth {
	last := l.last.Load()
	health := gateway.ConfigHealth{Status: "ok", Generation: last.generation, LoadedAt: last.loaded, Problems: last.problems}
	health.Providers = providersOf(l.parts.tokens)
	if last.failed {
		health.Status = "failed"
	}
	if cfg := l.current.Load().config; cfg != nil {
		for _, s := range cfg.Skipped {
			health.Skipped = append(health.Skipped, gateway.SkippedEntity{ID: s.ID, Reason: s.Reason})
		}
	}
	return health
}

// providersOf are the identity providers as they are now.
func providersOf(tokens *auth.Tokens) []gateway.ProviderHealth {
	problems := tokens.Problems()
	var all []gateway.ProviderHealth
	for _, name := range tokens.Providers() {
		health := gateway.ProviderHealth{Name: name, Status: "ok"}
		if i := slices.IndexFunc(problems, func(p auth.Problem) bool { return p.Provider == name }); i >= 0 {
			health.Status, health.Problem, health.Since = "failed", problems[i].Text, problems[i].Since.UTC().Truncate(time.Second)
		}
		all = append(all, health)
	}
	return all
}

// providersUp says of each identity provider whether it works.
func (l *live) providersUp() map[string]bool {
	up := map[string]bool{}
	for _, p := range providersOf(l.parts.tokens) {
		up[p.Name] = p.Status == "ok"
	}
	return up
}

// note remembers what became of a configuration, with the lock, for administrators and the metrics. The error is
// why it is not served.
func (l *live) note(problems []config.Problem, err error) {
	last := &outcome{failed: err != nil, generation: l.number, loaded: l.last.Load().loaded}
	for _, p := range problems {
		last.problems = append(last.problems, p.String())
	}
	switch {
	case err == nil:
		last.loaded = time.Now().UTC()
		l.metrics.Skipped(len(l.current.Load().config.Skipped))
	case !config.HasErrors(problems):
		last.problems = append(last.problems, err.Error())
	}
	l.last.Store(last)
}

// mergedConfig is what a configuration comes to, without secrets.
type mergedConfig struct {
	config.Compiled
	// Deployments are all that can be called, those of Compiled too, and who answers.
	Deployments []config.CompiledDeployment `json:"deployments"`
	// Skipped are the entities that are left out for their mistakes.
	Skipped []config.Skipped `json:"skipped,omitempty"`
}

func mergedOf(cfg *config.Config) mergedConfig {
	return mergedConfig{Compiled: cfg.Compile(), Deployments: cfg.CompileDeployments(), Skipped: cfg.Skipped}
}
