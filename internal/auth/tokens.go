package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// maxKnown is how many tokens are remembered that were found good, maxRefused how many opaque ones that were not.
	maxKnown, maxRefused = 10_000, 1000
	// maxHops is how many redirects of a provider are followed.
	maxHops = 3
)

// TokenOptions say whose tokens are good.
type TokenOptions struct {
	Providers []Provider // asked in this order
	// Admins are the rules of access.admin; one is enough.
	Admins []Rule
	// Transport leads to the providers; nil is http.DefaultTransport.
	Transport http.RoundTripper
	// Log tells of providers that do not answer, and of unwise settings; nil is nowhere.
	Log *slog.Logger
	// Now is the time; nil is time.Now.
	Now func() time.Time
}

// Tokens know the holders of tokens. They live as long as the process, while configurations come and go: with
// them live the keys of the providers and the tokens that were found good. They are safe for concurrent use.
type Tokens struct {
	signed  []*source // providers of JWTs
	asked   []*source // providers with user-info endpoints
	admins  []judge
	names   []string // of all providers, in their order
	client  *http.Client
	log     *slog.Logger
	now     func() time.Time
	known   cache
	refused cache

	slots   chan struct{} // one for each question to a user-info endpoint under way
	mu      sync.Mutex
	flights map[[sha256.Size]byte]*question
}

// source is a provider, ready.
type source struct {
	Provider
	keys *keySet // nil for one without
	algs []jose.SignatureAlgorithm

	mu      sync.Mutex
	trouble *Problem // of its user-info endpoint, or nil
}

// Problem is what is wrong with a provider now. Others work on.
type Problem struct {
	Provider string
	Text     string
	Since    time.Time
}

// NewTokens returns the tokens of the providers. It begins to fetch their keys and keeps them fresh until the
// context ends; a provider that does not answer is no error. The error is one of the options.
func NewTokens(ctx context.Context, o TokenOptions) (*Tokens, error) {
	t := &Tokens{
		now: o.Now, known: cache{max: maxKnown}, refused: cache{max: maxRefused},
		slots: make(chan struct{}, maxQuestions), flights: map[[sha256.Size]byte]*question{},
		client: &http.Client{Transport: o.Transport, CheckRedirect: sameHost},
	}
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if t.log = log; t.now == nil {
		t.now = time.Now
	}
	var err error
	if t.admins, err = judges(o.Admins); err != nil {
		return nil, err
	}
	for _, p := range o.Providers {
		if err := t.add(p, log); err != nil {
			return nil, fmt.Errorf("identityProviders.%s: %w", p.Name, err)
		}
	}
	for _, s := range t.signed {
		if s.keys != nil {
			go s.keys.run(ctx)
		}
	}
	return t, nil
}

// add makes a provider ready.
func (t *Tokens) add(p Provider, log *slog.Logger) error {
	warning, err := p.check()
	if err != nil {
		return err
	}
	if warning != "" {
		log.Warn("an identity provider is not safe", "provider", p.Name, "warning", warning)
	}
	if p.IssuerPattern, err = whole(p.IssuerPattern); err != nil {
		return err
	}
	if p.Algorithms == nil {
		p.Algorithms = safeAlgorithms()
	}
	t.names = append(t.names, p.Name)
	s := &source{Provider: p, algs: algorithms(p.Algorithms)}
	if p.UserInfoURL != "" {
		t.asked = append(t.asked, s)
		return nil
	}
	if p.JWKSURL != "" {
		s.keys = &keySet{
			provider: p.Name, url: p.JWKSURL, client: t.client, log: log, now: t.now,
			positive: p.PositiveTTL, negative: p.NegativeTTL, missed: map[string]time.Time{},
		}
		if s.keys.positive <= 0 {
			s.keys.positive = usualPositive
		}
		if s.keys.negative <= 0 {
			s.keys.negative = usualNegative
		}
	}
	t.signed = append(t.signed, s)
	return nil
}

// Problems are what is wrong with the providers now; nil is nothing. Of one that is asked about each token it is what
// was wrong when it was asked last. nil has none.
func (t *Tokens) Problems() []Problem {
	if t == nil {
		return nil
	}
	var problems []Problem
	for _, s := range t.signed {
		if s.keys == nil {
			continue
		}
		if p := s.keys.problem(); p != nil {
			problems = append(problems, *p)
		}
	}
	for _, s := range t.asked {
		if p := s.problem(); p != nil {
			problems = append(problems, *p)
		}
	}
	return problems
}

// Providers are the names of all providers, in their order. nil has none.
func (t *Tokens) Providers() []string {
	if t == nil {
		return nil
	}
	return t.names
}

// sameHost lets a provider redirect within its host: its operator named that host, and no other.
func sameHost(r *http.Request, via []*http.Request) error {
	switch first := via[0].URL; {
	case len(via) > maxHops:
		return errors.New("too many redirects")
	case r.URL.Host != first.Host || r.URL.Scheme != first.Scheme:
		return errors.New("the provider redirects to another host")
	default:
		return nil
	}
}

// get asks a provider, with a token unless that is "".
func get(ctx context.Context, client *http.Client, at, token string) (status int, body []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return 0, nil, err
	}
	most := int64(maxReply)
	r.Header.Set("Accept", "application/json")
	if token != "" {
		most = maxUserInfo
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := client.Do(r)
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = fmt.Errorf("%s: %w", shownURL(at), e.Err) // without the URL, which may have a password or a key
	}
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, most+1))
	switch {
	case err != nil:
		return 0, nil, err
	case int64(len(body)) > most:
		return 0, nil, fmt.Errorf("%s answers with more than %d bytes", shownURL(at), most)
	}
	return resp.StatusCode, body, nil
}

// shownURL is a URL as logs and administrators may have it: without what it may prove us with.
func shownURL(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "its URL"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}
