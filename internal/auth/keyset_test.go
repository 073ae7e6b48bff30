package auth_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"outcrop/internal/auth"
)

// oneProvider is an authenticator of the idp alone, once its keys have been fetched.
func oneProvider(t *testing.T, p *idp) (*auth.Authenticator, *auth.Tokens) {
	t.Helper()
	tokens := tokensOf(t, p, auth.TokenOptions{Providers: []auth.Provider{{Name: "idp", JWKSURL: jwksURL}}})
	synctest.Wait()
	return newAuthenticator(t, auth.Options{Tokens: tokens}), tokens
}

func rsaToken(t *testing.T, key int, id string) string {
	t.Helper()
	return signedBy(t, jose.RS256, rsaKeys()[key], id, claimsNow(map[string]any{"exp": time.Now().Add(100 * time.Hour).Unix()}))
}

func publicRSA(key int, id string) jose.JSONWebKey {
	return published(id, "RS256", &rsaKeys()[key].PublicKey)
}

func TestKeysAreFetchedAheadAndKeptFresh(t *testing.T) {
	rsaKeys()
	synctest.Test(t, func(t *testing.T) {
		p := &idp{keys: []jose.JSONWebKey{publicRSA(0, "old")}}
		a, _ := oneProvider(t, p)
		if n := p.count(); n != 1 {
			t.Fatalf("before any token, %d fetches", n)
		}
		token := rsaToken(t, 0, "old")
		for range 10 {
			if _, err := bearer(a, token); err != nil {
				t.Fatal(err)
			}
		}
		after(time.Hour + time.Second)
		if n := p.count(); n != 9 { // each 7.5 minutes, and at the start
			t.Errorf("within an hour, %d fetches", n)
		}
	})
}

func TestKeysRotate(t *testing.T) {
	rsaKeys()
	synctest.Test(t, func(t *testing.T) {
		p := &idp{keys: []jose.JSONWebKey{publicRSA(0, "old")}}
		a, _ := oneProvider(t, p)
		old, next := rsaToken(t, 0, "old"), rsaToken(t, 1, "new")
		if _, err := bearer(a, old); err != nil {
			t.Fatal(err)
		}
		after(2 * time.Second)
		p.set(func(p *idp) { p.keys = []jose.JSONWebKey{publicRSA(1, "new")} })
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if _, err := bearer(a, next); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := p.count(); n != 2 {
			t.Errorf("50 requests with a new key: %d fetches, want one more", n-1)
		}
		if _, err := bearer(a, old); reasonOf(err) != auth.BadToken {
			t.Errorf("a known token whose key has vanished: %v", err)
		}
	})
}

// after lets the bubble's clock go on.
func after(d time.Duration) { <-time.After(d) }

func TestAKeyWithTheSameNameIsAnother(t *testing.T) {
	rsaKeys()
	synctest.Test(t, func(t *testing.T) {
		p := &idp{keys: []jose.JSONWebKey{publicRSA(0, "k")}}
		a, _ := oneProvider(t, p)
		token := rsaToken(t, 0, "k")
		if _, err := bearer(a, token); err != nil {
			t.Fatal(err)
		}
		p.set(func(p *idp) { p.keys = []jose.JSONWebKey{publicRSA(1, "k")} })
		after(10 * time.Minute)
		if _, err := bearer(a, token); reasonOf(err) != auth.BadToken {
			t.Errorf("got %v", err)
		}
	})
}

func TestHostileKeyNamesAreNoStorm(t *testing.T) {
	rsaKeys()
	synctest.Test(t, func(t *testing.T) {
		p := &idp{keys: []jose.JSONWebKey{publicRSA(0, "k")}}
		a, _ := oneProvider(t, p)
		began := p.count()
		for second := range 10 {
			for i := range 200 {
				if _, err := bearer(a, rsaHeader(fmt.Sprintf("%d-%d", second, i))); reasonOf(err) != auth.BadToken {
					t.Fatal(err)
				}
			}
			after(time.Second)
		}
		if n := p.count() - began; n > 10 {
			t.Errorf("2000 names within 10 seconds: %d fetches", n)
		}
		began = p.count()
		for range 9 {
			_, _ = bearer(a, rsaHeader("one"))
			after(time.Second)
		}
		if n := p.count() - began; n != 1 {
			t.Errorf("one name within 9 seconds: %d fetches", n)
		}
	})
}

// rsaHeader is a token that names a key; nobody gets as far as its signature.
func rsaHeader(id string) string {
	return part(`{"alg":"RS256","kid":"`+id+`"}`) + "." + part(`{"sub":"a","exp":99999999999}`) + "." + part("signature")
}

