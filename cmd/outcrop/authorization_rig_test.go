package main

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/go-jose/go-jose/v4"

	"outcrop/internal/auth"
	"outcrop/internal/bedrock"
	"outcrop/internal/config"
	"outcrop/internal/memnet"
	"outcrop/internal/models"
	"outcrop/internal/sandbox"
)

// doors is a gateway as serve runs it, and everybody who comes to it.
type doors struct {
	*live
	t       *testing.T
	keys    [2]*rsa.PrivateKey // the identity provider's, and a stranger's
	passes  map[string]string  // per-request keys
	asked   atomic.Int32       // how often Bedrock was
	another string             // an id of a response that nobody has

	marks atomic.Int32 // that chats have said, and how often Bedrock heard each
	mu    sync.Mutex
	heard map[string]int
}

const (
	doorsModels = `{
  "models": {
    "private": {"type": "chat", "endpoint": "bedrock:us.anthropic.claude-sonnet-4-5-20250929-v1:0", "userRoles": ["a"]},
    "team/private": {"type": "chat", "endpoint": "bedrock:us.amazon.nova-lite-v1:0", "userRoles": ["a"]},
    "embed": {"type": "embedding", "endpoint": "bedrock:amazon.titan-embed-text-v2:0", "userRoles": ["a"]},
    "far": {"type": "embedding", "endpoint": "http://far:5000/embeddings", "userRoles": ["a"]},
    "image": {"type": "chat", "endpoint": "bedrock:stability.stable-image-core-v1:1", "userRoles": ["a"]},
    "rerank": {"type": "rerank", "endpoint": "bedrock:cohere.rerank-v3-5:0", "userRoles": ["a"]}
  },
  "applications": {"app": {"endpoint": "http://app:5000/chat", "userRoles": ["a"]}},
  "routes": {
    "canned": {"paths": ["/canned"], "response": {"status": 200, "body": "well"}, "userRoles": ["a"]}
  },
  "roles": {"a": {}, "b": {}, "admins": {}}
}`
	doorsKeys = `{"keys": {
    "own": {"key": "a-key-of-team-a", "project": "team-a", "roles": ["a"]},
    "old": {"key": "a-key-that-ended", "project": "team-a", "roles": ["a"], "expires": "2020-01-01"},
    "far": {"key": "a-key-of-elsewhere", "project": "team-a", "roles": ["a"], "allowedIpAddressRanges": ["10.20.0.0/16"]},
    "other": {"key": "a-key-of-team-b", "project": "team-b", "roles": ["b"]}%s
  }}`
	doorsRevoked  = `, "gone": {"key": "a-key-taken-back", "project": "team-a", "roles": ["a"]}`
	doorsSettings = `{
  "identityProviders": {"idp": {"jwksUrl": "https://idp.example.com/keys", "rolePath": "roles", "issuer": "https://idp.example.com", "audience": "dial"}},
  "access": {"admin": {"rules": [{"source": "roles", "function": "EQUAL", "targets": ["admins"]}]}}
}`
)

// newDoors serves a configuration that has been changed once: a key was taken back.
func newDoors(t *testing.T) *doors {
	t.Helper()
	d := &doors{t: t, passes: map[string]string{}, heard: map[string]int{}}
	for i := range d.keys {
		var err error
		if d.keys[i], err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("models.json", doorsModels)
	write("keys.json", strings.Replace(doorsKeys, "%s", doorsRevoked, 1))
	d.begin(dir)
	if code := d.ask(http.MethodGet, "/v1/user/info", "", http.Header{"Api-Key": {"a-key-taken-back"}}).Code; code != http.StatusOK {
		t.Fatalf("the key is not good before it is taken back: %d", code)
	}
	write("keys.json", strings.Replace(doorsKeys, "%s", "", 1))
	d.reload(t.Context(), false)
	d.issue()
	return d
}

// begin serves the directory, with an identity provider and a Bedrock in memory.
func (d *doors) begin(dir string) {
	d.t.Helper()
	file := filepath.Join(d.t.TempDir(), "settings.json")
	if err := os.WriteFile(file, []byte(doorsSettings), 0o600); err != nil {
		d.t.Fatal(err)
	}
	settings, problems := config.LoadSettings(file, nil)
	if config.HasErrors(problems) {
		d.t.Fatal(problems)
	}
	catalogue, err := models.Load()
	if err != nil {
		d.t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	f := serveFlags{configs: []string{dir}, stated: settings, merge: config.Options{TokenRoles: true}}
	d.live = newLive(f, catalogue, d.bedrock(catalogue), log)
	if d.parts.tokens, err = tokensOf(d.t.Context(), settings, d, log); err != nil {
		d.t.Fatal(err)
	}
	d.parts.remotes = memnet.Serve(d.t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		d.asked.Add(1)
		_, _ = io.WriteString(w, `{}`)
	}))
	if err := d.live.begin(f, d.t.Output()); err != nil {
		d.t.Fatal(err)
	}
}

