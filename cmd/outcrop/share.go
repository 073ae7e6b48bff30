package main

import (
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"outcrop/internal/config"
	"outcrop/internal/kv"
)

// common is what this process has in common with other replicas; the zero value is a process alone.
type common struct {
	store kv.Store
	lists kv.Lists
	bus   kv.Bus
}

// share makes the parts those of one replica among others: after they are settled, and know who has agreed to what.
// The error names the setting that replicas need.
func (p *parts) share(c common) error {
	if c.store == nil {
		return nil
	}
	if err := needsSecret(p.settings, true); err != nil {
		return err
	}
	p.common = c
	log := p.log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	p.passes.Share(c.store, sometimes(log, "per-request keys"))
	p.consents = sharedConsents{p.consents, c.store, sometimes(log, "consents")}
	return nil
}

var errNoSecret = errors.New("what replicas share in Redis is sealed, and they need one secret for that: set encryption.secret in the settings (AIDIAL_SETTINGS), or the environment variable aidial.encryption.secret, to the same value at all of them; openssl rand -hex 32 makes one")

// needsSecret is the error of replicas whose settings have no secret.
func needsSecret(s *config.Settings, shared bool) error {
	if shared && sealingSecret(s) == nil {
		return errNoSecret
	}
	return nil
}

// tellEvery is how often the log is told of one thing that goes wrong in every request.
const tellEvery = 10 * time.Second

// sometimes tells the log of errors, once in a while.
func sometimes(log *slog.Logger, what string) func(error) {
	var last, failures atomic.Int64
	return func(err error) {
		n, now, before := failures.Add(1), time.Now().UnixNano(), last.Load()
		if now-before < int64(tellEvery) || !last.CompareAndSwap(before, now) {
			return
		}
		failures.Add(-n)
		log.Warn("what replicas share cannot be used", "for", what, "failures", n, "error", err)
	}
}