func TestAProviderThatIsDown(t *testing.T) {
	rsaKeys()
	synctest.Test(t, func(t *testing.T) {
		p := &idp{keys: []jose.JSONWebKey{publicRSA(0, "k")}, err: errors.New("no route to host")}
		a, tokens := oneProvider(t, p)
		token := rsaToken(t, 0, "k")
		if _, err := bearer(a, token); reasonOf(err) != auth.Unreachable {
			t.Errorf("at the start: %v", err)
		}
		if problems := tokens.Problems(); len(problems) != 1 || !strings.Contains(problems[0].Text, "no route to host") || problems[0].Provider != "idp" {
			t.Errorf("problems: %+v", problems)
		}
		p.set(func(p *idp) { p.err = nil })
		after(3 * time.Second)
		if _, err := bearer(a, token); err != nil || tokens.Problems() != nil {
			t.Errorf("a little later: %v, %v", err, tokens.Problems())
		}
		p.set(func(p *idp) { p.reply, p.status = "oops", http.StatusBadGateway })
		after(23 * time.Hour)
		if _, err := bearer(a, token); err != nil || len(tokens.Problems()) != 1 {
			t.Errorf("down for 23 hours: %v", err)
		}
		began := p.count()
		after(time.Hour)
		if n := p.count() - began; n > 61 {
			t.Errorf("within an hour of silence, %d fetches", n)
		}
		after(2 * time.Hour)
		if _, err := bearer(a, token); reasonOf(err) != auth.Unreachable {
			t.Errorf("down for more than a day: %v", err)
		}
	})
}

func TestRepliesThatAreNoKeySets(t *testing.T) {
	rsaKeys()
	for name, reply := range map[string]string{
		"HTML": "<html>", "another object": `{"error":"x"}`, "null": "null", "endless": `{"keys":[` + strings.Repeat(" ", 2<<20) + `]}`,
	} {
		synctest.Test(t, func(t *testing.T) {
			p := &idp{keys: []jose.JSONWebKey{publicRSA(0, "k")}}
			a, tokens := oneProvider(t, p)
			p.set(func(p *idp) { p.reply = reply })
			after(time.Hour)
			if _, err := bearer(a, rsaToken(t, 0, "k")); err != nil || len(tokens.Problems()) != 1 {
				t.Errorf("%s: the last good keys are forgotten: %v, %v", name, err, tokens.Problems())
			}
		})
	}
}

func TestKeysThatNobodyShouldTrustAreLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &idp{reply: `{"keys":[{"kty":"oct","kid":"k","k":"c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"},{"kty":"RSA","kid":"k","n":"AQAB","e":"AQAB"},
			{"kty":"new","kid":"k"},{"kty":"EC","crv":"P-256","kid":"k","x":"AQ","y":"AQ"},7]}`}
		a, tokens := oneProvider(t, p)
		if _, err := bearer(a, rsaHeader("k")); reasonOf(err) != auth.BadToken || len(tokens.Problems()) != 1 {
			t.Errorf("got %v, %v", err, tokens.Problems())
		}
	})
}

func TestAProviderMayNotSendUsToAnotherHost(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the other host was asked") }))
	defer other.Close()
	first := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusFound))
	defer first.Close()
	tokens, err := auth.NewTokens(t.Context(), auth.TokenOptions{Providers: []auth.Provider{{Name: "idp", JWKSURL: first.URL}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bearer(newAuthenticator(t, auth.Options{Tokens: tokens}), rsaHeader("k")); reasonOf(err) != auth.Unreachable {
		t.Errorf("got %v", err)
	}
}

func TestSeveralProvidersAreToldByTheirIssuers(t *testing.T) {
	p := &idp{keys: []jose.JSONWebKey{publicRSA(0, "k")}}
	a := newAuthenticator(t, auth.Options{Tokens: tokensOf(t, p, auth.TokenOptions{Providers: []auth.Provider{
		{Name: "any", JWKSURL: jwksURL, UserIDPath: "jti"},
		{Name: "a", JWKSURL: jwksURL, IssuerPattern: regexp.MustCompile(`https://a\.example\.com|https://b`)},
		{Name: "b", JWKSURL: jwksURL, Issuer: "https://b.example.com", UserIDPath: "oid"},
	}})})
	for _, tt := range []struct{ issuer, user string }{
		{"https://a.example.com", "alice"},
		{"https://a.example.com/evil", ""},
		{"https://b.example.com", "oid-1"},
		{"https://c.example.com", ""},
	} {
		caller, err := bearer(a, signedBy(t, jose.RS256, rsaKeys()[0], "k", claimsNow(map[string]any{"iss": tt.issuer, "oid": "oid-1", "jti": "j"})))
		if caller.User != tt.user || tt.user == "" && (reasonOf(err) != auth.UnknownProvider || err.Error() != "Unknown Identity Provider") {
			t.Errorf("%s: %q, %v", tt.issuer, caller.User, err)
		}
	}
}

func TestProvidersThatCannotBe(t *testing.T) {
	for _, p := range []auth.Provider{
		{}, {JWKSURL: jwksURL, Unverified: true}, {JWKSURL: "ftp://x/y"}, {JWKSURL: "/keys"}, {JWKSURL: jwksURL, Algorithms: []string{"HS256"}}, {JWKSURL: jwksURL, Algorithms: []string{"none"}},
	} {
		p.Name = "keycloak"
		if _, err := auth.NewTokens(t.Context(), auth.TokenOptions{Providers: []auth.Provider{p}}); err == nil || !strings.Contains(err.Error(), "identityProviders.keycloak") {
			t.Errorf("%+v: %v", p, err)
		}
	}
}