// bedrock makes clients of a sandbox that counts its calls.
func (d *doors) bedrock(catalogue *models.Catalogue) func(bedrock.Settings) (*bedrock.Client, error) {
	marked := regexp.MustCompile(`C\d{4}`)
	pretends, err := sandbox.New(sandbox.Options{})
	if err != nil {
		d.t.Fatal(err)
	}
	transport := memnet.Serve(d.t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.asked.Add(1)
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		d.mu.Lock()
		d.heard[marked.FindString(string(body))]++
		d.mu.Unlock()
		pretends.ServeHTTP(w, r)
	}))
	return func(bedrock.Settings) (*bedrock.Client, error) {
		return bedrock.New(bedrock.Options{
			Region: "us-east-1", Endpoint: "http://bedrock", Transport: transport, Catalogue: catalogue,
			Credentials: credentials.NewStaticCredentialsProvider("sandbox", "sandbox", ""),
		})
	}
}

// issue makes the per-request keys: of requests that are under way, and of one that has ended.
func (d *doors) issue() {
	a, b := auth.Caller{Project: "team-a", Roles: []string{"a"}}, auth.Caller{Project: "team-b", Roles: []string{"b"}}
	admin := auth.Caller{User: "root", Roles: []string{"a", "admins"}, Admin: true}
	d.passes["own"] = d.parts.passes.Issue(a.Next("app"))
	d.passes["other"] = d.parts.passes.Issue(b.Next("app"))
	d.passes["admin"] = d.parts.passes.Issue(admin.Next("app"))
	d.passes["ended"] = d.parts.passes.Issue(a.Next("app"))
	d.parts.passes.Revoke(d.passes["ended"])
	for _, id := range d.parts.passes.Issue(a.Next("app"))[:26] { // as long as an id
		d.another += string(id)
	}
	d.another = "resp_dial_" + d.another
}

// RoundTrip is the identity provider's key set.
func (d *doors) RoundTrip(r *http.Request) (*http.Response, error) {
	text, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &d.keys[0].PublicKey, KeyID: "k", Algorithm: "RS256", Use: "sig"}}})
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(string(text))), Header: http.Header{}, Request: r}, nil
}

// token is a JWT with good claims but for the changes.
func (d *doors) token(alg jose.SignatureAlgorithm, key any, changes map[string]any) string {
	d.t.Helper()
	claims := map[string]any{"sub": "alice", "iss": "https://idp.example.com", "aud": "dial", "exp": time.Now().Add(time.Hour).Unix(), "roles": []string{"a"}}
	for name, value := range changes {
		claims[name] = value
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		d.t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", "k"))
	if err != nil {
		d.t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		d.t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		d.t.Fatal(err)
	}
	return token
}

// unsigned is an administrator's token by alg "none".
func (d *doors) unsigned() string {
	parts := strings.Split(d.token(jose.RS256, d.keys[0], map[string]any{"roles": []string{"a", "admins"}}), ".")
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"k"}`)) + "." + parts[1] + "."
}

// confused is an administrator's token that is signed with what everybody knows: the provider's public key, as a
// secret of HMAC.
func (d *doors) confused() string {
	public, err := json.Marshal(jose.JSONWebKey{Key: &d.keys[0].PublicKey, KeyID: "k", Algorithm: "RS256", Use: "sig"})
	if err != nil {
		d.t.Fatal(err)
	}
	return d.token(jose.HS256, public, map[string]any{"roles": []string{"a", "admins"}})
}

// ask sends one request from 192.0.2.1.
func (d *doors) ask(method, path, body string, header http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(d.t.Context(), method, path, strings.NewReader(body))
	r.Header = header.Clone()
	if r.Header == nil {
		r.Header = http.Header{}
	}
	r.Header.Set("X-Request-Id", "req-1")
	if strings.HasPrefix(body, "--X") {
		r.Header.Set("Content-Type", "multipart/form-data; boundary=X")
	} else if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w
}
