package bedrock

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/llm"
)

const citySchema = `{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer","minimum":1}},"required":["city"]}`

func schema(s string) llm.ChatRequest {
	return llm.ChatRequest{Format: llm.Format{Kind: llm.FormatSchema, Name: "trip", Schema: []byte(s), Strict: true}}
}

func TestFormat(t *testing.T) {
	const text, tool = "outputConfig.textFormat", "toolConfig.tools.0.toolSpec.name"
	prompt := `"` + schemaText[:len(schemaText)-1] + `\n`
	said := prompt + `{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"},\"days\":{\"type\":\"integer\",\"minimum\":1}},\"required\":[\"city\"]}"`
	check(t, []rule{
		{name: "the model's own", model: sonnet45, req: schema(citySchema), want: map[string]string{
			text:         `{"structure":{"jsonSchema":{"name":"trip","schema":"{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"},\"days\":{\"type\":\"integer\"}},\"required\":[\"city\"],\"additionalProperties\":false}"}},"type":"json_schema"}`,
			"toolConfig": "", "system": ""}},
		{name: "Qwen has it too", model: qwen32, req: schema(citySchema), want: map[string]string{text + ".type": `"json_schema"`}},
		{name: "beside tools", model: sonnet45, req: with(schema(citySchema), func(r *llm.ChatRequest) { r.Tools = weather() }),
			want: map[string]string{text + ".type": `"json_schema"`, tool: `"weather"`, "toolConfig.toolChoice": ""}},
		{name: "a forced tool", model: claude35, req: schema(citySchema), want: map[string]string{
			text: "", tool: `"json_response"`, "toolConfig.toolChoice": `{"tool":{"name":"json_response"}}`,
			"toolConfig.tools.0.toolSpec.inputSchema.json": `{"properties":{"city":{"type":"string"},"days":{"minimum":1,"type":"integer"}},"required":["city"],"type":"object"}`}},
		{name: "a forced tool on Nova", model: novaLite, req: schema(citySchema), want: map[string]string{tool: `"json_response"`}},
		{name: "a forced tool by any", model: mistral, req: schema(citySchema), want: map[string]string{tool: `"json_response"`, "toolConfig.toolChoice": `{"any":{}}`}},
		{name: "a forced tool on an adaptive Claude", model: opus47, req: schema(citySchema), want: map[string]string{
			tool: `"json_response"`, extraThinking: `{"type":"disabled"}`}},
		{name: "words when the Claude thinks", model: opus47, req: with(schema(citySchema), func(r *llm.ChatRequest) { r.Effort = "low" }),
			want: map[string]string{"toolConfig": "", "system.0.text": said, extraThinking + ".type": `"adaptive"`}},
		{name: "words when the Claude cannot but think", model: fable5, req: schema(citySchema), want: map[string]string{"toolConfig": "", "system.0.text": said}},
		{name: "words beside the client's tools", model: claude35, req: with(schema(citySchema), func(r *llm.ChatRequest) { r.Tools = weather() }),
			want: map[string]string{tool: `"weather"`, "toolConfig.toolChoice": "", "system.0.text": said}},
		{name: "words for Llama", model: llama33, req: schema(citySchema), want: map[string]string{"toolConfig": "", "system.0.text": said}},
		{name: "words for a stranger", model: stranger, req: schema(citySchema), want: map[string]string{"toolConfig": "", "system.0.text": said}},
		{name: "words for a model without system prompts", model: mistral7b, req: schema(citySchema), want: map[string]string{"system": "", "messages.0.content.0.text": said}},
		{name: "an open schema is no grammar", model: sonnet45, req: schema(`{"type":"object","additionalProperties":{"type":"string"}}`),
			want: map[string]string{text: "", tool: `"json_response"`}},
		{name: "a list is no tool", model: claude35, req: schema(`{"type":"array","items":{"type":"string"}}`), want: map[string]string{"toolConfig": "", text: ""}},
		{name: "json_object", model: sonnet45, req: llm.ChatRequest{Format: llm.Format{Kind: llm.FormatJSON}},
			want: map[string]string{text: "", "toolConfig": "", "system.0.text": `"` + jsonText + `"`}},
		{name: "an empty schema", model: sonnet45, req: schema(`{}`), refused: "response_format.json_schema.schema"},
	})
}

