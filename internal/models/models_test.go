package models

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func load(t testing.TB) *Catalogue {
	t.Helper()
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func get(t *testing.T, id string) *Model {
	t.Helper()
	m, ok := load(t).Lookup(id)
	if !ok {
		t.Fatalf("%s is not in the catalogue", id)
	}
	return m
}

func TestEveryIDIsThere(t *testing.T) {
	list, err := os.ReadFile("testdata/ids.txt")
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Fields(string(list))
	if len(want) != 358 {
		t.Fatalf("testdata/ids.txt holds %d ids, want 358", len(want))
	}
	c := load(t)
	var got []string
	for _, m := range c.All() {
		got = append(got, m.ID)
		if found, ok := c.Lookup(m.ID); !ok || found != m {
			t.Errorf("Lookup(%q) = %v, %v", m.ID, found, ok)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ids (-want +got):\n%s", diff)
	}
}

// Whatever the sources hold, a program that reads the catalogue may count on
// these words and on these relations.
func TestEveryModelIsSound(t *testing.T) {
	words := map[string][]string{
		"kind":       {"chat", "embedding", "image", "video", "speech", "rerank"},
		"geo":        {"", "us", "eu", "apac", "jp", "au", "ca", "in", "us-gov", "global"},
		"status":     {Active, Legacy, EndOfLife},
		"input":      {"text", "image", "pdf", "video", "audio"},
		"output":     {"text", "image", "embeddings", "video", "audio"},
		"inference":  {"ON_DEMAND", "INFERENCE_PROFILE", "PROVISIONED"},
		"toolChoice": {"auto", "any", "tool"},
		"place":      {"system", "messages", "tools"},
		"sampling":   {"", SamplingBoth, SamplingOne, SamplingNone},
		"thinking": {"", ThinkingNone, ThinkingBudget, ThinkingAdaptive, ThinkingEither, ThinkingNova,
			ThinkingEffort, ThinkingLevel, ThinkingConfig, ThinkingAlways},
	}
	for _, m := range load(t).All() {
		check := func(what string, values ...string) {
			for _, v := range values {
				if !slices.Contains(words[what], v) {
					t.Errorf("%s: %s %q is not one of %q", m.ID, what, v, words[what])
				}
			}
		}
		check("kind", string(m.Kind))
		check("geo", m.Geo)
		check("status", m.Lifecycle.Status)
		check("input", m.Input...)
		check("output", m.Output...)
		check("inference", m.InferenceTypes...)
		if c := m.Converse; c != nil {
			check("toolChoice", c.ToolChoice...)
			check("sampling", c.Sampling)
			check("thinking", c.Thinking)
			if c.StreamingTools && !c.Tools {
				t.Errorf("%s: tools in streams but no tools", m.ID)
			}
		}
		if p := m.PromptCache; p != nil {
			check("place", p.Places...)
		}
		if base, geo := Base(m.ID); base != m.Base || geo != m.Geo {
			t.Errorf("Base(%q) = %q, %q; the catalogue says %q, %q", m.ID, base, geo, m.Base, m.Geo)
		}
		if m.Provider == "" || m.Name == "" || !strings.HasPrefix(m.Base, m.Provider+".") {
			t.Errorf("%s: provider %q, name %q", m.ID, m.Provider, m.Name)
		}
		if m.Lifecycle.EOL != "" {
			if _, err := time.Parse(time.DateOnly, m.Lifecycle.EOL); err != nil {
				t.Errorf("%s: %v", m.ID, err)
			}
		}
	}
}

func TestFacts(t *testing.T) {
	sonnet := get(t, "us.anthropic.claude-sonnet-4-5-20250929-v1:0")
	want := &Model{
		ID: "us.anthropic.claude-sonnet-4-5-20250929-v1:0", Base: "anthropic.claude-sonnet-4-5-20250929-v1:0",
		Geo: "us", Provider: "anthropic", Name: "Claude Sonnet 4.5 (US)", Kind: Chat,
		Surfaces: []string{"converse"}, Input: []string{"text", "image", "pdf"}, Output: []string{"text"},
		Streaming: Yes, InferenceTypes: []string{"INFERENCE_PROFILE"},
		ContextWindow: 200000, MaxOutputTokens: 64000, ConverseMaxTokens: 64000,
		Prices:    &Prices{Input: 3.3, Output: 16.5, CacheRead: 0.33, CacheWrite: 4.125},
		Lifecycle: Lifecycle{Status: Active}, Reasoning: Yes, StructuredOutputs: Yes,
		PromptCache: &PromptCache{Explicit: true, MinTokens: 1024, MaxCheckpoints: 4, TTL1h: true,
			Places: []string{"system", "messages", "tools"}},
		DocumentTypes: []string{"pdf"}, ImageTypes: []string{"jpeg", "png", "gif", "webp"}, VideoTypes: []string{},
		Converse: &Converse{Tools: true, StreamingTools: true, ToolChoice: []string{"auto", "any", "tool"}, System: true,
			LeadingAssistant: Yes, Prefill: Yes, S3Media: No, TopKKey: "top_k",
			Thinking: ThinkingBudget, ThinkingOff: Yes, Sampling: SamplingOne},
	}
	if diff := cmp.Diff(want, sonnet); diff != "" {
		t.Errorf("Claude Sonnet 4.5 (-want +got):\n%s", diff)
	}

	for _, tt := range []struct {
		what string
		ok   bool
	}{
		{"Claude 3.7 reasons with a budget and is past its end", get(t, "us.anthropic.claude-3-7-sonnet-20250219-v1:0").Reasoning == Yes &&
			get(t, "us.anthropic.claude-3-7-sonnet-20250219-v1:0").Lifecycle == Lifecycle{EndOfLife, "2026-04-28"}},
		{"its base id needs a profile", get(t, "anthropic.claude-3-7-sonnet-20250219-v1:0").ProfileOnly()},
		{"its profile does not", !get(t, "us.anthropic.claude-3-7-sonnet-20250219-v1:0").ProfileOnly()},
		{"Claude 3 Haiku is on demand", !get(t, "anthropic.claude-3-haiku-20240307-v1:0").ProfileOnly()},
		{"Nova Pro is on demand in us-east-1", !get(t, "amazon.nova-pro-v1:0").ProfileOnly()},
		{"Opus 4.8 reasons adaptively and takes no sampling", get(t, "us.anthropic.claude-opus-4-8").Converse.Thinking == ThinkingAdaptive &&
			get(t, "us.anthropic.claude-opus-4-8").Converse.Sampling == SamplingNone},
		{"Sonnet 4.6 takes both kinds of thinking", get(t, "us.anthropic.claude-sonnet-4-6").Converse.Thinking == ThinkingEither},
		{"R1 has no tools and always reasons", !get(t, "us.deepseek.r1-v1:0").Converse.Tools &&
			get(t, "us.deepseek.r1-v1:0").Converse.Thinking == ThinkingAlways},
		{"Kimi K2 thinking always reasons", get(t, "moonshot.kimi-k2-thinking").Converse.Thinking == ThinkingAlways},
		{"so does MiniMax M2", get(t, "minimax.minimax-m2").Converse.Thinking == ThinkingAlways &&
			get(t, "minimax.minimax-m2.5").Converse.Thinking == ThinkingAlways},
		{"but not Kimi K2.5", get(t, "moonshotai.kimi-k2.5").Converse.Thinking != ThinkingAlways},
		{"Kimi K2 may be asked for more than its publisher says", get(t, "moonshot.kimi-k2-thinking").ConverseMaxTokens == 262144 &&
			get(t, "moonshot.kimi-k2-thinking").MaxOutputTokens == 16000},
		{"Claude 3 Haiku may not", get(t, "anthropic.claude-3-haiku-20240307-v1:0").ConverseMaxTokens == 4096},
		{"of Nova Lite no limit is stated", get(t, "us.amazon.nova-lite-v1:0").ConverseMaxTokens == 0},
		{"V3 reasons by level", get(t, "deepseek.v3-v1:0").Converse.Thinking == ThinkingLevel},
		{"Llama 4 has no tools in streams", !get(t, "us.meta.llama4-maverick-17b-instruct-v1:0").Converse.StreamingTools},
		{"Nova 2 takes video under every prefix", slices.Contains(get(t, "eu.amazon.nova-2-lite-v1:0").Input, "video")},
		{"Palmyra refuses toolResult.status", get(t, "us.writer.palmyra-x5-v1:0").Converse.ToolResultStatus == No},
		{"R1 has no cache points", !get(t, "us.deepseek.r1-v1:0").PromptCache.Explicit},
		{"Titan v1 embeds 1536 numbers", get(t, "amazon.titan-embed-text-v1").VectorSize == 1536},
		{"Titan v2 embeds 256, 512 or 1024", slices.Equal(get(t, "amazon.titan-embed-text-v2:0").VectorSizes, []int{256, 512, 1024})},
		{"Cohere v3 takes 96 texts of 2048 characters", get(t, "cohere.embed-english-v3").MaxTexts == 96 &&
			get(t, "cohere.embed-english-v3").MaxCharsPerText == 2048},
		{"the hour of cache has its price", get(t, "global.anthropic.claude-opus-5").Prices.CacheWrite1h == 10},
		{"images have theirs", get(t, "stability.sd3-5-large-v1:0").Prices.PerImage == 0.08},
		{"Kimi on mantle is not on the runtime", get(t, "moonshotai.kimi-k2-thinking").MantleOnly()},
		{"Kimi on the runtime is not on mantle only", !get(t, "moonshot.kimi-k2-thinking").MantleOnly()},
		{"an embedding model has no Converse", get(t, "cohere.embed-v4:0").Converse == nil},
	} {
		if !tt.ok {
			t.Errorf("does not hold: %s", tt.what)
		}
	}
}

func TestBase(t *testing.T) {
	for _, tt := range []struct{ id, base, geo string }{
		{"", "", ""},
		{"anthropic.claude-opus-5", "anthropic.claude-opus-5", ""},
		{"us.anthropic.claude-opus-5", "anthropic.claude-opus-5", "us"},
		{"us-gov.anthropic.claude-opus-5", "anthropic.claude-opus-5", "us-gov"},
		{"global.amazon.nova-2-lite-v1:0", "amazon.nova-2-lite-v1:0", "global"},
		{"eu.amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0", "eu"},
		{"apac.amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0", "apac"},
		{"jp.anthropic.claude-opus-5", "anthropic.claude-opus-5", "jp"},
		{"au.anthropic.claude-opus-5", "anthropic.claude-opus-5", "au"},
		{"ca.amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0", "ca"},
		{"in.openai.gpt-5.6-sol", "openai.gpt-5.6-sol", "in"},
		{"us.new-model", "us.new-model", ""},         // no provider is left: "us" is the provider
		{"usa.vendor.model", "usa.vendor.model", ""}, // a longer label is no prefix
		{"openai.gpt-5.6-sol", "openai.gpt-5.6-sol", ""},
		{"arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0", ""},
		{"arn:aws-us-gov:bedrock:us-gov-west-1:123456789012:inference-profile/us-gov.anthropic.claude-opus-5", "anthropic.claude-opus-5", "us-gov"},
		{"arn:aws:bedrock:us-east-1:123456789012:inference-profile/global.anthropic.claude-opus-5", "anthropic.claude-opus-5", "global"},
		{"arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdefghijkl", "", ""},
		{"arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdefghijkl", "", ""},
		{"arn:aws:bedrock:us-east-1:123456789012:imported-model/abcdefghijkl", "", ""},
		{"arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-pro-v1:0/abcdefghijkl", "", ""},
		{"arn:aws:bedrock:us-east-1:123456789012:custom-model-deployment/abcdefghijkl", "", ""},
		{"arn:aws:bedrock:us-east-1:123456789012:prompt/ABCDEFGHIJ:1", "", ""},
		{"arn:aws:bedrock:us-east-1:123456789012:default-prompt-router/anthropic.claude:1", "", ""},
		{"arn:aws:sagemaker:us-east-1:123456789012:endpoint/my-endpoint", "", ""},
		{"arn:aws:bedrock", "", ""},
		{"arn:", "", ""},
	} {
		if base, geo := Base(tt.id); base != tt.base || geo != tt.geo {
			t.Errorf("Base(%q) = %q, %q, want %q, %q", tt.id, base, geo, tt.base, tt.geo)
		}
	}
}

func TestLookup(t *testing.T) {
	for _, tt := range []struct{ id, model, family string }{
		{"amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0"},
		{"arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0"},
		{"arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-pro-v1:0", "us.amazon.nova-pro-v1:0", "us.amazon.nova-pro-v1:0"},
		{"jp.amazon.nova-pro-v1:0", "", "amazon.nova-pro-v1:0"},
		{"amazon.nova-premier-v1:0", "", "us.amazon.nova-premier-v1:0"}, // there is no base id
		{"arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdefghijkl", "", ""},
		{"us.does-not-exist-model-v1:0", "", ""},
		{"", "", ""},
	} {
		c := load(t)
		if got := idOf(c.Lookup(tt.id)); got != tt.model {
			t.Errorf("Lookup(%q) = %q, want %q", tt.id, got, tt.model)
		}
		if got := idOf(c.Family(tt.id)); got != tt.family {
			t.Errorf("Family(%q) = %q, want %q", tt.id, got, tt.family)
		}
	}
}

func idOf(m *Model, ok bool) string {
	if !ok {
		return ""
	}
	return m.ID
}

func TestDamagedCatalogue(t *testing.T) {
	for _, data := range []string{
		`{`,
		`{"models":[{"id":"a.b"},{"id":"a.b"}]}`,
		`{"models":[{"id":"a.b","streaming":"perhaps"}]}`,
	} {
		if _, err := parse([]byte(data)); err == nil {
			t.Errorf("parse(%s) = nil error", data)
		}
	}
}

func FuzzBase(f *testing.F) {
	for _, m := range load(f).All() {
		f.Add(m.ID)
	}
	f.Add("arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-opus-5")
	f.Add("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/x")
	f.Add("us.us.us.")
	f.Fuzz(func(t *testing.T, id string) {
		base, geo := Base(id)
		if !strings.HasPrefix(id, "arn:") {
			joined := base
			if geo != "" {
				joined = geo + "." + base
			}
			if joined != id {
				t.Errorf("Base(%q) = %q, %q: put together %q", id, base, geo, joined)
			}
		}
		if strings.HasPrefix(id, "arn:") && len(base) > 0 && !strings.HasSuffix(id, base) {
			t.Errorf("Base(%q) = %q, which the ARN does not end with", id, base)
		}
	})
}

func BenchmarkLoad(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Load(); err != nil {
			b.Fatal(err)
		}
	}
}
