package auth_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"outcrop/internal/auth"
)

func authenticator(t *testing.T) *auth.Authenticator {
	t.Helper()
	a, err := auth.New(auth.Options{Keys: []auth.Key{
		{Digest: auth.Digest("key-a"), Project: "team-a", Roles: []string{"default"}},
		{Digest: auth.Digest("key-b"), Project: "team-b"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestPrecedence is the table of DIAL Core's credentials: PASS is a per-request key, JWT a good token, OLD an
// expired one.
func TestPrecedence(t *testing.T) {
	passes := auth.NewPasses(time.Minute)
	pass := passes.Issue(auth.Caller{Project: "team-c"}.Next("app"))
	p := &idp{keys: []jose.JSONWebKey{published("k", "", &rsaKeys()[0].PublicKey)}, users: map[string]string{"opaque": `{"sub":"olga"}`}}
	a := newAuthenticator(t, auth.Options{
		Keys: []auth.Key{
			{Digest: auth.Digest("key-a"), Project: "team-a"}, {Digest: auth.Digest("key-b"), Project: "team-b"},
			{Digest: auth.Digest("key-old"), Project: "team-a", Expires: time.Now().Add(-time.Second)},
			{Digest: auth.Digest("key-new"), Project: "team-a", Expires: time.Now().Add(time.Hour)},
		},
		Passes: passes,
		Tokens: tokensOf(t, p, auth.TokenOptions{Providers: []auth.Provider{{Name: "idp", JWKSURL: jwksURL}, {Name: "opaque", UserInfoURL: "https://idp.example.com/userinfo"}}}),
	})
	words := strings.NewReplacer("PASS", pass, "JWT", good(t), "OLD", signedBy(t, jose.RS256, rsaKeys()[0], "k", claimsNow(map[string]any{"exp": 1})))
	for _, tt := range []struct {
		name, headers, caller string
		reason                auth.Reason
	}{
		{"nothing", "", "", auth.Missing},
		{"a key", "Api-Key: key-a", "team-a", 0},
		{"the header's case does not matter", "API-KEY: key-a", "team-a", 0},
		{"the header in small letters", "api-key: key-a", "team-a", 0},
		{"an unknown key", "Api-Key: key-x", "", auth.Unknown},
		{"a key is case sensitive", "Api-Key: KEY-A", "", auth.Unknown},
		{"an empty key", "Api-Key: ", "", auth.Missing},
		{"a key that has ended", "Api-Key: key-old", "", auth.Expired},
		{"a key that will end", "Api-Key: key-new", "team-a", 0},
		{"a per-request key", "Api-Key: PASS", "team-c", 0},
		{"a token is no key", "Api-Key: JWT", "", auth.Unknown},
		{"a token", "Authorization: Bearer JWT", "alice", 0},
		{"an opaque token", "Authorization: Bearer opaque", "olga", 0},
		{"an expired token", "Authorization: Bearer OLD", "", auth.BadToken},
		{"a key as a token", "Authorization: Bearer key-a", "team-a", 0},
		{"a key that has ended as a token", "Authorization: Bearer key-old", "", auth.Expired},
		{"a per-request key as a token", "Authorization: Bearer PASS", "team-c", 0},
		{"bearer", "authorization: bearer  key-a ", "team-a", 0},
		{"BEARER", "Authorization: BEARER JWT", "alice", 0},
		{"an unknown token", "Authorization: Bearer key-x", "", auth.Unknown},
		{"Basic", "Authorization: Basic a2V5LWE=", "", auth.Malformed},
		{"a token without Bearer", "Authorization: JWT", "", auth.Malformed},
		{"Bearer alone", "Authorization: Bearer", "", auth.Malformed},
		{"Anthropic's header", "X-Api-Key: key-a", "team-a", 0},
		{"Anthropic's header with a per-request key", "X-Api-Key: PASS", "team-c", 0},
		{"Anthropic's header is the last choice", "X-Api-Key: key-a|Api-Key: key-b", "team-b", 0},
		{"Anthropic's header beside a token", "X-Api-Key: key-a|Authorization: Bearer JWT", "alice", 0},
		{"Anthropic's header beside Bearer alone", "X-Api-Key: key-a|Authorization: Bearer", "", auth.Malformed},
		{"Anthropic's header beside an empty one", "X-Api-Key: key-a|Authorization: ", "team-a", 0},
		{"a key and the word Bearer", "Api-Key: key-a|Authorization: Bearer ", "team-a", 0},
		{"an unknown key and the word Bearer", "Api-Key: key-x|Authorization: Bearer", "", auth.Unknown},
		{"a key and the same token", "Api-Key: key-a|Authorization: Bearer key-a", "team-a", 0},
		{"a token twice", "Api-Key: JWT|Authorization: Bearer JWT", "alice", 0},
		{"a per-request key twice", "Api-Key: PASS|Authorization: Bearer PASS", "team-c", 0},
		{"an unknown key twice", "Api-Key: key-x|Authorization: Bearer key-x", "", auth.Unknown},
		{"a key and another", "Api-Key: key-a|Authorization: Bearer key-b", "", auth.Ambiguous},
		{"a key and a token", "Api-Key: key-a|Authorization: Bearer JWT", "", auth.Ambiguous},
		{"an unknown key and a token", "Api-Key: key-x|Authorization: Bearer JWT", "", auth.Ambiguous},
		{"a key and Basic", "Api-Key: key-a|Authorization: Basic eDp5", "", auth.Ambiguous},
		{"a per-request key and a token", "Api-Key: PASS|Authorization: Bearer JWT", "team-c", 0},
		{"a per-request key and an expired token", "Api-Key: PASS|Authorization: Bearer OLD", "team-c", 0},
		{"a per-request key and Basic", "Api-Key: PASS|Authorization: Basic eDp5", "team-c", 0},
		{"a key and a per-request key", "Api-Key: key-a|Authorization: Bearer PASS", "", auth.Ambiguous},
		{"two keys", "Api-Key: key-a|Api-Key: key-a", "", auth.Duplicate},
		{"two spellings of a header", "api-key: key-a|API-KEY: key-b", "", auth.Duplicate},
		{"two tokens", "Authorization: Bearer key-a|Authorization: Bearer key-a", "", auth.Duplicate},
		{"two of Anthropic's", "X-Api-Key: key-a|X-Api-Key: key-b", "", auth.Duplicate},
		{"two of Anthropic's that do not count", "X-Api-Key: key-a|X-Api-Key: key-b|Api-Key: key-a", "team-a", 0},
	} {
		h := http.Header{}
		for header := range strings.SplitSeq(words.Replace(tt.headers), "|") {
			name, value, _ := strings.Cut(header, ": ")
			h.Add(name, value)
		}
		caller, err := a.Authenticate(&http.Request{Header: h})
		if caller.Project+caller.User != tt.caller || reasonOf(err) != tt.reason {
			t.Errorf("%s: got %q, %v", tt.name, caller.Project+caller.User, err)
		}
	}
}

func TestTextsOfDIAL(t *testing.T) {
	for reason, want := range map[auth.Reason]string{
		auth.Missing:         "At least API-KEY or Authorization header must be provided",
		auth.Unknown:         "Unknown api key",
		auth.Malformed:       "Bad Authorization header",
		auth.Ambiguous:       "Provided API key is not per request key",
		auth.UnknownProvider: "Unknown Identity Provider",
	} {
		if got := (&auth.Error{Reason: reason}).Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestWhereAKeyMayBeUsedFrom(t *testing.T) {
	networks := func(texts ...string) []netip.Prefix {
		list := []netip.Prefix{}
		for _, text := range texts {
			list = append(list, netip.MustParsePrefix(text))
		}
		return list
	}
	const forwarded = "X-Forwarded-For"
	for _, tt := range []struct {
		name    string
		allowed []netip.Prefix
		proxies int
		from    string
		lines   []string
		want    string // the address in the refusal, "" for none
	}{
		{"everywhere", nil, 0, "192.0.2.1:5", nil, ""},
		{"nowhere", networks(), 0, "192.0.2.1:5", nil, "192.0.2.1"},
		{"inside", networks("10.0.0.0/8", "192.0.2.0/24"), 0, "192.0.2.1:5", nil, ""},
		{"outside", networks("10.0.0.0/8"), 0, "192.0.2.1:5", nil, "192.0.2.1"},
		{"IPv6", networks("2001:db8::/32"), 0, "[2001:db8::1]:5", nil, ""},
		{"IPv6 with a zone", networks("fe80::/10"), 0, "[fe80::1%eth0]:5", nil, ""},
		{"IPv4 within IPv6", networks("192.0.2.0/24"), 0, "[::ffff:192.0.2.1]:5", nil, ""},
		{"a network within IPv6", networks("::ffff:192.0.2.0/120"), 0, "192.0.2.1:5", nil, ""},
		{"nobody is believed", networks("10.0.0.0/8"), 0, "192.0.2.1:5", []string{"10.0.0.1"}, "192.0.2.1"},
		{"one proxy", networks("10.0.0.0/8"), 1, "192.0.2.1:5", []string{"10.0.0.1"}, ""},
		{"one proxy and an invention", networks("10.0.0.0/8"), 1, "192.0.2.1:5", []string{"10.0.0.1, 198.51.100.7"}, "198.51.100.7"},
		{"an invention on a line of its own", networks("10.0.0.0/8"), 1, "192.0.2.1:5", []string{"10.0.0.1", "198.51.100.7"}, "198.51.100.7"},
		{"two proxies", networks("10.0.0.0/8"), 2, "192.0.2.1:5", []string{"198.51.100.7, 10.0.0.1 , 203.0.113.1"}, ""},
		{"two proxies on two lines", networks("10.0.0.0/8"), 2, "192.0.2.1:5", []string{"198.51.100.7,10.0.0.1", "203.0.113.1"}, ""},
		{"past a proxy", networks("10.0.0.0/8", "192.0.2.0/24"), 2, "192.0.2.1:5", []string{"10.0.0.1"}, "unknown"},
		{"past all proxies", networks("192.0.2.0/24"), 1, "192.0.2.1:5", nil, "unknown"},
		{"with a port", networks("10.0.0.0/8"), 1, "192.0.2.1:5", []string{"10.0.0.1:4711"}, ""},
		{"IPv6 in brackets", networks("2001:db8::/32"), 1, "192.0.2.1:5", []string{"[2001:db8::1]"}, ""},
		{"no address", networks("0.0.0.0/0", "::/0"), 1, "192.0.2.1:5", []string{"unknown"}, "unknown"},
	} {
		a := newAuthenticator(t, auth.Options{Proxies: tt.proxies, Keys: []auth.Key{{Digest: auth.Digest("k"), Project: "p", AllowedIPs: tt.allowed}}})
		for _, header := range []string{"Api-Key: k", "Authorization: Bearer k"} {
			name, value, _ := strings.Cut(header, ": ")
			_, err := a.Authenticate(&http.Request{RemoteAddr: tt.from, Header: http.Header{name: {value}, forwarded: tt.lines}})
			got := ""
			if err != nil {
				got = strings.TrimPrefix(err.Error(), "Access is forbidden from IP address: ")
			}
			if got != tt.want {
				t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
			}
		}
	}
}

func TestErrorsDoNotQuoteTheCredential(t *testing.T) {
	_, err := authenticator(t).Authenticate(&http.Request{Header: http.Header{"Authorization": {"Bearer hunter2"}}})
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}

func TestKeysMustBeDistinctAndNotEmpty(t *testing.T) {
	for _, keys := range [][]auth.Key{
		{{Project: "p"}},
		{{Digest: auth.Digest("hunter2"), Project: "p"}, {Digest: auth.Digest("hunter2"), Project: "q"}},
		{{Digest: auth.Digest(""), Project: "p"}},
	} {
		if _, err := auth.New(auth.Options{Keys: keys}); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("got %v", err)
		}
	}
}

func TestHasAny(t *testing.T) {
	c := auth.Caller{Roles: []string{"a", "b"}}
	if !c.HasAny([]string{"x", "b"}) || c.HasAny([]string{"x"}) || c.HasAny(nil) || (auth.Caller{}).HasAny([]string{"a"}) {
		t.Error("HasAny is wrong")
	}
}
