//go:build e2e

package e2e

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// provider is a real OpenID Provider on the loopback (e2e/oidc), with a slash at the end.
func provider(t *testing.T) (issuer string) {
	t.Helper()
	path := filepath.Join("..", "bin", "e2e-oidc")
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: make e2e-deps builds it", err)
	}
	cmd := exec.CommandContext(t.Context(), path)
	out := newOutput()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // it is killed
		close(ended)
	}()
	t.Cleanup(func() { <-ended })
	match := out.wait(t.Context(), regexp.MustCompile(`issuer (\S+)\n`), ended)
	if match == nil {
		t.Fatalf("the provider does not start: %s", out)
	}
	return match[1]
}

// grant is what a login gives.
type grant struct {
	ID     string `json:"id_token"`
	Access string `json:"access_token"` // opaque
}

// login goes the way of a browser: the client's link, the provider's form, the way back with a code.
func login(t *testing.T, issuer, client, user string) grant {
	t.Helper()
	const callback = "http://localhost/callback"
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	var code string
	browser := &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), callback) {
			code = r.URL.Query().Get("code")
			return http.ErrUseLastResponse
		}
		return nil
	}}
	link := issuer + "auth?" + url.Values{
		"client_id": {client}, "response_type": {"code"}, "scope": {"openid profile"}, "redirect_uri": {callback}, "state": {"s"},
	}.Encode()
	form := body(t, browser, http.MethodGet, link, nil)
	id := regexp.MustCompile(`name="id" value="([^"]+)"`).FindStringSubmatch(form)
	if id == nil {
		t.Fatalf("no form: %s", form)
	}
	body(t, browser, http.MethodPost, issuer+"login/username", url.Values{"id": {id[1]}, "username": {user}, "password": {"verysecure"}})
	if code == "" {
		t.Fatal("the login gives no code")
	}
	answer := body(t, browser, http.MethodPost, issuer+"oauth/token", url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "client_id": {client}, "client_secret": {"secret"},
	})
	var g grant
	if err := json.Unmarshal([]byte(answer), &g); err != nil || g.ID == "" || g.Access == "" {
		t.Fatalf("no tokens: %v, %s", err, answer)
	}
	return g
}

// body is the body of a reply to a form, or to nothing.
func body(t *testing.T, c *http.Client, method, target string, form url.Values) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

const oidcConfig = `{
	"models": {
		"open": {"type": "chat", "endpoint": "bedrock:us.amazon.nova-lite-v1:0"},
		"power": {"type": "chat", "endpoint": "bedrock:us.amazon.nova-lite-v1:0", "userRoles": ["power"]}
	},
	"keys": {"a-key-of-team-a-0123456789": {"project": "team-a", "roles": ["default"]}}
}`

// serveTokens starts outcrop with the provider's JWTs for two clients, and its opaque tokens.
func serveTokens(t *testing.T, issuer string, env ...string) *server {
	t.Helper()
	dir := t.TempDir()
	settings := fmt.Sprintf(`{
		"config": {"files": [%q]},
		"access": {"admin": {"rules": [{"source": "realm_access.roles", "function": "EQUAL", "targets": ["dial-admin"]}]}},
		"identityProviders": {
			"jwt": {"jwksUrl": %q, "rolePath": "realm_access.roles", "userDisplayName": "nickname", "issuerPattern": %q, "audience": "dial",
				"leeway": 0, "positiveCacheExpirationMs": 2000, "negativeCacheExpirationMs": 1000},
			"opaque": {"userInfoEndpoint": %q, "rolePath": "realm_access.roles", "userDisplayName": "nickname"}
		}
	}`, filepath.Join(dir, "aidial.config.json"), issuer+"keys", regexp.QuoteMeta(strings.TrimSuffix(issuer, "/"))+"/?", issuer+"userinfo")
	if strings.Contains(t.Name(), "Expire") {
		settings = strings.Replace(settings, `"audience": "dial"`, `"audience": "short"`, 1)
	}
	for name, text := range map[string]string{"aidial.config.json": oidcConfig, "aidial.settings.json": settings} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return start(t, configReady, env, "serve", "--sandbox", "--settings", filepath.Join(dir, "aidial.settings.json"), "--listen", "127.0.0.1:0")
}

