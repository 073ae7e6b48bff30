package bedrock

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"outcrop/internal/llm"
)

func TestToolChoice(t *testing.T) {
	two := append(weather(), llm.Tool{Name: "clock"})
	var many []llm.Tool
	for i := range 40 {
		many = append(many, llm.Tool{Name: fmt.Sprint("f", i)})
	}
	choose := func(mode llm.ToolMode, tools []llm.Tool) llm.ChatRequest {
		return llm.ChatRequest{Tools: slices.Clone(tools), ToolChoice: llm.ToolChoice{Mode: mode, Name: map[bool]string{true: "weather"}[mode == llm.ToolNamed]}}
	}
	const choice, first, second = "toolConfig.toolChoice", "toolConfig.tools.0.toolSpec.name", "toolConfig.tools.1.toolSpec.name"
	lost := []string{"tool_choice"}
	check(t, []rule{
		{name: "required", model: sonnet45, req: choose(llm.ToolRequired, two), want: map[string]string{choice: `{"any":{}}`}},
		{name: "required of Llama", model: llama33, req: choose(llm.ToolRequired, two), want: map[string]string{choice: ""}, changed: lost},
		{name: "required of a stranger", model: stranger, req: choose(llm.ToolRequired, two), want: map[string]string{choice: `{"any":{}}`}},
		{name: "named", model: novaLite, req: choose(llm.ToolNamed, two), want: map[string]string{choice: `{"tool":{"name":"weather"}}`}},
		{name: "named, where only any can be said", model: mistral, req: choose(llm.ToolNamed, two),
			want: map[string]string{choice: `{"any":{}}`, first: `"weather"`, second: ""}},
		{name: "named of Llama", model: llama33, req: choose(llm.ToolNamed, two), want: map[string]string{choice: "", first: `"weather"`, second: ""}, changed: lost},
		{name: "named of Cohere", model: cohere, req: choose(llm.ToolNamed, two), want: map[string]string{choice: "", second: ""}, changed: lost},
		{name: "none", model: sonnet45, req: choose(llm.ToolNone, two), want: map[string]string{"toolConfig": ""}},
		{name: "none in a tool loop", model: sonnet45, req: with(choose(llm.ToolNone, two), func(r *llm.ChatRequest) { r.Messages = loop() }),
			want: map[string]string{choice: "", second: `"clock"`, "system.0.text": `"` + noToolText + `"`}, changed: lost},
		{name: "required of nothing", model: sonnet45, req: choose(llm.ToolRequired, nil), refused: "tool_choice"},
		{name: "tools of a model without", model: deepseekR1, req: choose(llm.ToolAuto, two), refused: "tools"},
		{name: "tools of a model without, unused", model: deepseekR1, req: choose(llm.ToolNone, two), want: map[string]string{"toolConfig": ""}},
		{name: "a history with calls and a model without tools", model: llama32, req: llm.ChatRequest{Messages: loop()}, refused: "messages[1].tool_calls"},
		{name: "two tools of one name", model: sonnet45, req: choose(llm.ToolAuto, append(slices.Clone(two), weather()...)), refused: "tools[2].function.name"},
		{name: "two of many tools", model: sonnet45, req: choose(llm.ToolAuto, append(many, llm.Tool{Name: "f7"})), refused: "tools[40].function.name"},
		{name: "a tool that cannot be strict, behind one that is not offered", model: mistral,
			req:  with(choose(llm.ToolNamed, two), func(r *llm.ChatRequest) { r.Tools[1].Strict, r.ToolChoice.Name = true, "clock" }),
			want: map[string]string{first: `"clock"`}, ignored: []string{"tools[1].function.strict"}},
		{name: "a history with calls and no tools", model: sonnet45, req: llm.ChatRequest{Messages: loop()}, want: map[string]string{first: `"weather"`}},
	})
}

func TestOneTool(t *testing.T) {
	one := func(choice llm.ToolChoice) llm.ChatRequest {
		return llm.ChatRequest{OneTool: true, Tools: weather(), ToolChoice: choice}
	}
	const native, choice = extraAll + ".tool_choice", "toolConfig.toolChoice"
	check(t, []rule{
		{name: "Claude", model: sonnet45, req: one(llm.ToolChoice{}), want: map[string]string{native: `{"disable_parallel_tool_use":true,"type":"auto"}`}},
		{name: "Claude, required: the choice is said once", model: sonnet45, req: one(llm.ToolChoice{Mode: llm.ToolRequired}),
			want: map[string]string{native: `{"disable_parallel_tool_use":true,"type":"any"}`, choice: ""}},
		{name: "Claude, named", model: sonnet45, req: one(llm.ToolChoice{Mode: llm.ToolNamed, Name: "weather"}),
			want: map[string]string{native: `{"disable_parallel_tool_use":true,"name":"weather","type":"tool"}`, choice: ""}},
		{name: "Nova", model: novaLite, req: one(llm.ToolChoice{}), want: map[string]string{native: ""}, ignored: []string{"parallel_tool_calls"}},
		{name: "without tools it says nothing", model: novaLite, req: llm.ChatRequest{OneTool: true}},
	})
}

