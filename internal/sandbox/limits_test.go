package sandbox

import (
	"cmp"
	"fmt"
	"strings"
	"testing"
)

// Where a translation could be wrong, the sandbox says so; want is a part of the
// refusal, "" means accepted.
func TestLimitRules(t *testing.T) {
	const (
		opus45, sonnet46, idNova, idLlama4 = "us.anthropic.claude-opus-4-5-20251101-v1:0", "us.anthropic.claude-sonnet-4-6", "us.amazon.nova-lite-v1:0", "us.meta.llama4-scout-17b-instruct-v1:0"
		pdf                                = `{"document":{"format":"pdf","name":"d%d","source":{"bytes":"JVBERi0xLjcK"}%s}}`
		gif                                = "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
	)
	schema := func(inner string) string {
		return fmt.Sprintf(`{$HI,"outputConfig":{"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"schema":%q}}}}}`,
			`{"type":"object","additionalProperties":false,"properties":{"a":`+inner+`}}`)
	}
	strict := func(n int, schema string) string {
		var tools []string
		for i := range n {
			tools = append(tools, fmt.Sprintf(`{"toolSpec":{"name":"f%d","strict":true,"inputSchema":{"json":%s}}}`, i, schema))
		}
		return `{$HI,"toolConfig":{"tools":[` + strings.Join(tools, ",") + `]}}`
	}
	extra := func(fields string) string { return `{$HI,"additionalModelRequestFields":{` + fields + `}}` }
	stops := func(n int) string {
		return `{$HI,"inferenceConfig":{"stopSequences":["` + strings.Join(strings.Fields(strings.Repeat(`s `, n)), `","`) + `"]}}`
	}
	beside := func(block string) string {
		return `{$TOOLS,"messages":[$USER,$CALL,{"role":"user","content":[$RESULT,{"text":"x"},` + block + `]}]}`
	}
	inside := func(part string) string {
		return `{$TOOLS,"messages":[$USER,$CALL,{"role":"user","content":[{"toolResult":{"toolUseId":"t1","content":[` + part + `]}}]}]}`
	}
	image := `{"image":{"format":"gif","source":{"bytes":"` + gif + `"}}}`
	video := `{"video":{"format":"mp4","source":{"bytes":"AAAA"}}}`
	closedObject := `{"type":"object","additionalProperties":false}`
	for _, tt := range []struct{ what, id, body, want string }{
		{"a document beside a result on Claude", idSonnet45, beside(fmt.Sprintf(pdf, 0, "")), "cannot be provided in the same turn as a tool result"},
		{"an image beside a result on Claude", idSonnet45, beside(image), ""},
		{"an image inside a result on Claude", idSonnet45, inside(image), ""},
		{"a video inside a result on Claude", idSonnet45, inside(video), "toolResult.content.video"},
		{"an image inside a result on Llama 4", idLlama4, inside(image), ""},
		{"an image inside a result on Kimi", "moonshotai.kimi-k2.5", inside(image), "toolResult.content.image"},
		{"five stop sequences on Nova", idNova, stops(5), "#/inferenceConfig/stopSequences: expected maximum item count: 4, found: 5"},
		{"four stop sequences on Nova", idNova, stops(4), ""},
		{"eleven stop sequences on Mistral", "mistral.mistral-large-2407-v1:0", stops(11), "at most 10 stop sequences"},
		{"many stop sequences on Claude", idSonnet45, stops(100), ""},
		{"a stop sequence of blanks on Claude", idSonnet45, `{$HI,"inferenceConfig":{"stopSequences":["\n"]}}`, "must contain non-whitespace"},
		{"a choice of no tool", "qwen.qwen3-32b-v1:0", `{$HI,"toolConfig":{"tools":[{"toolSpec":{"name":"f","inputSchema":{"json":{"type":"object"}}}}],"toolChoice":{"tool":{"name":"g"}}}}`, "The tool g that toolConfig.toolChoice.tool names"},
		{"optimized latency", idSonnet45, `{$HI,"performanceConfig":{"latency":"optimized"}}`, "Latency performance configuration is not supported for " + idSonnet45},
		{"optimized latency on Nova Pro", "us.amazon.nova-pro-v1:0", `{$HI,"performanceConfig":{"latency":"optimized"}}`, ""},
		{"a GIF that says it is a PNG on Nova", idNova, `{"messages":[{"role":"user","content":[{"image":{"format":"png","source":{"bytes":"` + gif + `"}}}]}]}`, "its bytes are gif"},
		{"no image at all on Nova", idNova, `{"messages":[{"role":"user","content":[{"image":{"format":"png","source":{"bytes":"AAAA"}}}]}]}`, "The image at messages.0.content.0 is none."},
		{"no image at all on Claude", idSonnet45, `{"messages":[{"role":"user","content":[{"image":{"format":"png","source":{"bytes":"AAAA"}}}]}]}`, "Could not process image"},
		{"no PDF at all on Claude", idSonnet45, `{"messages":[{"role":"user","content":[{"text":"x"},{"document":{"format":"pdf","name":"d","source":{"bytes":"AAAA"}}}]}]}`, "The PDF specified was not valid."},
		{"two videos on Nova", idNova, `{"messages":[{"role":"user","content":[` + video + `,` + video + `,{"text":"x"}]}]}`, "has 2 videos"},
		{"a video from S3 on Nova", idNova, `{"messages":[{"role":"user","content":[{"video":{"format":"mp4","source":{"s3Location":{"uri":"s3://bucket/a"}}}},{"text":"x"}]}]}`, ""},
		{"audio on Claude", idSonnet45, `{"messages":[{"role":"user","content":[{"audio":{"format":"mp3","source":{"bytes":"AAAA"}}}]}]}`, "doesn't support the audio content block"},

		{"a minimum in a schema", idSonnet45, schema(`{"type":"integer","minimum":1}`), "For 'integer' type, property 'minimum' is not supported"},
		{"a property of that name", idSonnet45, schema(`{"type":"object","additionalProperties":false,"properties":{"minimum":{"type":"integer"}}}`), ""},
		{"maxItems in a schema", idSonnet45, schema(`{"type":"array","items":{"type":"string"},"maxItems":3}`), "'maxItems' is not supported"},
		{"minItems of one in a schema", idSonnet45, schema(`{"type":"array","items":{"type":"string"},"minItems":1}`), ""},
		{"minItems of two in a schema", idSonnet45, schema(`{"type":"array","items":{"type":"string"},"minItems":2}`), "'minItems' values other than 0 or 1"},
		{"a recursive schema", idSonnet45, schema(`{"$ref":"#"}`), "recursive or external"},
		{"lengths in a schema", idSonnet45, schema(`{"type":"string","minLength":1,"maxLength":9}`), ""},
		{"a strict tool that is open", idSonnet45, strict(1, `{"type":"object"}`), "tools.0.custom.input_schema: For 'object' type, 'additionalProperties'"},
		{"a strict tool with a range", idSonnet45, strict(1, `{"type":"object","additionalProperties":false,"properties":{"n":{"type":"number","maximum":3}}}`), "property 'maximum' is not supported"},
		{"a strict tool", idSonnet45, strict(1, closedObject), ""},
		{"21 strict tools", idSonnet45, strict(21, closedObject), "Too many strict tools (21)"},
		{"a strict tool without structured outputs", "us.anthropic.claude-3-5-haiku-20241022-v1:0", strict(1, closedObject), "toolSpec.strict field"},

		{"effort on Opus 4.5", opus45, extra(`"output_config":{"effort":"low"}`), ""},
		{"effort on Sonnet 4.5", idSonnet45, extra(`"output_config":{"effort":"low"}`), "does not support the effort parameter"},
		{"Converse's effort on Sonnet 4.5", idSonnet45, `{$HI,"outputConfig":{"effort":"low"}}`, "does not support the effort parameter"},
		{"xhigh on 4.6", sonnet46, extra(`"output_config":{"effort":"xhigh"}`), "output_config.effort: Input should be"},
		{"xhigh on 4.8", idOpus48, extra(`"output_config":{"effort":"xhigh"}`), ""},
		{"an unknown beta", idSonnet45, extra(`"anthropic_beta":["prompt-caching-2024-07-31"]`), "invalid beta flag"},
		{"a known beta", idSonnet45, extra(`"anthropic_beta":["interleaved-thinking-2025-05-14"]`), ""},
		{"citations on one of two documents", idSonnet45, `{"messages":[{"role":"user","content":[{"text":"x"},` + fmt.Sprintf(pdf, 0, `,"citations":{"enabled":true}`) + `,` + fmt.Sprintf(pdf, 1, "") + `]}]}`, "all or none of the documents"},
		{"one id for two calls", idSonnet45, `{$TOOLS,"messages":[$USER,$CALL,{"role":"user","content":[$RESULT]},$CALL,{"role":"user","content":[$RESULT]}]}`, "messages.3.content.0: `tool_use` ids must be unique"},
		{"one id for two calls elsewhere", "qwen.qwen3-32b-v1:0", `{$TOOLS,"messages":[$USER,$CALL,{"role":"user","content":[$RESULT]},$CALL,{"role":"user","content":[$RESULT]}]}`, ""},
		{"an hour on Sonnet 4", "us.anthropic.claude-sonnet-4-20250514-v1:0", `{"messages":[{"role":"user","content":[{"text":"x"},{"cachePoint":{"type":"default","ttl":"1h"}}]}]}`, "Extended TTL of '1h' is not supported"},
		{"an hour on Nova", idNova2, `{"messages":[{"role":"user","content":[{"text":"x"},{"cachePoint":{"type":"default","ttl":"1h"}}]}]}`, "Extended TTL of '1h' is not supported"},
		{"five cache points on Nova", idNova2, `{"messages":[{"role":"user","content":[{"text":"x"},$POINT,{"text":"x"},$POINT,{"text":"x"},$POINT,{"text":"x"},$POINT,{"text":"x"},$POINT]}]}`, "A maximum of 4 blocks with cache_control"},

		{"topK on Nova", idNova, extra(`"inferenceConfig":{"topK":5}`), ""},
		{"Claude's top_k on Nova", idNova, extra(`"top_k":5`), "#: extraneous key [top_k] is not permitted"},
		{"reasoning on the first Nova", idNova, extra(`"reasoningConfig":{"type":"enabled","maxReasoningEffort":"low"}`), "extraneous key [reasoningConfig]"},
		{"an effort that Nova does not know", idNova2, extra(`"reasoningConfig":{"type":"enabled","maxReasoningEffort":"max"}`), "maxReasoningEffort: max is not a valid enum value"},
		{"a level that Qwen does not know", "qwen.qwen3-32b-v1:0", extra(`"reasoning_config":"max"`), "reasoning_config: Input should be"},
		{"a level of Qwen", "qwen.qwen3-32b-v1:0", extra(`"reasoning_config":"low"`), ""},
		{"metadata outside the pattern", idNova, `{$HI,"requestMetadata":{"user":"a*b"}}`, "requestMetadata"},
	} {
		got := refusalOf(t, opConverse, tt.id, short(tt.body))
		if got == "" && tt.want != "" || got != "" && tt.want == "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s:\n got %s\nwant %s", tt.what, cmp.Or(got, "accepted"), cmp.Or(tt.want, "accepted"))
		}
	}
}
