package bedrock

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/llm"
)

func TestConfiguration(t *testing.T) {
	const c = "custom_fields.configuration."
	guardrail := `{"guardrailConfig":{"guardrailIdentifier":"g1","guardrailVersion":"1","trace":"enabled","streamProcessingMode":"async"}}`
	check(t, []rule{
		{name: "a guardrail", model: sonnet45, req: configured(guardrail), want: map[string]string{
			"guardrailConfig": `{"guardrailIdentifier":"g1","guardrailVersion":"1","streamProcessingMode":"async","trace":"enabled"}`}},
		{name: "a guardrail of a plain reply", model: sonnet45, req: with(configured(guardrail), func(r *llm.ChatRequest) { r.Whole = true }),
			want:    map[string]string{"guardrailConfig": `{"guardrailIdentifier":"g1","guardrailVersion":"1","trace":"enabled"}`},
			ignored: []string{c + "guardrailConfig.streamProcessingMode"}},
		{name: "a guardrail without a version", model: sonnet45, req: configured(`{"guardrailConfig":{"guardrailIdentifier":"g1"}}`), refused: c + "guardrailConfig.guardrailVersion"},
		{name: "latency", model: novaLite, req: configured(`{"performanceConfig":{"latency":"optimized"}}`), want: map[string]string{"performanceConfig": `{"latency":"optimized"}`}},
		{name: "a tier", model: qwen32, req: configured(`{"serviceTier":"flex"}`), want: map[string]string{"serviceTier": `{"type":"flex"}`}},
		{name: "a tier in Converse's words", model: qwen32, req: configured(`{"serviceTier":{"type":"reserved"}}`), want: map[string]string{"serviceTier": `{"type":"reserved"}`}},
		{name: "OpenAI's tier", model: qwen32, req: llm.ChatRequest{Tier: "priority"}, want: map[string]string{"serviceTier": `{"type":"priority"}`}},
		{name: "auto is AWS's choice", model: qwen32, req: llm.ChatRequest{Tier: "auto"}, want: map[string]string{"serviceTier": ""}},
		{name: "a tier that AWS has not", model: qwen32, req: llm.ChatRequest{Tier: "scale"}, refused: "service_tier"},
		{name: "two tiers", model: qwen32, req: with(configured(`{"serviceTier":"flex"}`), func(r *llm.ChatRequest) { r.Tier = "priority" }), refused: c + "serviceTier"},
		{name: "fields of the model's own", model: llama33, req: configured(`{"additionalModelRequestFields":{"a":{"b":[1]},"c":null}}`),
			want: map[string]string{extraAll: `{"a":{"b":[1]},"c":null}`}},
		{name: "the same said twice", model: sonnet45, req: with(configured(`{"additionalModelRequestFields":{"thinking":{"type":"disabled"}}}`), func(r *llm.ChatRequest) { r.Effort = "low" }),
			refused: c + "additionalModelRequestFields.thinking"},
		{name: "a conversation past Converse", model: sonnet45, req: configured(`{"additionalModelRequestFields":{"system":"x"}}`), refused: c + "additionalModelRequestFields.system"},
		{name: "fields of the reply", model: sonnet45, req: configured(`{"additionalModelResponseFieldPaths":["/stop_sequence"]}`),
			want: map[string]string{"additionalModelResponseFieldPaths": `["/stop_sequence"]`}},
		{name: "a path that is no pointer", model: sonnet45, req: configured(`{"additionalModelResponseFieldPaths":["/a","b"]}`), refused: c + "additionalModelResponseFieldPaths[1]"},
		{name: "betas", model: sonnet45, req: configured(`{"betas":["interleaved-thinking-2025-05-14"]}`), want: map[string]string{
			extraAll: `{"anthropic_beta":["interleaved-thinking-2025-05-14"]}`}},
		{name: "betas of Nova", model: novaLite, req: configured(`{"betas":["x"]}`), refused: c + "betas"},
		{name: "nobody forges who calls", model: sonnet45, req: configured(`{"requestMetadata":{"user":"root"}}`), refused: c + "requestMetadata"},
		{name: "an unknown member", model: sonnet45, req: configured(`{"thinkng":{}}`), refused: c + "thinkng"},
		{name: "an unknown member of a member", model: sonnet45, req: configured(`{"thinking":{"type":"enabled","budget":1024}}`), refused: c + "thinking.budget"},
		{name: "twice", model: sonnet45, req: configured(`{"cache":"off","cache":"auto"}`), refused: c + "cache"},
		{name: "null is nothing", model: sonnet45, req: configured(`{"cache":null,"thinking":null}`)},
		{name: "a wrong type", model: sonnet45, req: configured(`{"thinking":{"type":"enabled","budget_tokens":"many"}}`), refused: c + "thinking.budget_tokens"},
		{name: "not an object", model: sonnet45, req: configured(`{"guardrailConfig":"g1"}`), refused: c + "guardrailConfig"},
		{name: "who calls, in AWS's alphabet and in order", model: sonnet45, req: llm.ChatRequest{Metadata: map[string]string{"user": "zoë", "project": "a b"}},
			want: map[string]string{"requestMetadata": `{"project":"a b","user":"zo_"}`}},
	})
	var many = map[string]string{}
	for i := range 20 {
		many[fmt.Sprintf("k%02d", i)] = strings.Repeat("v", 300)
	}
	check(t, []rule{{name: "sixteen entries of 256", model: sonnet45, req: llm.ChatRequest{Metadata: many}, want: map[string]string{
		"requestMetadata.k15": `"` + strings.Repeat("v", 256) + `"`, "requestMetadata.k16": ""}}})
}

