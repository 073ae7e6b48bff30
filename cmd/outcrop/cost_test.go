package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"outcrop/internal/config"
	"outcrop/internal/llm"
	"outcrop/internal/models"
	"outcrop/internal/usage"
)

// TestCostToTheLastDigit plays testdata/cost.txt: usages, at AWS's list prices or a configuration's, and what they cost.
func TestCostToTheLastDigit(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "cost.txt"))
	if err != nil {
		t.Fatal(err)
	}
	catalogue, err := models.Load()
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(strings.TrimSpace(line), " | ")
		if len(fields) != 5 {
			t.Fatalf("%q", line)
		}
		rows++
		price := priceOf(costModel(t, fields[1]), catalogue)
		u, terms := costUsage(t, fields[2]+" "+fields[3])
		cost, _, known := price.Cost(u, terms)
		if !known || cost.String() != fields[4] {
			t.Errorf("%s: %v (known: %v), want %s", fields[0], cost, known, fields[4])
		}
	}
	if rows < 60 {
		t.Errorf("%d rows", rows)
	}
}

// costModel is a model with an id of AWS's, or with the pricing of a configuration.
func costModel(t *testing.T, text string) config.Model {
	t.Helper()
	if !strings.HasPrefix(text, "{") {
		return config.Model{Bedrock: text, Endpoint: "bedrock:" + text}
	}
	file := filepath.Join(t.TempDir(), "aidial.config.json")
	entry := `{"models": {"m": {"type": "chat", "endpoint": "http://adapter", "pricing": ` + text + `}}}`
	if err := os.WriteFile(file, []byte(entry), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, problems := config.Load([]string{file}, config.Options{})
	if config.HasErrors(problems) {
		t.Fatal(problems)
	}
	return cfg.Models[0]
}

func costUsage(t *testing.T, text string) (u llm.Usage, terms usage.Terms) {
	t.Helper()
	for word := range strings.FieldsSeq(strings.ReplaceAll(text, "-", "")) {
		name, value, _ := strings.Cut(word, "=")
		if name == "tier" {
			terms.Tier = value
			continue
		}
		prompt, completion, chars := strings.Cut(value, "+")
		n, err := strconv.Atoi(prompt)
		if err != nil {
			t.Fatal(err)
		}
		into, ok := map[string]*int{
			"in": &u.Input, "out": &u.Output, "read": &u.CacheRead, "write": &u.CacheWrite, "write1h": &u.CacheWrite1h,
			"images": &u.Images, "queries": &terms.Queries, "chars": &terms.PromptChars,
		}[name]
		if !ok {
			t.Fatalf("%q is not known", name)
		}
		if *into = n; chars {
			if terms.CompletionChars, err = strconv.Atoi(completion); err != nil {
				t.Fatal(err)
			}
		}
	}
	return u, terms
}

// TestUnknownPrices: what has no price is not free.
func TestUnknownPrices(t *testing.T) {
	catalogue, err := models.Load()
	if err != nil {
		t.Fatal(err)
	}
	used := llm.Usage{Input: 1, Output: 1}
	for title, tt := range map[string]struct {
		m     config.Model
		terms usage.Terms
	}{
		"a model that the catalogue does not have": {config.Model{Bedrock: "vendor.new-v1:0"}, usage.Terms{}},
		"a geography that it does not have":        {config.Model{Bedrock: "mars.amazon.nova-lite-v1:0"}, usage.Terms{}},
		"a model of another server":                {config.Model{Endpoint: "http://adapter"}, usage.Terms{}},
		"a tier that is billed by the hour":        {config.Model{Bedrock: "amazon.nova-lite-v1:0"}, usage.Terms{Tier: "reserved"}},
		"characters that nobody has counted":       {costModel(t, `{"unit":"char_without_whitespace","prompt":"1"}`), usage.Terms{}},
	} {
		if cost, _, known := priceOf(tt.m, catalogue).Cost(used, tt.terms); known {
			t.Errorf("%s costs %v", title, cost)
		}
	}
}

// TestUpstreamsOfOtherModels: each is charged as its own model is.
func TestUpstreamsOfOtherModels(t *testing.T) {
	catalogue, err := models.Load()
	if err != nil {
		t.Fatal(err)
	}
	const id = "anthropic.claude-sonnet-4-5-20250929-v1:0"
	price := priceOf(config.Model{Bedrock: "us." + id, Upstreams: []config.Upstream{{Weight: 1}, {Weight: 1, ModelID: "global." + id}, {Weight: 1, ModelID: "new.model"}}}, catalogue)
	million := llm.Usage{Input: 1_000_000}
	for model, want := range map[string]string{"us." + id: "3.3", "global." + id: "3", "": "3.3"} {
		if cost, _, known := price.For(model).Cost(million, usage.Terms{}); !known || cost.String() != want {
			t.Errorf("%q costs %v (known: %v), want %s", model, cost, known, want)
		}
	}
	if cost, _, known := price.For("new.model").Cost(million, usage.Terms{}); known {
		t.Errorf("a model without a price costs %v", cost)
	}
}

// TestSaved: what the cache saved is told apart from what it cost.
func TestSaved(t *testing.T) {
	price := priceOf(costModel(t, `{"unit":"token","prompt":"0.000003","completion":"0","cacheRead":"0.0000003","cacheWrite":"0.00000375"}`), nil)
	for title, tt := range map[string]struct {
		used llm.Usage
		want json.Number
	}{
		"read":    {llm.Usage{CacheRead: 1000}, "0.0027"},
		"written": {llm.Usage{CacheWrite: 1000}, "-0.00075"},
		"neither": {llm.Usage{Input: 1000}, "0"},
	} {
		if _, saved, _ := price.Cost(tt.used, usage.Terms{}); saved.String() != tt.want.String() {
			t.Errorf("%s saved %v, want %s", title, saved, tt.want)
		}
	}
}
