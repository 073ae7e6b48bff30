package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"outcrop/internal/auth"
	"outcrop/internal/config"
	"outcrop/internal/kv"
)

// brokenStore is one that is away.
type brokenStore struct{}

var errBroken = errors.New("connection refused")

func (brokenStore) Get(context.Context, string) ([]byte, error)              { return nil, errBroken }
func (brokenStore) Put(context.Context, string, []byte, time.Duration) error { return errBroken }
func (brokenStore) Delete(context.Context, string) error                     { return errBroken }
func (brokenStore) Claim(context.Context, string, []byte, time.Duration) (bool, error) {
	return false, errBroken
}

// TestConsentsOfReplicas: what somebody agrees to at one holds at all, also at one that has learned it while the store
// is away, for them alone.
func TestConsentsOfReplicas(t *testing.T) {
	store := kv.NewMemory(kv.MemoryOptions{})
	var failed int
	replica := func(own *consents, s kv.Store) sharedConsents {
		return sharedConsents{own, s, func(error) { failed++ }}
	}
	first, second := consentsInMemory(), consentsInMemory()
	user, other := auth.Caller{User: "u"}, auth.Caller{User: "v"}
	if err := replica(first, store).Give(user, "app"); err != nil {
		t.Fatal(err)
	}
	if c := replica(second, store); !c.Given(user, "app") || c.Given(other, "app") || c.Given(user, "other") || failed != 0 {
		t.Errorf("%d failed", failed)
	}
	if c := replica(second, brokenStore{}); !c.Given(user, "app") || c.Given(other, "app") || failed != 1 {
		t.Errorf("away: %d failed", failed)
	}
	if err := replica(first, brokenStore{}).Give(other, "app"); err != nil || failed != 2 {
		t.Errorf("%v, %d failed", err, failed)
	}
	full := consentsInMemory()
	full.most = 0
	if c := replica(full, store); c.Give(other, "app") == nil || !c.Given(user, "app") || c.Given(other, "app") {
		t.Error("what cannot be kept is given, or what the store knows is not")
	}
}

// TestReplicasNeedASecret: the start fails with what to do.
func TestReplicasNeedASecret(t *testing.T) {
	settings, problems := config.LoadSettings("", nil)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	p := parts{settings: settings, passes: auth.NewPasses(time.Minute), consents: consentsInMemory()}
	if err := p.share(common{}); err != nil || needsSecret(settings, false) != nil {
		t.Errorf("a process alone: %v", err)
	}
	err := p.share(common{store: kv.NewMemory(kv.MemoryOptions{})})
	if !errors.Is(err, errNoSecret) || needsSecret(settings, true) == nil || !strings.Contains(err.Error(), "encryption.secret") {
		t.Error(err)
	}
	if p.settings, problems = config.LoadSettings("", []string{"aidial.encryption.secret=" + strings.Repeat("s", 32), "aidial.encryption.key=" + strings.Repeat("k", 32)}); len(problems) > 0 {
		t.Fatal(problems)
	}
	other, store := p, kv.NewMemory(kv.MemoryOptions{})
	other.passes = auth.NewPasses(time.Minute)
	for _, each := range []*parts{&p, &other} {
		if err := each.share(common{store: store}); err != nil {
			t.Fatal(err)
		}
	}
	a, err := auth.New(auth.Options{Passes: other.passes})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.Header.Set("Api-Key", p.passes.Issue(auth.Caller{Project: "p"}.Next("app")))
	if caller, err := a.Authenticate(r); err != nil || caller.Project != "p" {
		t.Errorf("%+v, %v", caller, err)
	}
}

// TestTheLogIsToldSometimes of what goes wrong in every request.
func TestTheLogIsToldSometimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		failed := sometimes(slog.New(slog.NewTextHandler(&text, nil)), "keys")
		for range 100 {
			failed(errBroken)
		}
		<-time.After(tellEvery)
		failed(errBroken)
		if n := strings.Count(text.String(), "\n"); n != 2 || !strings.Contains(text.String(), "failures=100") {
			t.Errorf("%d lines:\n%s", n, text.String())
		}
	})
}
