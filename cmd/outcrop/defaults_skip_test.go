package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const hotDefaults = `{"models": {
	"plain": {"endpoint": "bedrock:us.amazon.nova-lite-v1:0", "defaults": {"temperature": "hot"}},
	"inside": {"endpoint": "bedrock:us.amazon.nova-lite-v1:0", "interfaces": {"openaiChatCompletions": {"defaults": {"temperature": "hot"}}}},
	"good": {"endpoint": "bedrock:us.amazon.nova-lite-v1:0", "defaults": {"temperature": 0}}
}}`

// TestDefaultsOfOneModel: defaults that no request can have are an error, also those of an interface; they take down
// that model alone when the rest may be served.
func TestDefaultsOfOneModel(t *testing.T) {
	writeConfig(t, hotDefaults)
	out, _, code := runConfig(t, "check", "a.json")
	if code != 1 || !strings.Contains(out, "\n2 errors") || !strings.Contains(out, "models.inside.interfaces: temperature: ") {
		t.Errorf("exit status %d:\n%s", code, out)
	}
	if out, _, code = runConfig(t, "check", "--on-invalid-entity", "skip", "a.json"); code != 0 || strings.Count(out, "the model is left out: defaults: temperature: ") != 2 {
		t.Errorf("exit status %d:\n%s", code, out)
	}
	r := newReloading(t, map[string]string{"10.json": hotDefaults, "keys.json": teamKey}, func(f *serveFlags) { f.merge.SkipInvalid = true })
	if diff := cmp.Diff([]string{"good"}, r.listed()); diff != "" {
		t.Error(diff)
	}
}