func TestGrammarSchema(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"nested objects are closed", `{"type":"object","properties":{"a":{"type":"object","properties":{}}}}`,
			`{"type":"object","properties":{"a":{"type":"object","properties":{},"additionalProperties":false}},"additionalProperties":false}`},
		{"a property may be called like a keyword", `{"type":"object","properties":{"minimum":{"type":"string"}}}`,
			`{"type":"object","properties":{"minimum":{"type":"string"}},"additionalProperties":false}`},
		{"what a grammar cannot count", `{"type":"array","items":{"type":"number","multipleOf":2},"minItems":2,"maxItems":3,"uniqueItems":true}`,
			`{"type":"array","items":{"type":"number"}}`},
		{"one element can be demanded", `{"type":"array","minItems":1,"items":{"type":"string","minLength":2}}`,
			`{"type":"array","minItems":1,"items":{"type":"string","minLength":2}}`},
		{"oneOf", `{"oneOf":[{"type":"string"},{"type":"null"}]}`, `{"anyOf":[{"type":"string"},{"type":"null"}]}`},
		{"definitions", `{"$ref":"#/$defs/a","$defs":{"a":{"type":"object","properties":{}}}}`,
			`{"$ref":"#/$defs/a","$defs":{"a":{"type":"object","properties":{},"additionalProperties":false}}}`},
		{"an object or null", `{"type":["object","null"],"properties":{"a":{"type":"string"}}}`,
			`{"type":["object","null"],"properties":{"a":{"type":"string"}},"additionalProperties":false}`},
		{"an object of nothing", `{"type":"object","additionalProperties":false}`, `{"type":"object","additionalProperties":false}`},
		{"one of several", `{"allOf":[{"$ref":"#/$defs/a"}],"$defs":{"a":{"type":"string"}}}`, `{"allOf":[{"$ref":"#/$defs/a"}],"$defs":{"a":{"type":"string"}}}`},
		{"any object", `{"type":"object","properties":{"a":{"type":"object"}}}`, ""},
		{"any object or null", `{"type":"object","properties":{"a":{"type":["object","null"]}}}`, ""},
		{"objects that complete each other", `{"allOf":[{"type":"object","properties":{"a":{}}},{"type":"object","properties":{"b":{}}}]}`, ""},
		{"an object that a choice completes", `{"type":"object","properties":{"a":{}},"anyOf":[{"type":"object","properties":{"b":{}}}]}`, ""},
		{"two choices at once", `{"anyOf":[{"type":"string"}],"oneOf":[{"type":"null"}]}`, ""},
		{"enum and const are values", `{"enum":[{"type":"object"}],"const":{"minimum":1}}`, `{"enum":[{"type":"object"}],"const":{"minimum":1}}`},
		{"recursion", `{"$ref":"#/$defs/a","$defs":{"a":{"items":{"$ref":"#/$defs/a"}}}}`, ""},
		{"elsewhere", `{"$ref":"https://example.com/s.json"}`, ""},
		{"itself", `{"type":"object","properties":{"a":{"$ref":"#"}}}`, ""},
		{"open", `{"type":"object","additionalProperties":true}`, ""},
		{"patterns of names", `{"type":"object","patternProperties":{"^a":{}}}`, ""},
		{"a tuple", `{"prefixItems":[{"type":"string"}]}`, ""},
		{"true", `{"type":"object","properties":{"a":true}}`, ""},
		{"too long", `{"type":"string","description":"` + strings.Repeat("x", maxGrammar) + `"}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, ok := grammarSchema([]byte(c.in))
			if ok != (c.want != "") || ok && string(out) != c.want {
				t.Errorf("%v %s", ok, out)
			}
		})
	}
}

func TestForcedToolBecomesText(t *testing.T) {
	text := func(s string) llm.Event { return &llm.TextDelta{Text: s} }
	start := llm.ToolCallStart{ID: "t", Name: formatToolName}
	args := func(i int, s string) llm.Event { return llm.ToolCallDelta{Index: i, Args: s} }
	end := func(r llm.FinishReason) llm.Event { return llm.Finish{Reason: r} }
	c := &converse{format: formatTool}
	for _, c2 := range []struct {
		name     string
		in, want []llm.Event
	}{
		{"the arguments", []llm.Event{start, args(0, `{"a"`), args(0, `:1}`), end(llm.FinishToolCalls)}, []llm.Event{text(`{"a":1}`), end(llm.FinishStop)}},
		{"a preface", []llm.Event{text("Sure."), start, args(0, `{}`), end(llm.FinishToolCalls)},
			[]llm.Event{llm.ReasoningDelta{Text: "Sure."}, text(`{}`), end(llm.FinishStop)}},
		{"no call", []llm.Event{text(`{"a":1}`), end(llm.FinishStop)}, []llm.Event{text(`{"a":1}`), end(llm.FinishStop)}},
		{"no arguments", []llm.Event{start, end(llm.FinishToolCalls)}, []llm.Event{text(`{}`), end(llm.FinishStop)}},
		{"cut", []llm.Event{start, args(0, `{"a`), end(llm.FinishLength)}, []llm.Event{text(`{"a`), end(llm.FinishLength)}},
		{"twice", []llm.Event{start, args(0, `{}`), llm.ToolCallStart{Index: 1, ID: "u", Name: formatToolName}, args(1, `{}`), end(llm.FinishToolCalls)},
			[]llm.Event{text(`{}`), end(llm.FinishStop)}},
	} {
		t.Run(c2.name, func(t *testing.T) {
			if diff := cmp.Diff(c2.want, decorated(c, c2.in...)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFencesComeOff(t *testing.T) {
	for in, want := range map[string]string{
		"```json\n{\"a\":1}\n```": `{"a":1}`, "```\n{}\n```\n": `{}`, `{"a":"` + "```" + `"}`: `{"a":"` + "```" + `"}`,
		"  {}": "  {}", "``": "``", "": "", "```json\n{\"a\":\"``` x\"}\n```": "{\"a\":\"``` x\"}", "Sure: {}": "Sure: {}",
	} {
		for step := 1; step <= max(len(in), 1); step++ {
			var events []llm.Event
			for i := 0; i < len(in); i += step {
				events = append(events, &llm.TextDelta{Text: in[i:min(i+step, len(in))]})
			}
			events = append(events, llm.Finish{Reason: llm.FinishStop})
			got := ""
			for _, event := range decorated(&converse{format: formatPrompt}, events...) {
				if text, ok := event.(*llm.TextDelta); ok {
					got += text.Text
				}
			}
			if got != want {
				t.Errorf("%q in steps of %d: %q, want %q", in, step, got, want)
			}
		}
	}
}
