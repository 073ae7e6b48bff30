package auth_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/auth"
	"outcrop/internal/secret"
)

// unverified is whom the claims are about, for a provider.
func unverified(t *testing.T, p auth.Provider, claims string, admins ...auth.Rule) (auth.Caller, error) {
	t.Helper()
	p.Name, p.Unverified = "test", true
	tokens := tokensOf(t, &idp{}, auth.TokenOptions{Providers: []auth.Provider{p}, Admins: admins})
	return bearer(newAuthenticator(t, auth.Options{Tokens: tokens}), part(`{"alg":"none"}`)+"."+part(claims)+".")
}

func TestRolesOfClaims(t *testing.T) {
	for _, tt := range []struct {
		name, paths, delimiter, claims string
		want                           []string
	}{
		{"a list", "roles", "", `"roles":["a","b"]`, []string{"a", "b"}},
		{"a string", "roles", "", `"roles":"a b"`, []string{"a b"}},
		{"a string of several", "roles", " ", `"roles":"a  b"`, []string{"a", "b"}},
		{"a delimiter is for strings", "roles", ",", `"roles":["a,b"]`, []string{"a,b"}},
		{"nested", "realm_access.roles", "", `"realm_access":{"roles":["a"]}`, []string{"a"}},
		{"a name with dots", "https://example.com/roles", "", `"https://example.com/roles":["a"]`, []string{"a"}},
		{"a name with dots comes first", "a.b", "", `"a.b":"literal","a":{"b":"nested"}`, []string{"literal"}},
		{"a name with dots on the way", "https://example.com/app.roles", "", `"https://example.com/app":{"roles":["a"]}`, []string{"a"}},
		{"several paths", "a|b.c", "", `"a":["x","y"],"b":{"c":["y","z"]}`, []string{"x", "y", "z"}},
		{"numbers are no roles", "roles", "", `"roles":7`, nil},
		{"a list that is not of strings", "roles", "", `"roles":["a",7]`, nil},
		{"none", "roles", "", `"x":1`, nil},
		{"no path", "", "", `"roles":["a"]`, nil},
		{"through a string", "roles.x", "", `"roles":"a"`, nil},
	} {
		p := auth.Provider{RolesDelimiter: tt.delimiter}
		if tt.paths != "" {
			p.RolePaths = strings.Split(tt.paths, "|")
		}
		caller, err := unverified(t, p, `{"sub":"alice",`+tt.claims+`}`)
		if diff := cmp.Diff(tt.want, caller.Roles); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", tt.name, err, diff)
		}
	}
}

