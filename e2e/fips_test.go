//go:build e2e

package e2e

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"outcrop/internal/ledger/ledgertest"
	"outcrop/internal/redis/redistest"
)

// fipsOnly makes Go refuse what FIPS 140-3 does not approve.
const fipsOnly = "GODEBUG=fips140=only"

// fipsSecret is long enough for the HMAC of a signature.
const fipsSecret = "a-secret-of-enough-bytes"

// TestFIPS runs the real binary where only approved cryptography is allowed: the table of SECURITY.md.
func TestFIPS(t *testing.T) {
	certificate := filepath.Join(t.TempDir(), "sandbox.pem")
	aws := start(t, sandboxReady, []string{fipsOnly}, "sandbox", "--listen", "127.0.0.1:0", "--tls", "--tls-cert-out", certificate, "--credentials", "AKIAEXAMPLE:"+fipsSecret)
	env := []string{fipsOnly, "AWS_ACCESS_KEY_ID=AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY=" + fipsSecret, "AWS_REGION=us-east-1", "AWS_ENDPOINT_URL=" + aws.url, "AWS_CA_BUNDLE=" + certificate}
	dir := t.TempDir()
	config, settings := filepath.Join(dir, "config.json"), filepath.Join(dir, "settings.json")
	writeFile(t, config, `{
		"models": {"nova": {"type": "chat", "endpoint": "bedrock:us.amazon.nova-lite-v1:0"}},
		"keys": {"a-key-of-tests": {"project": "tests", "role": "default"}},
		"roles": {"default": {"limits": {"nova": {"minute": "100000"}}}}}`)
	writeFile(t, settings, `{"encryption": {"secret": "one-secret-for-all", "key": "a-key-of-sixteen-bytes"}}`)
	answers := func(t *testing.T, s *server, path string) {
		t.Helper()
		for body, want := range map[string]string{hello: "You said: “Hello!”", strings.Replace(hello, "{", `{"stream":true,`, 1): "data: [DONE]"} {
			r := send(t, http.MethodPost, s.url+path, strings.NewReader(body), "Api-Key", "a-key-of-tests")
			if r.status != http.StatusOK || !strings.Contains(r.body, want) {
				t.Errorf("%d %s, want %s\n%s", r.status, r.body, want, s.log)
			}
		}
	}
	const chats = "/openai/deployments/nova/chat/completions"
	t.Run("serve, TLS to AWS", func(t *testing.T) {
		answers(t, start(t, configReady, env, "serve", "--config", config, "--listen", "127.0.0.1:0", "--data-dir", t.TempDir()), chats)
	})
	t.Run("serve, Redis and PostgreSQL", func(t *testing.T) {
		shared := append([]string{"OUTCROP_REDIS_URL=" + redistest.Start(t).URL(), "OUTCROP_POSTGRES_URL=" + ledgertest.Start(t).Database()}, env...)
		s := start(t, configReady, shared, "serve", "--config", config, "--settings", settings, "--listen", "127.0.0.1:0")
		answers(t, s, chats)
		if log := s.log.String(); strings.Contains(log, "level=ERROR") || strings.Contains(log, `"level":"ERROR"`) {
			t.Errorf("the log: %s", log)
		}
	})
	t.Run("adapter", func(t *testing.T) {
		answers(t, start(t, configReady, env, "adapter", "--listen", "127.0.0.1:0"), "/openai/deployments/us.amazon.nova-lite-v1:0/chat/completions")
	})
	t.Run("serve --sandbox, tokens of a provider", func(t *testing.T) {
		issuer := provider(t)
		s := serveTokens(t, issuer, fipsOnly)
		g := login(t, issuer, "dial", "test-user2")
		for kind, token := range map[string]string{"JWT": g.ID, "opaque": g.Access} {
			if status, text := asked(t, s, "/openai/models", token); status != http.StatusOK || !strings.Contains(text, `"open"`) {
				t.Errorf("%s: %d %s", kind, status, text)
			}
		}
	})
	t.Run("a key of buckets that is too short", func(t *testing.T) {
		writeFile(t, settings, `{"encryption": {"secret": "one-secret-for-all", "key": "short"}}`)
		r := run(t, nil, env, "serve", "--config", config, "--settings", settings, "--listen", "127.0.0.1:0")
		if r.code == 0 || !strings.Contains(r.stderr, "encryption.key: it has 5 bytes") {
			t.Errorf("%d %s", r.code, r.stderr)
		}
	})
	t.Run("a secret of AWS that is too short", func(t *testing.T) {
		short := append([]string{}, env...)
		for i, variable := range short {
			if strings.HasPrefix(variable, "AWS_SECRET_ACCESS_KEY=") {
				short[i] = "AWS_SECRET_ACCESS_KEY=short"
			}
		}
		s := start(t, configReady, short, "serve", "--config", config, "--listen", "127.0.0.1:0")
		r := send(t, http.MethodPost, s.url+chats, strings.NewReader(hello), "Api-Key", "a-key-of-tests")
		if r.status != http.StatusBadGateway || !strings.Contains(r.body, "no AWS credentials") {
			t.Errorf("%d %s", r.status, r.body)
		}
		s.stop(t)
		if log := s.log.String(); !strings.Contains(log, "the secret access key has 5 bytes") {
			t.Errorf("the log: %s", log)
		}
	})
}
