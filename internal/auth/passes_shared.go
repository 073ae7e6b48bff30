package auth

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"outcrop/internal/kv"
)

const (
	// shareTimeout bounds how long a request waits for the shared store, of which the client gives up sooner.
	shareTimeout = time.Second
	// unknownFor is how long a key that nobody knows is not asked after again: none is guessed before it is issued.
	unknownFor = 10 * time.Second
	// maxUnknown is how many such keys are remembered.
	maxUnknown = 10_000
	// passAlphabet is what keys are made of, that of rand.Text (RFC 4648's base32).
	passAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
)

// sharedPasses are the per-request keys that replicas know of each other.
//
// The store has them by the SHA-256 of the key, and the pass sealed with what only the key itself yields: whoever
// reads the store learns neither a key nor whose it is.
type sharedPasses struct {
	store   kv.Store
	failed  func(error)
	unknown cache
}

// Share lets the keys be good at all processes that share the store. It is called before the first use. Failed gets
// each error of the store that no request is told of: such a key is good at this process alone, or is not forgotten by
// the others before its time; nil is for nobody.
func (p *Passes) Share(store kv.Store, failed func(error)) {
	if failed == nil {
		failed = func(error) {}
	}
	p.shared = &sharedPasses{store: store, failed: failed, unknown: cache{max: maxUnknown}}
}

// put keeps a pass for that long. It is waited for: its holder may come to another process at once.
func (s *sharedPasses) put(key string, pass *Pass, lifetime time.Duration) {
	if s == nil {
		return
	}
	sealed, err := sealPass(key, pass)
	if err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), shareTimeout)
		defer cancel()
		err = s.store.Put(ctx, sharedName(Digest(key)), sealed, lifetime)
	}
	if err != nil {
		s.failed(fmt.Errorf("a per-request key is good at this replica alone: %w", err))
	}
}

// delete lets no process take a key any more.
func (s *sharedPasses) delete(key string) {
	if s == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), shareTimeout)
	defer cancel()
	if err := s.store.Delete(ctx, sharedName(Digest(key))); err != nil {
		s.failed(fmt.Errorf("a per-request key is good at other replicas until its lifetime ends: %w", err))
	}
}

// find is the pass that another process has given a key for; nil when there is none. Its error is an *Error: nobody can
// tell now.
func (s *sharedPasses) find(ctx context.Context, key string, sum [sha256.Size]byte) (*Pass, error) {
	if s == nil || len(key) != passLength || strings.Trim(key, passAlphabet) != "" {
		return nil, nil //nolint:nilnil // nobody's key is no error
	}
	if _, ok := s.unknown.get(sum, time.Now()); ok {
		return nil, nil //nolint:nilnil // as above
	}
	within, cancel := context.WithTimeout(ctx, shareTimeout)
	defer cancel()
	sealed, err := s.store.Get(within, sharedName(sum))
	switch {
	case errors.Is(err, kv.ErrNone):
		s.unknown.put(sum, &entry{until: time.Now().Add(unknownFor)})
		return nil, nil //nolint:nilnil // as above
	case ctx.Err() != nil: // the client has left
		return nil, &Error{Reason: Unreachable, detail: unreachableStore}
	case err != nil:
		s.failed(fmt.Errorf("a key may be a per-request key of another replica: %w", err))
		return nil, &Error{Reason: Unreachable, detail: unreachableStore}
	}
	pass, err := openPass(key, sealed)
	if err != nil {
		s.failed(fmt.Errorf("a per-request key of another replica: %w", err))
		return nil, nil //nolint:nilnil // whatever it is, it is none of ours
	}
	return pass, nil
}

// unreachableStore is what a client is told.
const unreachableStore = "The API key cannot be verified now, because what this server shares with others does not answer: try again later"

// sharedName is where the store has a pass.
func sharedName(sum [sha256.Size]byte) string {
	return "pass:" + base64.RawURLEncoding.EncodeToString(sum[:])
}

// passVersion begins what sealPass writes: another version is not read.
const passVersion = 1

// sealPass is a pass that can be read with its key.
func sealPass(key string, pass *Pass) ([]byte, error) {
	plain, err := json.Marshal(pass)
	if err != nil {
		return nil, err
	}
	aead, err := passSeal(key)
	if err != nil {
		return nil, err
	}
	version := []byte{passVersion}
	return aead.Seal(version, nil, plain, version), nil
}

// openPass is the pass that sealPass wrote.
func openPass(key string, sealed []byte) (*Pass, error) {
	aead, err := passSeal(key)
	if err != nil {
		return nil, err
	}
	if len(sealed) == 0 || sealed[0] != passVersion {
		return nil, errForeignPass
	}
	plain, err := aead.Open(nil, nil, sealed[1:], sealed[:1])
	if err != nil {
		return nil, errForeignPass
	}
	pass := &Pass{}
	if err := json.Unmarshal(plain, pass); err != nil {
		return nil, errForeignPass // what it says is nobody's business
	}
	pass.Caller.Pass, pass.Elsewhere = nil, true
	return pass, nil
}

var errForeignPass = errors.New("what the store has of it was not written by this version of the program")

// passSeal is the cipher of one key, which has 160 random bits.
func passSeal(key string) (cipher.AEAD, error) {
	secret := sha256.Sum256([]byte("outcrop pass seal\x00" + key))
	block, err := aes.NewCipher(secret[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
