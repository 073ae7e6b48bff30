package main

import (
	"context"
	"time"

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
func (l *live) compiled() config.Compiled {
	if cfg := l.current.Load().config; cfg != nil {
		return cfg.Compile()
	}
	return config.Compiled{}
}

// ConfigHealth implements gateway.Operations.
func (l *live) ConfigHealth() gateway.ConfigHealth {
	last := l.last.Load()
	health := gateway.ConfigHealth{Status: "ok", Generation: last.generation, LoadedAt: last.loaded, Problems: last.problems}
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
