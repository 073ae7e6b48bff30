package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"outcrop/internal/sandbox"
)

// Each mistake in a flag about the account is told with the flag and what it should be.
func TestSandboxAccountFlags(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		flags sandboxAccountFlags
		want  string
	}{
		"cluster":      {sandboxAccountFlags{clusters: []string{"dial"}}, "--cluster number 1 is not NAME=ISSUER"},
		"issuer":       {sandboxAccountFlags{clusters: []string{"dial=http://x"}}, `--cluster [0] dial: the issuer "http://x" is no https URL`},
		"scp":          {sandboxAccountFlags{scp: file}, "--scp: policy document: is not JSON"},
		"scp missing":  {sandboxAccountFlags{scp: file + "x"}, "--scp: open"},
		"ca":           {sandboxAccountFlags{oidcCA: file}, "--oidc-ca: " + file + " has no certificate in PEM"},
		"keys":         {sandboxAccountFlags{oidcKeys: []string{"x"}}, "--oidc-keys number 1 is not ISSUER=FILE"},
		"keys' file":   {sandboxAccountFlags{oidcKeys: []string{"https://x=" + file}}, "--oidc-keys [https://x] is neither a JWKS document nor an https URL"},
		"route":        {sandboxAccountFlags{route: "europe"}, `--route "europe" is neither a region`},
		"all is there": {sandboxAccountFlags{clusters: []string{"dial=https://x"}, oidcKeys: []string{"https://x/=https://y/keys?a=b"}, route: "every"}, ""},
	} {
		var o sandbox.Options
		err := x.flags.options(&o)
		if err == nil {
			if _, err = sandbox.New(o); err != nil {
				err = nameFlags(err)
			}
		}
		if (err == nil) != (x.want == "") || err != nil && !strings.HasPrefix(err.Error(), x.want) {
			t.Errorf("%s: %v, want %s", name, err, x.want)
		}
	}
}
