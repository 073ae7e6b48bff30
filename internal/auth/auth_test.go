package auth_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

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

// TestPrecedence is the table of DIAL Core's credentials.
func TestPrecedence(t *testing.T) {
	tests := []struct {
		name, headers, project string
		reason                 auth.Reason
	}{
		{"nothing", "", "", auth.Missing},
		{"a key", "Api-Key: key-a", "team-a", 0},
		{"the header's case does not matter", "API-KEY: key-a", "team-a", 0},
		{"an unknown key", "Api-Key: key-x", "", auth.Unknown},
		{"a key is case sensitive", "Api-Key: KEY-A", "", auth.Unknown},
		{"an empty key", "Api-Key: ", "", auth.Missing},
		{"Bearer", "Authorization: Bearer key-a", "team-a", 0},
		{"bearer", "Authorization: bearer  key-a ", "team-a", 0},
		{"an unknown token", "Authorization: Bearer key-x", "", auth.Unknown},
		{"Basic", "Authorization: Basic a2V5LWE=", "", auth.Malformed},
		{"Bearer alone", "Authorization: Bearer", "", auth.Malformed},
		{"Anthropic's header", "X-Api-Key: key-a", "team-a", 0},
		{"Anthropic's header is the last choice", "X-Api-Key: key-a|Api-Key: key-b", "team-b", 0},
		{"Anthropic's header beside a token", "X-Api-Key: key-a|Authorization: Bearer key-b", "team-b", 0},
		{"a key and the word Bearer", "Api-Key: key-a|Authorization: Bearer ", "team-a", 0},
		{"a key and the same token", "Api-Key: key-a|Authorization: Bearer key-a", "team-a", 0},
		{"a key and another token", "Api-Key: key-a|Authorization: Bearer key-b", "", auth.Ambiguous},
		{"a key and Basic", "Api-Key: key-a|Authorization: Basic eDp5", "", auth.Ambiguous},
	}
	a := authenticator(t)
	for _, tt := range tests {
		h := http.Header{}
		for header := range strings.SplitSeq(tt.headers, "|") {
			name, value, _ := strings.Cut(header, ": ")
			h.Set(name, value)
		}
		caller, err := a.Authenticate(&http.Request{Header: h})
		var reason auth.Reason
		if e, ok := errors.AsType[*auth.Error](err); ok {
			reason = e.Reason
		}
		if caller.Project != tt.project || reason != tt.reason {
			t.Errorf("%s: got %q, %v (%v)", tt.name, caller.Project, reason, err)
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