// asked is the status and the body of a GET with a token.
func asked(t *testing.T, s *server, path, token string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// refused says that a token gets a 401 that says why.
func refused(t *testing.T, s *server, token, why string) {
	t.Helper()
	if status, text := asked(t, s, "/v1/user/info", token); status != http.StatusUnauthorized || !strings.Contains(text, why) {
		t.Errorf("got %d %s, want 401 with %q", status, text, why)
	}
}

// TestOIDCLogin: who logs in at a real provider sees the models that the roles allow, with a JWT and with an opaque
// token.
func TestOIDCLogin(t *testing.T) {
	issuer := provider(t)
	s := serveTokens(t, issuer)
	for user, sees := range map[string]bool{"test-user@localhost": true, "test-user2": false} {
		g := login(t, issuer, "dial", user)
		for kind, token := range map[string]string{"JWT": g.ID, "opaque": g.Access} {
			status, text := asked(t, s, "/openai/models", token)
			if status != http.StatusOK || !strings.Contains(text, `"open"`) || strings.Contains(text, `"power"`) != sees {
				t.Errorf("%s, %s: %d %s", user, kind, status, text)
			}
			if _, text := asked(t, s, "/v1/user/info", token); !strings.Contains(text, "User id") {
				t.Errorf("%s, %s: %s", user, kind, text)
			}
		}
	}
	// The last request's line may come some milliseconds after its answer.
	known := s.log.wait(t.Context(), regexp.MustCompile(`(?s)("user":"|user=).*("user":"|user=).*("user":"|user=).*("user":"|user=)`), s.ended)
	if log := s.log.String(); known == nil || strings.Contains(log, "id1") {
		t.Errorf("the log knows users by their ids, or not at all:\n%s", log)
	}
	if status, _ := asked(t, s, "/openai/models", "a-key-of-team-a-0123456789"); status != http.StatusOK {
		t.Errorf("a key beside the providers: %d", status)
	}
}

// TestOIDCRotation: a token that is signed with a new key is good at once, and one whose key has vanished is not.
func TestOIDCRotation(t *testing.T) {
	issuer := provider(t)
	s := serveTokens(t, issuer)
	first := login(t, issuer, "dial", "test-user2").ID
	if status, text := asked(t, s, "/openai/models", first); status != http.StatusOK {
		t.Fatalf("%d %s", status, text)
	}
	for range 2 {
		body(t, http.DefaultClient, http.MethodPost, issuer+"rotate", nil)
		next := login(t, issuer, "dial", "test-user2").ID
		until(t, func() bool { status, _ := asked(t, s, "/openai/models", next); return status == http.StatusOK })
	}
	until(t, func() bool {
		status, _ := asked(t, s, "/openai/models", first)
		return status == http.StatusUnauthorized
	})
	refused(t, s, first, "signed with a key that its provider does not have")
}

// until asks again and again, for as long as patience lasts.
func until(t *testing.T, done func() bool) {
	t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); !done(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("it does not come to pass")
		}
	}
}

// TestOIDCExpired: a token is good until it ends, and not a moment longer for having been good.
func TestOIDCExpired(t *testing.T) {
	issuer := provider(t)
	s := serveTokens(t, issuer)
	token := login(t, issuer, "short", "test-user2").ID
	if status, text := asked(t, s, "/openai/models", token); status != http.StatusOK {
		t.Fatalf("%d %s", status, text)
	}
	until(t, func() bool {
		status, _ := asked(t, s, "/openai/models", token)
		return status == http.StatusUnauthorized
	})
	refused(t, s, token, "has expired")
}

// TestOIDCForgeries: what the provider signed for another, and what it did not sign.
func TestOIDCForgeries(t *testing.T) {
	issuer := provider(t)
	s := serveTokens(t, issuer)
	good := login(t, issuer, "dial", "test-user2").ID
	if status, text := asked(t, s, "/openai/models", good); status != http.StatusOK {
		t.Fatalf("%d %s", status, text)
	}
	parts := strings.Split(good, ".")
	with := func(alg string) string {
		header, err := base64.RawURLEncoding.DecodeString(parts[0])
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(bytes.Replace(header, []byte("RS256"), []byte(alg), 1)) + "." + parts[1]
	}
	mac := hmac.New(sha256.New, []byte(body(t, http.DefaultClient, http.MethodGet, issuer+"keys", nil)))
	mac.Write([]byte(with("HS256")))
	refused(t, s, login(t, issuer, "mail", "test-user2").ID, "for another audience")
	refused(t, s, with("none")+".", "algorithm is not allowed")
	refused(t, s, with("HS256")+"."+base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), "algorithm is not allowed")
	refused(t, s, with("RS512")+"."+parts[2], "does not fit the key")
	refused(t, s, parts[0]+"."+parts[1]+"."+parts[2][1:]+"A", "signature is wrong")
	refused(t, s, "opaque-and-unknown", "Unknown api key")
}
