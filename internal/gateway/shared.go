package gateway

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"outcrop/internal/kv"
)

// shared is what this process has in common with other replicas: they answer as one for what a client comes back to.
// A nil shared is a process alone.
type shared struct {
	store  kv.Store
	lists  kv.Lists // nil for none
	bus    kv.Bus   // nil for none
	secret []byte
	log    *slog.Logger
	told   atomic.Int64 // when a failure was logged last, in nanoseconds
	missed atomic.Int64 // failures since then
}

const (
	// sharedTimeout bounds how long a request waits for the store.
	sharedTimeout = time.Second
	// tellEvery is how often the log is told of a store that fails.
	tellEvery = 10 * time.Second
)

var errNoSecret = errors.New("what replicas share is sealed: without a secret that all of them have, none could read what another keeps")

// newShared is nil without a store.
func newShared(o *Options) (*shared, error) {
	switch {
	case o.Shared == nil:
		return nil, nil //nolint:nilnil // a process alone
	case len(o.Secret) == 0:
		return nil, errNoSecret
	}
	return &shared{store: o.Shared, lists: o.SharedLists, bus: o.Bus, secret: o.Secret, log: o.Log}, nil
}

// failed tells the log, once in a while, what does not work because the store does not.
func (s *shared) failed(what string, err error) {
	missed, now, last := s.missed.Add(1), time.Now().UnixNano(), s.told.Load()
	if now-last < int64(tellEvery) || !s.told.CompareAndSwap(last, now) {
		return
	}
	s.missed.Add(-missed)
	s.log.LogAttrs(context.Background(), slog.LevelWarn, "what replicas share cannot be used", slog.String("so", what), slog.Int64("failures", missed), slog.Any("error", err))
}

// seal is the cipher of one purpose, the same at all replicas.
func (s *shared) seal(purpose string) (cipher.AEAD, error) {
	key := sha256.Sum256(append([]byte("shared\x00"+purpose+"\x00"), s.secret...))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// apart is for what has to be done whether or not the client waits.
func (*shared) apart() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), sharedTimeout)
}