func TestOperatorsGuardrail(t *testing.T) {
	tr := modelTraits(t, sonnet45)
	tr.guardrail = &Guardrail{ID: "own", Version: "2", Trace: "enabled"}
	for config, refused := range map[string]bool{
		``: false, `{"guardrailConfig":{"guardrailIdentifier":"own","guardrailVersion":"2","trace":"disabled"}}`: false,
		`{"guardrailConfig":{"guardrailIdentifier":"mine","guardrailVersion":"2"}}`: true, `{"guardrailConfig":{"guardrailIdentifier":"own","guardrailVersion":"1"}}`: true,
		`{"guardrailConfig":null}`: false,
	} {
		call, err := build(&llm.ChatRequest{Config: []byte(config), Messages: ask("Hi")}, tr)
		if e, ok := errors.AsType[*llm.Error](err); ok != refused || ok && e.Param != "custom_fields.configuration.guardrailConfig" {
			t.Errorf("%s: %v", config, err)
		}
		if err == nil && !strings.Contains(string(call.body), `"guardrailConfig":{"guardrailIdentifier":"own","guardrailVersion":"2","trace":"enabled"}`) {
			t.Errorf("%s: %s", config, call.body)
		}
		if err == nil && strings.Contains(config, "disabled") && !slices.Equal(call.ignored, []string{"custom_fields.configuration.guardrailConfig.trace"}) {
			t.Errorf("%s: ignored %v", config, call.ignored)
		}
	}
}

// TestConfigurationSchema holds the schema that clients are given against the decoder.
func TestConfigurationSchema(t *testing.T) {
	want := map[string][]string{
		sonnet45: {"betas", "effort", "enable_citations", "thinking", "top_k"},
		nova2:    {"effort", "reasoningConfig", "top_k"}, novaLite: {"top_k"}, llama33: nil,
		gptOSS: {"effort", "reasoning_effort"}, qwen32: {"effort", "reasoning_config"}, stranger: nil,
	}
	common := []string{"additionalModelRequestFields", "additionalModelResponseFieldPaths", "cache", "guardrailConfig", "performanceConfig", "serviceTier"}
	for id, own := range want {
		known := modelTraits(t, id)
		m := &Model{}
		m.current.Store(&view{traits: *known})
		var schema map[string]any
		if err := json.Unmarshal(m.Configuration(), &schema); err != nil {
			t.Fatalf("%v in %s", err, m.Configuration())
		}
		var names []string
		properties, _ := schema["properties"].(map[string]any)
		for name, property := range properties {
			names = append(names, name)
			member, _ := property.(map[string]any)
			value, err := json.Marshal(map[string]any{name: example(member)})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := build(&llm.ChatRequest{Config: value, Messages: ask("Hi")}, known); err != nil {
				t.Errorf("%s: %s: %v", id, value, err)
			}
			for _, wrong := range []string{"7.5", "[[]]"} {
				if _, err := build(&llm.ChatRequest{Config: []byte(`{"` + name + `":` + wrong + `}`), Messages: ask("Hi")}, known); err == nil {
					t.Errorf("%s: %s may be %s", id, name, wrong)
				}
			}
		}
		slices.Sort(names)
		all := append(slices.Clone(common), own...)
		slices.Sort(all)
		if diff := cmp.Diff(all, names); diff != "" {
			t.Errorf("%s: %s", id, diff)
		}
	}
}

// example is a value that a schema of ours allows.
func example(schema map[string]any) any {
	if options, ok := schema["anyOf"].([]any); ok {
		schema, _ = options[0].(map[string]any)
	}
	if words, ok := schema["enum"].([]any); ok {
		return words[len(words)-1]
	}
	switch schema["type"] {
	case "object":
		out := map[string]any{}
		properties, _ := schema["properties"].(map[string]any)
		for name, property := range properties {
			member, _ := property.(map[string]any)
			out[name] = example(member)
		}
		return out
	case "array":
		items, _ := schema["items"].(map[string]any)
		return []any{example(items)}
	case "integer":
		return 2048
	case "boolean":
		return true
	default:
		return "/x"
	}
}