func TestACallerByItsClaims(t *testing.T) {
	p := auth.Provider{ProjectPath: "app.project", UserIDPath: "oid", DisplayNamePath: "name", LogPath: "email", LogSalt: secret.New("salt"), Hashed: true}
	got, err := unverified(t, p, `{"sub":"s","oid":"o-1","name":"Alice","email":"a@example.com","app":{"project":"p"},"groups":["g"],"level":3,"mixed":["a",1]}`)
	sum := sha256.Sum256([]byte("salta@example.com"))
	want := auth.Caller{
		Project: "p", User: "o-1", Name: "Alice", LogName: hex.EncodeToString(sum[:]),
		Claims: map[string][]string{"sub": {"s"}, "oid": {"o-1"}, "name": {"Alice"}, "email": {"a@example.com"}, "app": {}, "groups": {"g"}, "level": {}, "mixed": {}},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	if got.ID() != "Users/o-1/" {
		t.Errorf("ID is %q", got.ID())
	}
	if got, _ = unverified(t, auth.Provider{LogPath: "email"}, `{"sub":"s","email":"a@example.com"}`); got.LogName != "a@example.com" {
		t.Errorf("raw: %q", got.LogName)
	}
	if got, _ = unverified(t, auth.Provider{LogPath: "email"}, `{"sub":"s"}`); len(got.LogName) != 64 {
		t.Errorf("without its claim the log knows %q", got.LogName)
	}
}

func TestAdmins(t *testing.T) {
	rule := func(function string, targets ...string) auth.Rule {
		return auth.Rule{Source: "roles", Function: function, Targets: targets}
	}
	for _, tt := range []struct {
		name  string
		rule  auth.Rule
		roles string
		want  bool
	}{
		{"equal", rule("EQUAL", "x", "Admin"), `["user","ADMIN"]`, true},
		{"equal is the whole", rule("EQUAL", "admin"), `["admins"]`, false},
		{"contain", rule("CONTAIN", "admin"), `"Not-Admin"`, true},
		{"contain needs it", rule("CONTAIN", "admin"), `"user"`, false},
		{"pattern", rule("REGEX", "adm.*"), `["administrator"]`, true},
		{"pattern is the whole", rule("REGEX", "adm|in"), `["admin"]`, false},
		{"pattern minds case", rule("regex", "admin"), `["Admin"]`, false},
		{"no such claim", auth.Rule{Source: "groups", Function: "CONTAIN", Targets: []string{"a"}}, `["admin"]`, false},
		{"no targets", rule("EQUAL"), `["admin"]`, false},
	} {
		caller, err := unverified(t, auth.Provider{}, `{"sub":"a","roles":`+tt.roles+`}`, rule("EQUAL", "nobody"), tt.rule)
		if err != nil || caller.Admin != tt.want {
			t.Errorf("%s: %v, %v", tt.name, caller.Admin, err)
		}
	}
	for _, bad := range []auth.Rule{rule("LIKE", "x"), rule("REGEX", "(")} {
		if _, err := auth.NewTokens(t.Context(), auth.TokenOptions{Admins: []auth.Rule{bad}}); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

func TestOpaqueTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &idp{users: map[string]string{"opaque-1": `{"sub":"alice","roles":["a"]}`, "opaque-2": `{"id":42}`, "opaque-3": `{"name":"nobody"}`, "opaque-4": "<html>", "eyJvcGFxdWU": `{"sub":"bob"}`, part(`{"alg":"dir"}`) + ".a.b.c.d": `{"sub":"eve"}`}}
		tokens := tokensOf(t, p, auth.TokenOptions{Providers: []auth.Provider{
			{Name: "one", UserInfoURL: "https://one.example.com/userinfo", RolePaths: []string{"roles"}},
			{Name: "two", UserInfoURL: "https://two.example.com/userinfo", UserIDPath: "id"},
		}})
		a := newAuthenticator(t, auth.Options{Keys: []auth.Key{{Digest: auth.Digest("key-a"), Project: "p"}}, Tokens: tokens})
		for _, tt := range []struct {
			token, user string
			reason      auth.Reason
			asked       int
		}{
			{"opaque-1", "alice", 0, 1},
			{"opaque-1", "alice", 0, 0},
			{"opaque-2", "42", 0, 2},
			{"opaque-3", "", auth.BadToken, 2},
			{"opaque-4", "", auth.Unreachable, 2},
			{part(`{"alg":"dir"}`) + ".a.b.c.d", "eve", 0, 1}, // encrypted, as ZITADEL's are
			{"eyJvcGFxdWU", "bob", 0, 1},
			{"unknown", "", auth.Unknown, 2},
			{"unknown", "", auth.Unknown, 0},
			{"with space", "", auth.Unknown, 0},
			{"key-a", "", 0, 0},
		} {
			began := p.count()
			caller, err := bearer(a, tt.token)
			if caller.User != tt.user || reasonOf(err) != tt.reason || p.count()-began != tt.asked {
				t.Errorf("%s: %q, %v, asked %d times", tt.token, caller.User, err, p.count()-began)
			}
		}
		p.set(func(p *idp) { p.users = nil })
		after(59 * time.Second)
		if _, err := bearer(a, "opaque-1"); err != nil {
			t.Errorf("within a minute: %v", err)
		}
		after(2 * time.Second)
		if _, err := bearer(a, "opaque-1"); reasonOf(err) != auth.Unknown {
			t.Errorf("after a minute: %v", err)
		}
		p.set(func(p *idp) { p.err = errors.New("down") })
		if _, err := bearer(a, "new"); reasonOf(err) != auth.Unreachable {
			t.Errorf("down: %v", err)
		}
		for _, token := range p.tokens {
			if token == "key-a" {
				t.Error("a key of ours was sent to a provider")
			}
		}
	})
}
