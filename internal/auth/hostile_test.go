package auth_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"outcrop/internal/auth"
)

const userInfoURL = "https://idp.example.com/userinfo"

func asked() auth.Provider { return auth.Provider{Name: "asked", UserInfoURL: userInfoURL} }

// TestStrangersTokensAreNoQueue: while a provider is slow, tokens that nobody knows wait in a bounded number, also
// those whose senders have left.
func TestStrangersTokensAreNoQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		p := &idp{gate: gate}
		tokens := tokensOf(t, p, auth.TokenOptions{Providers: []auth.Provider{asked()}})
		a := newAuthenticator(t, auth.Options{Tokens: tokens})
		var all sync.WaitGroup
		for i := range 3000 {
			all.Go(func() { _, _ = bearer(a, fmt.Sprintf("stranger-%d", i)) })
		}
		synctest.Wait()
		began := time.Now()
		if _, err := bearer(a, "one-more"); reasonOf(err) != auth.Unreachable || time.Since(began) != 0 {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		close(gate)
		all.Wait()
		if n := p.count(); n > 1024 {
			t.Errorf("the provider was asked %d times", n)
		}
	})
}

// TestALongAnswerAboutATokenIsNone: what is remembered of a token is bounded.
func TestALongAnswerAboutATokenIsNone(t *testing.T) {
	p := &idp{users: map[string]string{"long": `{"sub":"a","x":"` + strings.Repeat("x", 64<<10) + `"}`, "short": `{"sub":"a"}`}}
	a := newAuthenticator(t, auth.Options{Tokens: tokensOf(t, p, auth.TokenOptions{Providers: []auth.Provider{asked()}})})
	if _, err := bearer(a, "long"); reasonOf(err) != auth.Unreachable {
		t.Error(err)
	}
	if caller, err := bearer(a, "short"); err != nil || caller.User != "a" {
		t.Error(caller, err)
	}
}

// TestTroubleIsToldWithoutSecrets: problems and the log name a provider by its address, without a password or a key
// in it, and the log once for each change.
func TestTroubleIsToldWithoutSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		const secret = "hunter2"
		p := &idp{status: http.StatusInternalServerError, users: map[string]string{"good": `{"sub":"a"}`}}
		tokens := tokensOf(t, p, auth.TokenOptions{Log: slog.New(slog.NewTextHandler(&log, nil)), Providers: []auth.Provider{
			{Name: "keys", JWKSURL: "https://u:hunter2@idp.example.com/keys?code=hunter2"},
			{Name: "asked", UserInfoURL: userInfoURL + "?code=hunter2"},
		}})
		a := newAuthenticator(t, auth.Options{Tokens: tokens})
		told := func(want int) {
			t.Helper()
			synctest.Wait()
			problems := tokens.Problems()
			if text := fmt.Sprint(problems, log.String()); len(problems) != want || strings.Contains(text, secret) || want > 0 && !strings.Contains(text, "idp.example.com/keys") {
				t.Errorf("%d problems: %s", len(problems), text)
			}
		}
		for i := range 3 {
			if _, err := bearer(a, fmt.Sprint("token-", i)); reasonOf(err) != auth.Unreachable {
				t.Error(err)
			}
		}
		told(2)
		p.set(func(p *idp) { p.err, p.status = fmt.Errorf("no route"), 0 })
		after(time.Hour)
		told(2)
		p.set(func(p *idp) { p.err, p.reply = nil, `{"keys":[]}` })
		after(time.Hour)
		if _, err := bearer(a, "good"); err != nil {
			t.Error(err)
		}
		told(1) // no key
		p.set(func(p *idp) { p.reply, p.keys = "", []jose.JSONWebKey{published("k", "RS256", rsaKeys()[0].Public())} })
		after(time.Hour)
		told(0)
		for line, want := range map[string]int{
			"cannot be asked whose a token is": 1, "tells whose a token is again": 1, "cannot fetch the keys": 1, "gives its keys again": 1, "has no key": 1,
		} {
			if n := strings.Count(log.String(), line); n != want {
				t.Errorf("%q is logged %d times:\n%s", line, n, log.String())
			}
		}
		if got := fmt.Sprint(tokens.Providers()); got != "[keys asked]" {
			t.Error(got)
		}
	})
	if none := (*auth.Tokens)(nil); none.Problems() != nil || none.Providers() != nil {
		t.Error("nobody has problems")
	}
}

// TestRulesThatMakeEverybodyAnAdmin are refused: an empty target, and an expression that leaves its parentheses.
func TestRulesThatMakeEverybodyAnAdmin(t *testing.T) {
	for _, rule := range []auth.Rule{
		{Source: "roles", Function: "CONTAIN", Targets: []string{"admin", ""}},
		{Source: "roles", Function: "EQUAL", Targets: []string{""}},
		{Source: "roles", Function: "REGEX", Targets: []string{"admin)|(?:.*"}},
	} {
		if _, err := auth.NewTokens(t.Context(), auth.TokenOptions{Admins: []auth.Rule{rule}}); err == nil {
			t.Errorf("%v is a rule", rule)
		}
	}
}

// TestNamesInLogsAreFitForThem: neither a project nor a name in logs is long or has control characters.
func TestNamesInLogsAreFitForThem(t *testing.T) {
	p := &idp{users: map[string]string{
		"good": `{"sub":"u","p":"team","m":"u@example.com"}`, "lines": `{"sub":"u","p":"a\nb","m":"a\r\nb"}`,
		"long": `{"sub":"u","p":"` + strings.Repeat("x", 513) + `","m":"` + strings.Repeat("x", 513) + `"}`,
	}}
	provider := asked()
	provider.ProjectPath, provider.LogPath = "p", "m"
	a := newAuthenticator(t, auth.Options{Tokens: tokensOf(t, p, auth.TokenOptions{Providers: []auth.Provider{provider}})})
	hashed := regexp.MustCompile("^[0-9a-f]{64}$")
	for token := range p.users {
		caller, err := bearer(a, token)
		if err != nil {
			t.Error(err)
		}
		if token == "good" && (caller.Project != "team" || caller.LogName != "u@example.com") || token != "good" && (caller.Project != "" || !hashed.MatchString(caller.LogName)) {
			t.Errorf("%s: %q %q", token, caller.Project, caller.LogName)
		}
	}
}

// TestKeysThatAreOldAtOnceAreNoStorm: however short a time the settings give to keys, a provider is not asked all
// the time.
func TestKeysThatAreOldAtOnceAreNoStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &idp{}
		tokensOf(t, p, auth.TokenOptions{Providers: []auth.Provider{{Name: "a", JWKSURL: jwksURL, PositiveTTL: time.Millisecond}}})
		after(10 * time.Second)
		if n := p.count(); n > 12 {
			t.Errorf("it was asked %d times in 10 s", n)
		}
	})
}
