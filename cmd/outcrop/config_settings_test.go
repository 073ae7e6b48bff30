package main

import (
	"os"
	"strings"
	"testing"
)

// TestSettingsAloneAreChecked: settings that name no configuration, as DIAL's built-in ones, are no error, and neither is
// a provider that cannot be served.
func TestSettingsAloneAreChecked(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("s.json", []byte(`{"identityProviders": {"google": {"userInfoEndpoint": "https://idp/userinfo", "rolePath": "fn:getGoogleWorkspaceGroups"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errOut, code := runConfig(t, "check", "--settings", "s.json")
	for _, want := range []string{"0 errors, 2 warnings", "The provider is left out, its tokens are refused", "the settings name no configuration file"} {
		if !strings.Contains(out, want) || code != 0 || errOut != "" {
			t.Errorf("exit status %d, %q, want %q in:\n%s", code, errOut, want, out)
		}
	}
	if f := settled(t, nil, "--settings", "s.json"); len(f.settingsOf().Providers) > 0 {
		t.Error("a provider is served whose tokens have no roles")
	}
}
