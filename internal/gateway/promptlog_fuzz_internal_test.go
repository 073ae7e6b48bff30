package gateway

import (
	"strings"
	"testing"
)

// FuzzOpenURI: without bodies the prompt log has no value of a parameter, and with them none of a credential's.
func FuzzOpenURI(f *testing.F) {
	for _, uri := range []string{"/r?key=swordfish99", "/r?a=swordfish99&b", "/r?api_key=swordfish99&api-version=2024", "/r?%61pi-key=swordfish99", "/r?token=swordfish99;x=1", "/r?a=1&?=swordfish99", "/r?=swordfish99"} {
		f.Add(uri)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		path, query, _ := strings.Cut(uri, "?")
		got := new(PromptLog).openURI(uri)
		for part := range strings.SplitSeq(query, "&") {
			name, value, _ := strings.Cut(part, "=")
			if strings.Contains(value, "swordfish99") && !strings.Contains(path+name, "swordfish99") && !strings.Contains(name, "version") && strings.Count(query, "swordfish99") == 1 && strings.Contains(got, "swordfish99") {
				t.Fatalf("%q became %q", uri, got)
			}
		}
	})
}
