package main

import (
	"context"
	"fmt"
	"time"

	"outcrop/internal/config"
	"outcrop/internal/gateway"
	"outcrop/internal/telemetry"
	"outcrop/internal/usage"
)

// promptLogDrain is how long the prompt log may write on when the process ends.
const promptLogDrain = 10 * time.Second

// logPrompts begins the prompt log of the settings, if they name a file for one. stop writes what waits.
func (l *live) logPrompts(ctx context.Context) (stop func(), err error) {
	s := l.parts.settings.PromptLog
	if s.File == "" {
		return func() {}, nil
	}
	prompts, err := telemetry.OpenPromptLog(promptLogOptions(s, l))
	if err != nil {
		return nil, fmt.Errorf("%w: the environment variable AIDIAL_LOG_FILE names a file that this process may write to, or - for the standard output", err)
	}
	l.parts.prompts = talksOf(s)
	l.parts.record = recorders(l.parts.record, prompts.Record)
	l.metrics.WatchPromptLog(prompts.Stats)
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), promptLogDrain)
		defer cancel()
		if err := prompts.Close(ctx); err != nil {
			l.log.Error("entries of the prompt log are lost", "error", err)
		}
	}, nil
}

func promptLogOptions(s config.PromptLogSettings, l *live) telemetry.PromptLogOptions {
	return telemetry.PromptLogOptions{File: s.File, Blacklist: s.HeadersBlacklist, Allowlist: s.HeadersAllowlist, Log: l.log}
}

// talksOf is what the gateway keeps of requests for the prompt log.
func talksOf(s config.PromptLogSettings) *gateway.PromptLog {
	return &gateway.PromptLog{Bodies: s.Bodies, MaxBody: int(s.MaxBody), Headers: s.Headers, Claims: s.Claims}
}

// recorders gives an Entry to all that want it.
func recorders(all ...func(usage.Entry)) func(usage.Entry) {
	var wanted []func(usage.Entry)
	for _, f := range all {
		if f != nil {
			wanted = append(wanted, f)
		}
	}
	switch len(wanted) {
	case 0:
		return nil
	case 1:
		return wanted[0]
	}
	return func(e usage.Entry) {
		for _, f := range wanted {
			f(e)
		}
	}
}