func TestToolSchemas(t *testing.T) {
	tool := func(schema string, strict bool) llm.ChatRequest {
		return llm.ChatRequest{Tools: []llm.Tool{{Name: "f", Schema: []byte(schema), Strict: strict}}}
	}
	const spec = "toolConfig.tools.0.toolSpec"
	many := make([]llm.Tool, 21)
	for i := range many {
		many[i] = llm.Tool{Name: fmt.Sprint("f", i), Schema: []byte(`{"type":"object","additionalProperties":false}`), Strict: true}
	}
	deep := `{"type":"object","properties":{"a":{"$ref":"#/$defs/n"}},"$defs":{"n":{"type":"object","properties":{"n":{"$ref":"#/$defs/n"}}}}}`
	check(t, []rule{
		{name: "strict", model: sonnet45, req: tool(`{"type":"object","properties":{"n":{"type":"integer","minimum":1}}}`, true), want: map[string]string{
			spec: `{"inputSchema":{"json":{"additionalProperties":false,"properties":{"n":{"type":"integer"}},"type":"object"}},"name":"f","strict":true}`}},
		{name: "a schema of no words", model: sonnet45, req: tool(`{}`, false), want: map[string]string{spec + ".inputSchema.json": `{"type":"object"}`}},
		{name: "a schema without a type", model: llama33, req: tool(`{ "properties": {"a":{"type":"string"}} }`, false),
			want: map[string]string{spec + ".inputSchema.json": `{"properties":{"a":{"type":"string"}},"type":"object"}`}},
		{name: "an object or nothing", model: sonnet45, req: tool(`{"type":["object","null"],"properties":{}}`, false),
			want: map[string]string{spec + ".inputSchema.json": `{"properties":{},"type":"object"}`}},
		{name: "a type that comes late", model: sonnet45, req: tool(`{"properties":{},"type":"object"}`, false),
			want: map[string]string{spec + ".inputSchema.json": `{"properties":{},"type":"object"}`}},
		{name: "a text for arguments", model: sonnet45, req: tool(`{"type":"string"}`, false), refused: "tools[0].function.parameters"},
		{name: "a text for Nova's arguments", model: novaLite, req: tool(`{"type":"string"}`, false), refused: "tools[0].function.parameters"},
		{name: "strict, and an open object", model: sonnet45, req: tool(`{"type":"object","additionalProperties":true}`, true),
			want: map[string]string{spec + ".strict": ""}, ignored: []string{"tools[0].function.strict"}},
		{name: "strict, and a recursion", model: sonnet45, req: tool(deep, true), want: map[string]string{spec + ".strict": ""}, ignored: []string{"tools[0].function.strict"}},
		{name: "strict of a model that cannot", model: claude35, req: tool(`{"type":"object"}`, true), want: map[string]string{spec + ".strict": ""}, ignored: []string{"tools[0].function.strict"}},
		{name: "too many strict tools", model: sonnet45, req: llm.ChatRequest{Tools: many}, want: map[string]string{
			"toolConfig.tools.19.toolSpec.strict": "true", "toolConfig.tools.20.toolSpec.strict": ""}, ignored: []string{"tools[20].function.strict"}},
		{name: "no description", model: novaLite, req: llm.ChatRequest{Tools: []llm.Tool{{Name: "f", Description: " "}}}, want: map[string]string{
			spec: `{"inputSchema":{"json":{"properties":{},"type":"object"}},"name":"f"}`}},
		{name: "Cohere wants one", model: cohere, req: llm.ChatRequest{Tools: []llm.Tool{{Name: "f"}}}, want: map[string]string{spec + ".description": `" "`}},
		{name: "Nova's top level", model: novaLite, req: tool(`{"$schema":"x","title":"F","type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}`, false),
			want: map[string]string{spec + ".inputSchema.json": `{"properties":{"a":{"type":"string"}},"required":["a"],"type":"object"}`}, changed: []string{"tools[0].function.parameters"}},
		{name: "Nova's definitions", model: novaLite, req: tool(`{"type":"object","properties":{"a":{"$ref":"#/$defs/x"}},"$defs":{"x":{"type":"string"}}}`, false),
			want: map[string]string{spec + ".inputSchema.json": `{"properties":{"a":{"type":"string"}},"type":"object"}`}},
		{name: "Nova's recursion", model: novaLite, req: tool(deep, false), changed: []string{"tools[0].function.parameters"}},
	})
}

func TestSchemasThatMultiplyAreBounded(t *testing.T) {
	var defs strings.Builder
	for i := range 24 {
		fmt.Fprintf(&defs, `"d%d":{"type":"object","properties":{"a":{"$ref":"#/$defs/d%d"},"b":{"$ref":"#/$defs/d%d"}}},`, i, i+1, i+1)
	}
	schema := []byte(`{"type":"object","properties":{"a":{"$ref":"#/$defs/d0"}},"$defs":{` + defs.String() + `"d24":{"type":"string"}}}`)
	if out, ok := grammarSchema(schema); !ok || len(out) > 2*len(schema) {
		t.Errorf("%v, %d bytes", ok, len(out))
	}
	if out, lost := novaSchema(schema, members(schema)); !lost || len(out) > 2*maxInlineBytes {
		t.Errorf("%v, %d bytes", lost, len(out))
	}
}

// TestPlacesAmongToolsAndCachePoints: a cache point is an element of toolConfig.tools as well.
func TestPlacesAmongToolsAndCachePoints(t *testing.T) {
	tools := numbered(append(weather(), llm.Tool{Name: "clock"}))
	tools[0].Cache = &llm.CachePoint{}
	req := llm.ChatRequest{Tools: tools, Messages: ask("Hi")}
	for model, want := range map[string][3]string{
		sonnet45: {"tools[0].function.name", "tools[0]", "tools[1].function.name"},
		novaLite: {"tools[0].function.name", "tools[1].function.name", ""},
	} {
		call, err := build(&req, modelTraits(t, model))
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range want {
			if got := locate(call.req, call.places, fmt.Sprintf("toolConfig.tools.%d.toolSpec.name", i)); got != want {
				t.Errorf("%s, element %d: %q, want %q", model, i, got, want)
			}
		}
	}
	if got := locate(&req, nil, "toolConfig.tools.0.member.toolSpec.name"); got != "" {
		t.Errorf("element 0 of those that are counted from 1: %q", got)
	}
}
