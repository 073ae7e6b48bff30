package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"outcrop/internal/fixturetest"
	"outcrop/internal/telemetry"
)

// prompted is the prompt log of a fixture that has the section prompt log.
type prompted struct {
	log  *telemetry.PromptLog
	file string
}

func promptLogOf(t *testing.T, a *fixturetest.Archive) *prompted {
	t.Helper()
	if a.Section("prompt log") == nil {
		return nil
	}
	file := filepath.Join(t.TempDir(), "prompts.log")
	s := settingsOfFixture(t, a).PromptLog
	log, err := telemetry.OpenPromptLog(telemetry.PromptLogOptions{
		File: file, Blacklist: s.HeadersBlacklist, Allowlist: s.HeadersAllowlist, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return &prompted{log, file}
}

// keep lets the parts write to the log.
func (p *prompted) keep(with *parts) {
	if p != nil {
		with.prompts, with.record = talksOf(with.settings.PromptLog), p.log.Record
	}
}

// compare holds what was written against the fixture, each entry on several lines.
func (p *prompted) compare(t *testing.T, a *fixturetest.Archive) {
	t.Helper()
	if p == nil {
		return
	}
	if err := p.log.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(p.file)
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	for line := range bytes.Lines(text) {
		if err := json.Indent(&got, line, "", "  "); err != nil {
			t.Fatal(err)
		}
	}
	a.Compare(t, "prompt log", maskedTrace(got.String()))
}

// maskedTrace are entries with the ids of traces numbered, as random ones are of each run.
func maskedTrace(text string) string {
	seen := map[string]string{}
	return regexp.MustCompile(`"(trace|core_span|core_parent_span)_id": "([0-9a-f]+)"`).ReplaceAllStringFunc(text, func(m string) string {
		parts := regexp.MustCompile(`"([0-9a-f]{16,32})"$`).FindStringSubmatch(m)
		if parts == nil {
			return m
		}
		if seen[parts[1]] == "" {
			seen[parts[1]] = "(id " + string(rune('a'+len(seen))) + ")"
		}
		return m[:len(m)-len(parts[0])] + `"` + seen[parts[1]] + `"`
	})
}
