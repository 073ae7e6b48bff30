package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"outcrop/internal/auth"
	"outcrop/internal/bedrock"
	"outcrop/internal/config"
	"outcrop/internal/fetch"
	"outcrop/internal/fixturetest"
	"outcrop/internal/gateway"
	"outcrop/internal/memnet"
	"outcrop/internal/models"
	"outcrop/internal/usage"
)

// TestCore plays what a DIAL Core promises: a configuration as DIAL writes it, a request, what the servers
// behind are asked, what they answer, and what the client gets. One file is one promise.
func TestCore(t *testing.T) {
	fixturetest.RunIn(t, filepath.Join("testdata", "core"), *update, func(t *testing.T, a *fixturetest.Archive) {
		cfg, problems := loadFixture(t, a)
		if a.Section("problems") != nil || len(problems) > 0 {
			a.Compare(t, "problems", problems)
		}
		if a.Section("request") == nil {
			return
		}
		var log fixturetest.Log
		upstream := &fixturetest.Upstream{T: t}
		prompts := promptLogOf(t, a)
		upstream.Front = coreHandler(t, coreParts{a, cfg, prompts}, memnet.Serve(t, upstream), &log)
		a.Play(t, upstream.Front, upstream, &log)
		prompts.compare(t, a)
	})
}

// loadFixture reads the sections config, config 2 … of a fixture as DIAL's files, merged in that order and with what
// the section options says (skipInvalid), and says what is wrong with them.
func loadFixture(t *testing.T, a *fixturetest.Archive) (cfg *config.Config, problems string) {
	t.Helper()
	var files []string
	dir := t.TempDir()
	for i := 1; ; i++ {
		section, name := "config", "aidial.config.json"
		if i > 1 {
			section, name = fmt.Sprintf("config %d", i), fmt.Sprintf("aidial.config-%d.json", i)
		}
		text := a.Section(section)
		if text == nil {
			break
		}
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	options := config.Options{SkipInvalid: strings.Contains(string(a.Section("options")), "skipInvalid")}
	cfg, found := config.Load(files, options)
	found = append(append(found, policyProblems(cfg, options.SkipInvalid)...), cfg.ExpiryProblems(time.Now())...)
	for _, p := range found {
		problems += strings.ReplaceAll(p.String(), dir+string(filepath.Separator), "") + "\n"
	}
	return cfg, problems
}

// coreParts are what a fixture is played with.
type coreParts struct {
	archive *fixturetest.Archive
	config  *config.Config
	prompts *prompted // nil when nobody looks
}

// coreHandler serves the configuration as serve does, with all servers behind the transport.
func coreHandler(t *testing.T, parts coreParts, transport http.RoundTripper, log io.Writer) http.Handler {
	t.Helper()
	a, cfg := parts.archive, parts.config
	catalogue, err := models.Load()
	if err != nil {
		t.Fatal(err)
	}
	clients := newPool(func(s bedrock.Settings) (*bedrock.Client, error) {
		host := "http://bedrock"
		if s.Region != "" {
			host += "." + s.Region // so that a fixture shows which one was asked
		}
		return bedrock.New(bedrock.Options{
			Region: cmp.Or(s.Region, "us-east-1"), Endpoint: host, MantleEndpoint: "http://mantle", Transport: transport, Catalogue: catalogue,
			Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "hunter2", ""),
		})
	})
	p := newParts(clients.upstreams(), nil, slog.New(slog.NewTextHandler(log, nil)))
	p.settle(settingsOfFixture(t, a))
	p.record = func(usage.Entry) {}
	p.remotes, p.fetch = transport, fetch.New(fetch.Options{})
	if p.tokens, err = tokensOf(t.Context(), p.settings, transport, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	p.operations = coreOperations{cfg, a.Section("changed config"), p.tokens}
	parts.prompts.keep(&p)
	handler, _, err := build(cfg, p)
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

// coreOperations reload a fixture's configuration, or what it has changed to.
type coreOperations struct {
	cfg     *config.Config
	changed []byte
	tokens  *auth.Tokens
}

// Reload implements gateway.Operations.
func (o coreOperations) Reload(context.Context) (merged any, problems []string) {
	if o.changed == nil {
		return mergedOf(o.cfg), nil
	}
	dir, err := os.MkdirTemp("", "core")
	if err != nil {
		return nil, []string{err.Error()}
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "aidial.config.json")
	if err := os.WriteFile(file, o.changed, 0o600); err != nil {
		return nil, []string{err.Error()}
	}
	cfg, found := config.Load([]string{file}, config.Options{})
	if !config.HasErrors(found) {
		return mergedOf(cfg), nil
	}
	for _, p := range found {
		problems = append(problems, strings.ReplaceAll(p.String(), dir+string(filepath.Separator), ""))
	}
	return nil, problems
}

// ConfigHealth implements gateway.Operations.
func (o coreOperations) ConfigHealth() gateway.ConfigHealth {
	return gateway.ConfigHealth{Status: "ok", Generation: 1, Providers: providersOf(o.tokens)}
}

// settingsOfFixture are those of the section settings, which is an aidial.settings.json.
func settingsOfFixture(t *testing.T, a *fixturetest.Archive) *config.Settings {
	t.Helper()
	file := ""
	if text := a.Section("settings"); text != nil {
		file = filepath.Join(t.TempDir(), "aidial.settings.json")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	settings, problems := config.LoadSettings(file, nil)
	if config.HasErrors(problems) {
		t.Fatal(problems)
	}
	return settings
}
