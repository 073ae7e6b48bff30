package config

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/secret"
)

func TestModelIDsAndWhereTheyStand(t *testing.T) {
	const file = `{"models": {
  "plain": {"type": "chat", "endpoint": "bedrock:amazon.nova-lite-v1:0"},
  "over": {"type": "chat", "endpoint": "bedrock:x.unused", "overrideName": "amazon.nova-pro-v1:0"},
  "many": {"type": "chat", "endpoint": "bedrock:a.b", "upstreams": [
    {"id": "1"}, {"id": "2"}, {"modelId": "c.d"},
    {"modelId": "c.d", "baseModel": "f.base"}, {"modelId": "e.off", "weight": 0}]},
  "wrong": {"type": "chat", "endpoint": "bedrock:a b"},
  "embedding": {"type": "completion", "endpoint": "bedrock:amazon.titan-embed-text-v2:0"},
  "elsewhere": {"type": "chat", "endpoint": "http://adapter"},
  "hush-key-1": {"type": "chat", "endpoint": "bedrock:g.h"}},
 "keys": {"hush-key-1": {"project": "p", "roles": ["r"]}}}`
	path := write(t, "a.json", file)
	cfg, _ := Load([]string{path}, Options{})
	want := []ModelID{
		{"amazon.nova-lite-v1:0", path, 2, 41, "models.plain.endpoint", false, TypeChat, ""},
		{"amazon.nova-pro-v1:0", path, 3, 76, "models.over.overrideName", false, TypeChat, ""},
		{"a.b", path, 4, 40, "models.many.endpoint", false, TypeChat, ""},
		{"c.d", path, 5, 43, "models.many.upstreams[2].modelId", false, TypeChat, ""},
		{"c.d", path, 6, 17, "models.many.upstreams[3].modelId", false, TypeChat, ""},
		{"f.base", path, 6, 37, "models.many.upstreams[3].baseModel", true, TypeChat, ""},
		{"g.h", path, 10, 46, "models." + secret.Redacted + ".endpoint", false, TypeChat, ""},
	}
	if diff := cmp.Diff(want, cfg.ModelIDs()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestModelIDsOfAConfigOfNoFile(t *testing.T) {
	cfg := &Config{Models: []Model{{Name: "my.model", Type: "chat", Bedrock: "a.b"}}}
	if diff := cmp.Diff([]ModelID{{ID: "a.b", Path: `models["my.model"]`, Type: TypeChat}}, cfg.ModelIDs()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNearest(t *testing.T) {
	known := strings.Fields("us.anthropic.claude-sonnet-4-6 us.anthropic.claude-sonnet-4-5 amazon.nova-lite-v1:0")
	for name, want := range map[string]string{
		"us.anthropic.claude-sonnet-4-7": "us.anthropic.claude-sonnet-4-5",
		"us.anthropic.claude-sonet-4-6":  "us.anthropic.claude-sonnet-4-6",
		"amazon.nova-lite-v1":            "amazon.nova-lite-v1:0",
		"meta.llama":                     "",
		"":                               "",
	} {
		if got := Nearest(name, slices.Values(known)); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", name, got, want)
		}
	}
}
