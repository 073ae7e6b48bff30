package auth_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"outcrop/internal/auth"
)

// rsaKeys are made once: that takes long.
var rsaKeys = sync.OnceValue(func() (keys [2]*rsa.PrivateKey) {
	for i := range keys {
		keys[i], _ = rsa.GenerateKey(rand.Reader, 2048)
	}
	return keys
})

// signedBy is a token of the claims; header adds to its header.
func signedBy(t testing.TB, alg jose.SignatureAlgorithm, key any, id string, claims map[string]any, header ...string) string {
	t.Helper()
	options := (&jose.SignerOptions{}).WithType("JWT")
	if id != "" {
		options.WithHeader("kid", id)
	}
	for i := 0; i < len(header); i += 2 {
		options.WithHeader(jose.HeaderKey(header[i]), header[i+1])
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return signedText(t, jose.SigningKey{Algorithm: alg, Key: key}, options, string(payload))
}

func signedText(t testing.TB, key jose.SigningKey, options *jose.SignerOptions, payload string) string {
	t.Helper()
	signer, err := jose.NewSigner(key, options)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// idp is an identity provider behind a transport: its keys, and what its user-info endpoint knows.
type idp struct {
	mu     sync.Mutex
	keys   []jose.JSONWebKey
	users  map[string]string // by token
	reply  string            // in place of the keys, when it is given
	status int               // in place of 200
	err    error             // in place of any answer
	asked  int
	gate   chan struct{} // an answer waits for it, unless it is nil
	tokens []string      // that the user-info endpoint got
}

func (p *idp) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	p.asked++
	gate := p.gate
	p.mu.Unlock()
	if gate != nil {
		<-gate
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return nil, p.err
	}
	status, body := http.StatusOK, p.reply
	if strings.Contains(r.URL.Path, "userinfo") {
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		p.tokens = append(p.tokens, token)
		if body = p.users[token]; body == "" {
			status = http.StatusUnauthorized
		}
	} else if body == "" {
		text, err := json.Marshal(jose.JSONWebKeySet{Keys: p.keys})
		if err != nil {
			return nil, err
		}
		body = string(text)
	}
	if p.status != 0 {
		status = p.status
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body)), Header: http.Header{}, Request: r}, nil
}

func (p *idp) set(change func(*idp)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p)
}

func (p *idp) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

// published is a public key as a key set has it.
func published(id, alg string, key crypto.PublicKey) jose.JSONWebKey {
	return jose.JSONWebKey{Key: key, KeyID: id, Algorithm: alg, Use: "sig"}
}

const jwksURL = "https://idp.example.com/keys"

// tokensOf are the tokens of providers that are all the idp.
func tokensOf(t testing.TB, p *idp, o auth.TokenOptions) *auth.Tokens {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	o.Transport = p
	tokens, err := auth.NewTokens(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// bearer asks with a token.
func bearer(a *auth.Authenticator, token string) (auth.Caller, error) {
	return a.Authenticate((&http.Request{Header: http.Header{"Authorization": {"Bearer " + token}}}))
}

func newAuthenticator(t testing.TB, o auth.Options) *auth.Authenticator {
	t.Helper()
	a, err := auth.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// reasonOf is why there is no caller, 0 for no error.
func reasonOf(err error) auth.Reason {
	if e, ok := errors.AsType[*auth.Error](err); ok {
		return e.Reason
	}
	return 0
}

// claimsNow are good claims, with changes: a nil value takes one away.
func claimsNow(changes map[string]any) map[string]any {
	claims := map[string]any{"sub": "alice", "iss": "https://idp.example.com", "aud": "dial", "exp": time.Now().Add(time.Hour).Unix(), "roles": []string{"user"}}
	for name, v := range changes {
		if v == nil {
			delete(claims, name)
		} else {
			claims[name] = v
		}
	}
	return claims
}

// keyPairs are private keys by the algorithm that they sign with.
func keyPairs(t testing.TB) map[jose.SignatureAlgorithm]crypto.Signer {
	t.Helper()
	pairs := map[jose.SignatureAlgorithm]crypto.Signer{}
	for _, alg := range []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512} {
		pairs[alg] = rsaKeys()[0]
	}
	for alg, curve := range map[jose.SignatureAlgorithm]elliptic.Curve{jose.ES256: elliptic.P256(), jose.ES384: elliptic.P384(), jose.ES512: elliptic.P521()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		pairs[alg] = key
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pairs[jose.EdDSA] = key
	return pairs
}
