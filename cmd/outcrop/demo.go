package main

import (
	"fmt"
	"strings"

	"outcrop/internal/config"
	"outcrop/internal/secret"
)

// demoKey is the one key of a sandbox without a configuration.
const demoKey = "outcrop-demo"

// demoModels are of families that differ: in how they reason, stream tools and order their blocks; and one
// of each kind of model that does not chat.
var demoModels = [...]struct{ name, display, kind, id string }{
	{"claude-sonnet", "Claude Sonnet 4.5", config.TypeChat, "us.anthropic.claude-sonnet-4-5-20250929-v1:0"},
	{"nova-lite", "Nova 2 Lite", config.TypeChat, "us.amazon.nova-2-lite-v1:0"},
	{"llama", "Llama 3.3 70B", config.TypeChat, "us.meta.llama3-3-70b-instruct-v1:0"},
	{"gpt-oss", "gpt-oss 120B", config.TypeChat, "openai.gpt-oss-120b-1:0"},
	{"titan-embed", "Titan Text Embeddings V2", config.TypeEmbedding, "amazon.titan-embed-text-v2:0"},
	{"stable-image", "Stable Image Core", config.TypeChat, "stability.stable-image-core-v1:1"},
	{"rerank", "Cohere Rerank 3.5", config.TypeRerank, "cohere.rerank-v3-5:0"},
}

func demoConfig() *config.Config {
	cfg := &config.Config{
		Keys:  []config.Key{{Secret: secret.New(demoKey), Project: "demo", Roles: []string{"default"}}},
		Roles: []config.Role{{Name: "default"}},
	}
	for _, m := range demoModels {
		features := config.DefaultFeatures()
		features.ToolsSupported = m.kind == config.TypeChat && m.name != "stable-image"
		cfg.Models = append(cfg.Models, config.Model{
			Name: m.name, DisplayName: m.display, Type: m.kind,
			Endpoint: "bedrock:" + m.id, Bedrock: m.id, Features: features, MaxRetryAttempts: 1, Timeouts: config.DefaultTimeouts(),
		})
	}
	return cfg
}

func demoBanner(base string, cfg *config.Config) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n  Outcrop is ready, with a sandbox instead of AWS.\n\n")
	fmt.Fprintf(&b, "  address   %s\n  key       %s\n", base, demoKey)
	for i, m := range cfg.Models {
		label := "models"
		if i > 0 {
			label = ""
		}
		fmt.Fprintf(&b, "  %-9s %-14s  %s\n", label, m.Name, m.Bedrock)
	}
	name := cfg.Models[0].Name
	fmt.Fprintf(&b, `
  curl:

    curl -s %[1]s/openai/deployments/%[2]s/chat/completions -H 'Api-Key: %[3]s' -H 'Content-Type: application/json' -d '{"messages":[{"role":"user","content":"Hello!"}]}'

  OpenAI SDK (pip install openai):

    python3 -c 'from openai import OpenAI; print(OpenAI(base_url="%[1]s/openai/v1", api_key="%[3]s").chat.completions.create(model="%[2]s", messages=[{"role": "user", "content": "Hello!"}]).choices[0].message.content)'

`, base, name, demoKey)
	return b.String()
}
