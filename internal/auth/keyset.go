package auth

import (
	"context"
	"crypto"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
)

const (
	// fetchTimeout bounds one request to a provider.
	fetchTimeout = 10 * time.Second
	// maxReply is the longest reply of a provider, in bytes.
	maxReply = 1 << 20
	// missEvery is how often a provider is asked at most because of keys that tokens name and nobody knows.
	missEvery = time.Second
	// maxMissed bounds how many such keys are remembered, and maxKeyID the length of their names.
	maxMissed, maxKeyID = 1000, 256
	// lastGood is how long keys are trusted of a provider that does not answer any more.
	lastGood = 24 * time.Hour
	// firstRetry and lastRetry are how soon a provider is asked again that did not answer.
	firstRetry, lastRetry = time.Second, time.Minute
	// usualPositive and usualNegative are DIAL's positiveCacheExpirationMs and negativeCacheExpirationMs.
	usualPositive, usualNegative = 10 * time.Minute, 10 * time.Second
)

// verifier is a public key that signatures are checked with.
type verifier struct {
	id, alg string // alg "" fits whatever the key's type does
	public  crypto.PublicKey
	print   string // tells the key itself from others
	gone    atomic.Bool
}

// keySet are the keys of one provider. They are fetched ahead of time by run; a token that names another has them
// fetched at once, for everybody who waits for that, and not too often: such names cost a stranger nothing.
type keySet struct {
	provider           string
	url                string
	client             *http.Client
	log                *slog.Logger
	now                func() time.Time
	positive, negative time.Duration

	mu      sync.Mutex
	keys    []*verifier
	fetched time.Time // when keys came last; zero is never
	err     error     // why the last fetch failed, or nil
	since   time.Time // of err
	flight  *flight   // who is fetching, or nil
	asked   time.Time // when the last fetch began
	missed  map[string]time.Time
}

// flight is a fetch that several wait for.
type flight struct {
	done chan struct{}
	err  error
}

// run keeps the keys fresh until the context ends.
func (s *keySet) run(ctx context.Context) {
	retry := firstRetry
	for {
		wait := max(s.positive/4*3, missEvery) // before they are old, and not without a pause
		if err := s.refresh(ctx); err != nil {
			wait = min(retry, wait)
			retry = min(2*retry, lastRetry)
			s.forget()
		} else {
			retry = firstRetry
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// refresh fetches the keys, or waits for who does.
func (s *keySet) refresh(ctx context.Context) error {
	s.mu.Lock()
	f := s.flight
	if f == nil {
		f = &flight{done: make(chan struct{})}
		s.flight, s.asked = f, s.now()
		go s.fetch(context.WithoutCancel(ctx), f) // for the others too, should this caller leave
	}
	s.mu.Unlock()
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *keySet) fetch(ctx context.Context, f *flight) {
	keys, err := s.get(ctx)
	now := s.now()
	s.mu.Lock()
	before, empty := s.err, !s.fetched.IsZero() && len(s.keys) == 0
	if s.err = err; err == nil {
		s.replace(keys)
		s.fetched = now
	} else if before == nil {
		s.since = now
	}
	emptied := err == nil && len(keys) == 0 && !empty
	f.err, s.flight = err, nil
	s.mu.Unlock()
	close(f.done)
	if emptied {
		s.log.Warn("an identity provider has no key that tokens could be checked with: its tokens are refused", "provider", s.provider)
	}
	switch {
	case err != nil && before == nil:
		s.log.Warn("cannot fetch the keys of an identity provider: tokens are checked with the last ones, and new ones are asked for again and again", "provider", s.provider, "error", err)
	case err == nil && before != nil:
		s.log.Info("the identity provider gives its keys again", "provider", s.provider)
	}
}

func (s *keySet) get(ctx context.Context) ([]*verifier, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	status, body, err := get(ctx, s.client, s.url, "")
	switch {
	case err != nil:
		return nil, err
	case status != http.StatusOK:
		return nil, fmt.Errorf("%s answers with status %d", shownURL(s.url), status)
	}
	keys, err := parseKeys(body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", shownURL(s.url), err)
	}
	return keys, nil
}

// parseKeys reads a JSON Web Key Set. Keys that are not for us, or that nobody should trust, are left out.
func parseKeys(body []byte) ([]*verifier, error) {
	var set struct {
		Keys *[]json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil || set.Keys == nil {
		return nil, fmt.Errorf("the reply of %d bytes is not a JSON Web Key Set", len(body))
	}
	var keys []*verifier
	for _, text := range *set.Keys {
		var k jose.JSONWebKey
		if err := json.Unmarshal(text, &k); err != nil || !k.Valid() || !k.IsPublic() || k.Use != "" && k.Use != "sig" {
			continue
		}
		thumb, err := k.Thumbprint(crypto.SHA256)
		if err != nil || !strong(k.Key) {
			continue
		}
		keys = append(keys, &verifier{id: k.KeyID, alg: k.Algorithm, public: k.Key, print: string(thumb)})
	}
	return keys, nil
}

// replace takes the fetched keys for the trusted ones. A key that stays keeps its verifier, for the tokens that
// are known by it; one that has vanished is gone for them at once.
func (s *keySet) replace(keys []*verifier) {
	for _, old := range s.keys {
		stays := false
		for i, k := range keys {
			if k.id == old.id && k.alg == old.alg && k.print == old.print {
				keys[i], stays = old, true
			}
		}
		if !stays {
			old.gone.Store(true)
		}
	}
	s.keys = keys
}

// forget drops the keys of a provider that has not answered for too long.
func (s *keySet) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.fetched.IsZero() && s.now().Sub(s.fetched) > lastGood {
		s.replace(nil)
	}
}

// find are the keys that a token with that id of a key may be signed with, all of them when it names none.
func (s *keySet) find(ctx context.Context, id string) ([]*verifier, error) {
	s.mu.Lock()
	found, ask := s.named(id), s.flight != nil || s.worth(id)
	s.mu.Unlock()
	if len(found) > 0 {
		return found, nil
	}
	if ask {
		if err := s.refresh(ctx); err != nil {
			return nil, &Error{Reason: Unreachable}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch found = s.named(id); {
	case len(found) > 0:
		return found, nil
	case s.err != nil || s.fetched.IsZero():
		return nil, &Error{Reason: Unreachable}
	}
	if ask && len(s.missed) < maxMissed && len(id) <= maxKeyID {
		s.missed[id] = s.now().Add(s.negative)
	}
	return nil, bad("it is signed with a key that its provider does not have")
}

// worth says whether a key with that id may be asked for now.
func (s *keySet) worth(id string) bool {
	now := s.now()
	if now.Sub(s.asked) < missEvery || len(id) > maxKeyID {
		return false
	}
	if until, ok := s.missed[id]; ok && now.Before(until) {
		return false
	}
	for id, until := range s.missed {
		if !now.Before(until) {
			delete(s.missed, id)
		}
	}
	return true
}

func (s *keySet) named(id string) []*verifier {
	if id == "" {
		return s.keys
	}
	var found []*verifier
	for _, k := range s.keys {
		if k.id == id {
			found = append(found, k)
		}
	}
	return found
}

// problem is why the keys are old or missing, or nil.
func (s *keySet) problem() *Problem {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.err != nil:
		return &Problem{s.provider, "its keys cannot be fetched: " + s.err.Error(), s.since}
	case !s.fetched.IsZero() && len(s.keys) == 0:
		return &Problem{s.provider, shownURL(s.url) + " has no key that tokens could be checked with", s.fetched}
	default:
		return nil
	}
}
