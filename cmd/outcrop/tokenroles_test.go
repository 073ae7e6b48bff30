package main

import (
	"os"
	"strings"
	"testing"
)

// TestTokensMayBringRoles: with identity providers nobody is told that a role has no holder, or that keys are missing.
func TestTokensMayBringRoles(t *testing.T) {
	writeConfig(t, `{"models": {"m": {"endpoint": "bedrock:us.amazon.nova-lite-v1:0", "userRoles": ["power"]}}}`)
	if err := os.WriteFile("s.json", []byte(`{"config": {"files": ["a.json"]}, "identityProviders": {"idp": {"jwksUrl": "https://idp/keys", "rolePath": "roles", "audience": "dial"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		want bool
	}{{[]string{"check", "a.json"}, true}, {[]string{"check", "--settings", "s.json"}, false}} {
		out, errOut, code := runConfig(t, tt.args...)
		if code != 0 || errOut != "" {
			t.Fatalf("%v: exit status %d: %s%s", tt.args, code, out, errOut)
		}
		for _, words := range []string{"nobody has it", "no key has one", "there are no keys"} {
			if strings.Contains(out, words) != tt.want {
				t.Errorf("%v: %q is there: %v, want %v:\n%s", tt.args, words, !tt.want, tt.want, out)
			}
		}
	}
	if f := settled(t, nil, "--settings", "s.json"); !f.merge.TokenRoles {
		t.Error("serve does not know that tokens bring roles")
	}
}
