package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"

	"outcrop/internal/auth"
	"outcrop/internal/gateway"
	"outcrop/internal/kv"
)

const (
	// consentLifetime is how long a consent is kept for all replicas: as good as for ever.
	consentLifetime = 5 * 365 * 24 * time.Hour
	// consentTimeout bounds how long a request waits for the store.
	consentTimeout = time.Second
)

// sharedConsents are those that replicas know of each other. Each keeps what was given to it, or that it has learned,
// as it would alone: a store that has lost all costs nobody a consent who comes to the same replica, or whose replicas
// have a --data-dir that lasts.
type sharedConsents struct {
	own    gateway.Consents
	store  kv.Store
	failed func(error)
}

// consentKey is where the store has it. Who reads the store does not learn who agreed.
func consentKey(caller auth.Caller, deployment string) (string, error) {
	text, err := json.Marshal([...]string{caller.ID(), deployment}) // no two make the same
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return "consent:" + base64.RawURLEncoding.EncodeToString(sum[:]), nil
}

// Given implements gateway.Consents. Nobody has agreed of whom the store cannot tell.
func (c sharedConsents) Given(caller auth.Caller, deployment string) bool {
	if c.own.Given(caller, deployment) {
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), consentTimeout)
	defer cancel()
	key, err := consentKey(caller, deployment)
	if err == nil {
		_, err = c.store.Get(ctx, key)
	}
	if err != nil {
		if !errors.Is(err, kv.ErrNone) {
			c.failed(err)
		}
		return false
	}
	if err := c.own.Give(caller, deployment); err != nil {
		c.failed(err) // the store knows
	}
	return true
}

// Give implements gateway.Consents. It is given when this replica has kept it: the others may ask again.
func (c sharedConsents) Give(caller auth.Caller, deployment string) error {
	if err := c.own.Give(caller, deployment); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), consentTimeout)
	defer cancel()
	key, err := consentKey(caller, deployment)
	if err == nil {
		err = c.store.Put(ctx, key, []byte(time.Now().UTC().Format(time.RFC3339)), consentLifetime)
	}
	if err != nil {
		c.failed(err)
	}
	return nil
}
