package sandbox

import (
	"cmp"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	idSonnet45 = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
	idOpus48   = "us.anthropic.claude-opus-4-8"
	idNova2    = "us.amazon.nova-2-lite-v1:0"
	idLlama33  = "us.meta.llama3-3-70b-instruct-v1:0"
)

// refusalOf sends one Converse body and returns the text of the refusal.
func refusalOf(t *testing.T, op, id, body string) string {
	t.Helper()
	c := &call{Op: op, ModelID: id, Raw: []byte(body), Body: decodeObject([]byte(body))}
	if c.Body == nil {
		t.Fatalf("not a JSON object: %s", body)
	}
	c.Model, _ = testCatalogue(t).Lookup(id)
	if err := validate(c, nil); err != nil {
		return err.Message
	}
	return ""
}

// short spells out the parts of a body that most cases share.
func short(body string) string {
	return strings.NewReplacer(
		"$HI", `"messages":[{"role":"user","content":[{"text":"hi"}]}]`,
		"$TOOLS", `"toolConfig":{"tools":[{"toolSpec":{"name":"f","inputSchema":{"json":{"type":"object"}}}}]}`,
		"$CALL", `{"role":"assistant","content":[{"toolUse":{"toolUseId":"t1","name":"f","input":{}}}]}`,
		"$RESULT", `{"toolResult":{"toolUseId":"t1","content":[{"text":"18"}]}}`,
		"$USER", `{"role":"user","content":[{"text":"hi"}]}`,
		"$ASSISTANT", `{"role":"assistant","content":[{"text":"hello"}]}`,
		"$SIGNED", signThought("t", [32]byte{}),
		"$POINT", `{"cachePoint":{"type":"default"}}`,
	).Replace(body)
}

const idApplication = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123"

func TestRouting(t *testing.T) {
	for _, tt := range []struct{ op, id, want string }{
		{opConverse, "us.amazon.nova-micro-v1:0", ""},
		{opConverse, "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-micro-v1:0", ""},
		{opConverse, "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-micro-v1:0", ""},
		{opConverse, "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdefghijkl", ""},
		{opConverse, "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdefghijkl", ""},
		{opConverse, "arn:aws:bedrock:us-east-1:123456789012:imported-model/abcdefghijkl", ""},
		{opConverse, "arn:aws:bedrock:us-east-1:123456789012:custom-model-deployment/abcdefghijkl", ""},
		{opConverse, "arn:aws:bedrock:us-east-1:123456789012:prompt/ABCDEFGHIJ:1", ""},
		{opConverse, "arn:aws:sagemaker:us-east-1:123456789012:endpoint/mine", ""},
		{opConverse, "anthropic.claude-3-7-sonnet-20250219-v1:0", strings.Replace(noOnDemand, "%s", "anthropic.claude-3-7-sonnet-20250219-v1:0", 1)},
		{opConverse, "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-opus-5", strings.Replace(noOnDemand, "%s", "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-opus-5", 1)},
		{opConverse, "anthropic.claude-3-haiku-20240307-v1:0:48k", strings.Replace(noOnDemand, "%s", "anthropic.claude-3-haiku-20240307-v1:0:48k", 1)},
		{opConverse, "moonshotai.kimi-k2-thinking", invalidModelID}, // a name of another host
		{opConverse, "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.acme.model", invalidModelID},
		{opConverse, "arn:aws:bedrock:us-east-1:123456789012:guardrail/abc", invalidModelID},
		{opConverse, "arn:aws:s3:::bucket/key", invalidModelID},
		{opConverse, "", invalidModelID},
		{opConverse, "cohere.embed-english-v3", notAChatModel},
		{opCountTokens, "us.amazon.nova-micro-v1:0", noCounting},
		{opCountTokens, "amazon.nova-pro-v1:0", noCounting},
		{opCountTokens, "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdefghijkl", noCounting},
	} {
		body := short(`{$HI}`)
		if tt.op == opCountTokens {
			body = short(`{"input":{"converse":{$HI}}}`)
		}
		if got := refusalOf(t, tt.op, tt.id, body); got != tt.want {
			t.Errorf("%s %s:\n got %s\nwant %s", tt.op, tt.id, got, tt.want)
		}
	}
}

func TestEndOfLife(t *testing.T) {
	c := &call{Op: opConverse, ModelID: "us.anthropic.claude-3-7-sonnet-20250219-v1:0", Body: decodeObject([]byte(short(`{$HI}`)))}
	c.Model, _ = testCatalogue(t).Lookup(c.ModelID)
	if err := validate(c, &mood{}); err != nil {
		t.Errorf("by default a retired model answers, but: %v", err)
	}
	if err := validate(c, &mood{Refuse: "end-of-life"}); err == nil || err.Status != 404 || err.Message != endOfLife {
		t.Errorf("end-of-life: %v", err)
	}
}

// Bodies that the corpora do not hold; want is a part of the refusal, "" means
// accepted.
func TestRules(t *testing.T) {
	for _, tt := range []struct{ what, id, body, want string }{
		{"no messages", idNova2, `{}`, mustStartWithUser},
		{"neighbours of one role are merged", idNova2, `{"messages":[$USER,$USER,$ASSISTANT,$ASSISTANT,$USER]}`, ""},
		{"a leading system turn is not the first turn", idOpus48, `{"messages":[{"role":"system","content":[{"text":"x"}]},$USER]}`, ""},
		{"a blank line on Claude 4.5", idSonnet45, `{"messages":[{"role":"user","content":[{"text":"\n"}]}]}`, ""},
		{"a blank line elsewhere", idNova2, `{"messages":[{"role":"user","content":[{"text":"\n"}]}]}`, "at messages.0.content.0 is blank"},
		{"an image of the assistant", idSonnet45, `{"messages":[$USER,{"role":"assistant","content":[{"image":{"format":"png","source":{"bytes":"AAAA"}}}]}]}`, "image content block at messages.1.content.0"},
		{"free fields as a list", idNova2, `{$HI,"additionalModelRequestFields":[]}`, "value at additionalModelRequestFields is invalid"},
		{"an output schema that is not JSON", idSonnet45, `{$HI,"outputConfig":{"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"schema":"{"}}}}}`, "jsonSchema.schema is invalid"},
		{"a tool schema without type", idNova2, `{$HI,"toolConfig":{"tools":[{"toolSpec":{"name":"f","inputSchema":{"json":{}}}}]}}`,
			"The value at toolConfig.tools.0.toolSpec.inputSchema.json.type must be one of the following: object."},
		{"a tool schema that is a list", idNova2, `{$HI,"toolConfig":{"tools":[{"toolSpec":{"name":"f","inputSchema":{"json":[]}}}]}}`, "toolSpec.inputSchema.json is invalid"},
		{"a leading underscore, single spaces", idSonnet45, `{"messages":[{"role":"user","content":[{"text":"x"},{"document":{"name":" a_b (1) [2]-c ","source":{"text":"y"}}}]}]}`, ""},
		{"a tab in a document name", idSonnet45, `{"messages":[{"role":"user","content":[{"text":"x"},{"document":{"name":"a\tb","source":{"text":"y"}}}]}]}`, "The document file name can only"},
		{"prompt resources bring their own settings", "arn:aws:bedrock:us-east-1:123456789012:prompt/ABCDEFGHIJ", `{"inferenceConfig":{}}`, "inferenceConfig field cannot be used"},

		{"results of parallel calls in two messages", idSonnet45, `{$TOOLS,"messages":[$USER,{"role":"assistant","content":[{"toolUse":{"toolUseId":"t1","name":"f","input":{}}},{"toolUse":{"toolUseId":"t2","name":"f","input":{}}}]},{"role":"user","content":[$RESULT]},{"role":"user","content":[{"toolResult":{"toolUseId":"t2","content":[]}}]}]}`, ""},
		{"one of two results", idSonnet45, `{$TOOLS,"messages":[$USER,{"role":"assistant","content":[{"toolUse":{"toolUseId":"t1","name":"f","input":{}}},{"toolUse":{"toolUseId":"t2","name":"f","input":{}}}]},{"role":"user","content":[$RESULT]}]}`,
			"Expected toolResult blocks at messages.2.content for the following Ids: t2"},
		{"a call at the end", idSonnet45, `{$TOOLS,"messages":[$USER,$CALL]}`, "Expected toolResult blocks at messages.2.content for the following Ids: t1"},
		{"a result out of nowhere", idSonnet45, `{$TOOLS,"messages":[{"role":"user","content":[$RESULT]}]}`, "toolResult blocks at messages.0.content exceeds"},
		{"a tool of the server", idNova2, `{"toolConfig":{"tools":[{"systemTool":{"name":"nova_grounding"}}]},"messages":[$USER,{"role":"assistant","content":[{"toolUse":{"toolUseId":"s","name":"nova_grounding","input":{},"type":"server_tool_use"}},{"toolResult":{"toolUseId":"s","content":[]}},{"text":"x"}]},$USER]}`, ""},

		{"named tool choice", idSonnet45, `{$HI,"toolConfig":{"tools":[{"toolSpec":{"name":"f","inputSchema":{"json":{"type":"object"}}}}],"toolChoice":{"tool":{"name":"g"}}}}`, "Tool 'g' not found in provided tools"},
		{"the same tool twice", idSonnet45, `{$HI,"toolConfig":{"tools":[{"toolSpec":{"name":"f","inputSchema":{"json":{"type":"object"}}}},{"toolSpec":{"name":"f","inputSchema":{"json":{"type":"object"}}}}]}}`, "tools: Tool names must be unique."},
		{"auto is never refused", "deepseek.v3-v1:0", `{$HI,"toolConfig":{"tools":[{"toolSpec":{"name":"f","inputSchema":{"json":{"type":"object"}}}}],"toolChoice":{"auto":{}}}}`, ""},
		{"text beside a result on Llama", idLlama33, `{$TOOLS,"messages":[$USER,$CALL,{"role":"user","content":[$RESULT,{"text":"and?"}]}]}`, "messages.2.content: Conversation blocks and tool result blocks cannot be provided in the same turn."},
		{"text beside a result on Claude", idSonnet45, `{$TOOLS,"messages":[$USER,$CALL,{"role":"user","content":[$RESULT,{"text":"and?"}]}]}`, ""},
		{"an image inside a result on Qwen", "qwen.qwen3-32b-v1:0", `{$TOOLS,"messages":[$USER,$CALL,{"role":"user","content":[{"toolResult":{"toolUseId":"t1","content":[{"image":{"format":"png","source":{"bytes":"AAAA"}}}]}}]}]}`, "doesn't support the toolResult.content.image field"},
		{"an image on a text model", idLlama33, `{"messages":[{"role":"user","content":[{"image":{"format":"png","source":{"bytes":"AAAA"}}}]}]}`, "This model doesn't support the image content block"},
		{"an S3 document elsewhere", idLlama33, `{"messages":[{"role":"user","content":[{"text":"x"},{"document":{"name":"d","source":{"s3Location":{"uri":"s3://bucket/a"}}}}]}]}`, "This model doesn't support the s3Uri field."},
		{"structured output without support", "us.anthropic.claude-3-5-haiku-20241022-v1:0", `{$HI,"outputConfig":{"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"schema":"{}"}}}}}`, "doesn't support the outputConfig.textFormat field"},
		{"a cache point in system on R1", "us.deepseek.r1-v1:0", `{$HI,"system":[{"text":"x"},$POINT]}`, noPromptCache},

		{"an hour after five minutes", idSonnet45, `{"system":[{"text":"x"},$POINT],"messages":[{"role":"user","content":[{"text":"x"},{"cachePoint":{"type":"default","ttl":"1h"}}]}]}`, "a ttl='1h' cache_control block must not come after"},
		{"a cache point after a PDF", idSonnet45, `{"messages":[{"role":"user","content":[{"text":"x"},{"document":{"name":"d","format":"pdf","source":{"bytes":"JVBERi0xLjcK"}}},$POINT]}]}`, ""},
		{"a field that Claude does not know", idSonnet45, `{$HI,"additionalModelRequestFields":{"seed":1}}`, "The model returned the following errors: seed: Extra inputs are not permitted"},
		{"the other name of thinking", idSonnet45, `{$HI,"additionalModelRequestFields":{"reasoning_config":{"type":"enabled","budget_tokens":1}}}`, "Input should be greater than or equal to 1024"},
		{"thinking without a budget", idSonnet45, `{$HI,"additionalModelRequestFields":{"thinking":{"type":"enabled"}}}`, "budget_tokens: Field required"},
		{"a budget of all tokens", idSonnet45, `{$HI,"inferenceConfig":{"maxTokens":2000},"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":2000}}}`, "`max_tokens` must be greater than `thinking.budget_tokens`"},
		{"a low topP with thinking on 4.5", idSonnet45, `{$HI,"inferenceConfig":{"topP":0.9},"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":1024}}}`, "greater than or equal to 0.95"},
		{"top_k with thinking", idSonnet45, `{$HI,"additionalModelRequestFields":{"top_k":5,"thinking":{"type":"enabled","budget_tokens":1024}}}`, "`top_k` must be unset"},
		{"thinking on a model without", "us.anthropic.claude-3-5-haiku-20241022-v1:0", `{$HI,"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":1024}}}`, "thinking: Extra inputs are not permitted"},
		{"both ways on 4.6", "us.anthropic.claude-sonnet-4-6", `{$HI,"additionalModelRequestFields":{"thinking":{"type":"adaptive"}}}`, ""},
		{"an unknown way on 4.6", "us.anthropic.claude-sonnet-4-6", `{$HI,"additionalModelRequestFields":{"thinking":{"type":"auto"}}}`, "expected tags: 'adaptive', 'disabled', 'enabled'"},
		{"Fable cannot stop thinking", "us.anthropic.claude-fable-5", `{$HI,"additionalModelRequestFields":{"thinking":{"type":"disabled"}}}`, `"thinking.type.disabled" is not supported`},
		{"adaptive thinking and a forced tool", idOpus48, `{$HI,"toolConfig":{"tools":[{"toolSpec":{"name":"f","inputSchema":{"json":{"type":"object"}}}}],"toolChoice":{"any":{}}},"additionalModelRequestFields":{"thinking":{"type":"adaptive"}}}`, "Thinking may not be enabled when tool_choice forces tool use."},
		{"reasoning before the call", idSonnet45, `{$TOOLS,"messages":[$USER,{"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"t","signature":"$SIGNED"}}},{"toolUse":{"toolUseId":"t1","name":"f","input":{}}}]},{"role":"user","content":[$RESULT]}],"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":1024}}}`, ""},
		{"reasoning at the beginning of a loop", idSonnet45, `{$TOOLS,"messages":[$USER,{"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"t","signature":"$SIGNED"}}},{"toolUse":{"toolUseId":"t1","name":"f","input":{}}}]},{"role":"user","content":[{"toolResult":{"toolUseId":"t1","content":[]}}]},{"role":"assistant","content":[{"toolUse":{"toolUseId":"t2","name":"f","input":{}}}]},{"role":"user","content":[{"toolResult":{"toolUseId":"t2","content":[]}}]}],"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":1024}}}`, ""},
		{"no reasoning in a loop", idSonnet45, `{$TOOLS,"messages":[$USER,{"role":"assistant","content":[{"toolUse":{"toolUseId":"t1","name":"f","input":{}}}]},{"role":"user","content":[{"toolResult":{"toolUseId":"t1","content":[]}}]},{"role":"assistant","content":[{"toolUse":{"toolUseId":"t2","name":"f","input":{}}}]},{"role":"user","content":[{"toolResult":{"toolUseId":"t2","content":[]}}]}],"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":1024}}}`, "messages.3.content.0.type: Expected `thinking`"},
		{"reasoning in a loop without thinking", idSonnet45, `{$TOOLS,"messages":[$USER,{"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"t","signature":"$SIGNED"}}},{"toolUse":{"toolUseId":"t1","name":"f","input":{}}}]},{"role":"user","content":[{"toolResult":{"toolUseId":"t1","content":[]}}]}]}`, "messages.1.content.0: When thinking is disabled"},
		{"reasoning of a loop that is over", idSonnet45, `{$TOOLS,"messages":[$USER,{"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"t","signature":"$SIGNED"}}},{"toolUse":{"toolUseId":"t1","name":"f","input":{}}}]},{"role":"user","content":[{"toolResult":{"toolUseId":"t1","content":[]}}]},$ASSISTANT,$USER]}`, ""},
		{"reasoning that was changed", idSonnet45, `{$TOOLS,"messages":[$USER,{"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"T","signature":"$SIGNED"}}},{"toolUse":{"toolUseId":"t1","name":"f","input":{}}}]},{"role":"user","content":[$RESULT]}],"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":1024}}}`, "messages.1.content.0: Invalid `signature` in `thinking` block"},
		{"reasoning of somebody else", idSonnet45, `{"messages":[$USER,{"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"t","signature":"s"}}},{"text":"x"}]},$USER],"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":1024}}}`, "messages.1.content.0: Invalid `signature` in `thinking` block"},
		{"reasoning of somebody else, thinking off", idSonnet45, `{"messages":[$USER,{"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"t","signature":"s"}}},{"text":"x"}]},$USER]}`, ""},
		{"reasoning without a signature", idOpus48, `{"messages":[$USER,{"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"t"}}},{"text":"x"}]},$USER],"additionalModelRequestFields":{"thinking":{"type":"adaptive"}}}`, "messages.1.content.0.thinking.signature: Field required"},
		{"redacted reasoning that was changed", idSonnet45, `{$TOOLS,"messages":[$USER,{"role":"assistant","content":[{"reasoningContent":{"redactedContent":"QUFB"}},{"toolUse":{"toolUseId":"t1","name":"f","input":{}}}]},{"role":"user","content":[$RESULT]}],"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":1024}}}`, "messages.1.content.0: Invalid `data` in `redacted_thinking` block"},
		{"text before the call", idSonnet45, `{$TOOLS,"messages":[$USER,{"role":"assistant","content":[{"text":"x"},{"toolUse":{"toolUseId":"t1","name":"f","input":{}}}]},{"role":"user","content":[$RESULT]}],"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":1024}}}`, "but found `text`"},
		{"the default temperature on Opus 4.8", idOpus48, `{$HI,"inferenceConfig":{"temperature":1}}`, ""},
		{"top_p on Opus 4.8", idOpus48, `{$HI,"inferenceConfig":{"topP":0.5}}`, "`top_p` is deprecated for this model."},
		{"top_k on Opus 4.8", idOpus48, `{$HI,"additionalModelRequestFields":{"top_k":5}}`, "`top_k` is deprecated for this model."},
		{"prefill on 4.5", idSonnet45, `{"messages":[$USER,$ASSISTANT]}`, ""},
		{"prefill with a trailing space", idSonnet45, `{"messages":[$USER,{"role":"assistant","content":[{"text":"x "}]}]}`, "cannot end with trailing whitespace"},
		{"an open object inside a closed one", idSonnet45, `{$HI,"outputConfig":{"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"schema":"{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"a\":{\"type\":\"object\"}}}"}}}}}`, "must be explicitly set to false"},
		{"a GIF that says it is a PNG", idSonnet45, `{"messages":[{"role":"user","content":[{"text":"x"},{"image":{"format":"png","source":{"bytes":"R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"}}}]}]}`, "the image appears to be a image/gif image"},
		{"high effort with a limit on Nova 2", idNova2, `{$HI,"inferenceConfig":{"maxTokens":5},"additionalModelRequestFields":{"reasoningConfig":{"type":"enabled","maxReasoningEffort":"high"}}}`, "maxTokens must be unset"},
		{"a text document inside a result on Nova", idNova2, `{$TOOLS,"messages":[$USER,$CALL,{"role":"user","content":[{"toolResult":{"toolUseId":"t1","content":[{"document":{"format":"txt","name":"d","source":{"text":"x"}}}]}}]}]}`, ""},
		{"more tokens than the publisher says", "moonshot.kimi-k2-thinking", `{$HI,"inferenceConfig":{"maxTokens":32000}}`, ""},
		{"more than Converse's own limit", "moonshot.kimi-k2-thinking", `{$HI,"inferenceConfig":{"maxTokens":262145}}`, "exceeds the model limit of 262144"},
		{"no stated limit", "us.amazon.nova-lite-v1:0", `{$HI,"inferenceConfig":{"maxTokens":200000}}`, ""},
		{"gpt-oss always reasons", "openai.gpt-oss-120b-1:0", `{$HI,"additionalModelRequestFields":{"reasoning_effort":"none"}}`, "reasoning_effort: Input should be"},
	} {
		got := refusalOf(t, opConverse, tt.id, short(tt.body))
		if got == "" && tt.want != "" || got != "" && tt.want == "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s:\n got %s\nwant %s", tt.what, cmp.Or(got, "accepted"), cmp.Or(tt.want, "accepted"))
		}
	}
}

func TestContextWindow(t *testing.T) {
	user := func(tokens int, rest string) string {
		return `{"messages":[{"role":"user","content":[{"text":"` + strings.Repeat("word", tokens) + `"}]}]` + rest + `}`
	}
	const beta = `,"additionalModelRequestFields":{"anthropic_beta":["context-1m-2025-08-07"]}`
	for _, tt := range []struct{ what, id, body, want string }{
		{"Claude, just fits", idSonnet45, user(200_000-7, ""), ""},
		{"Claude, one more", idSonnet45, user(200_000-6, ""), "prompt is too long: 200001 tokens > 200000 maximum"},
		{"Claude with a million", idSonnet45, user(200_000, beta), ""},
		{"Llama", idLlama33, user(128_000, ""), inputTooLong},
		{"a model whose window is not known", "us.anthropic.claude-mythos-5", user(500_000, ""), ""},
	} {
		if got := refusalOf(t, opConverse, tt.id, tt.body); !strings.HasSuffix(got, tt.want) || (got == "") != (tt.want == "") {
			t.Errorf("%s: got %.200s, want %s", tt.what, got, tt.want)
		}
	}
	c := &call{Op: opConverse, ModelID: idNova2, Raw: make([]byte, maxBody+1), Body: decodeObject([]byte(short(`{$HI}`)))}
	c.Model, _ = testCatalogue(t).Lookup(c.ModelID)
	if err := validate(c, nil); err == nil || err.Message != inputTooLong {
		t.Errorf("a body of more than 25 MB: %v", err)
	}
}

func TestCountTokensRequests(t *testing.T) {
	const id = "anthropic.claude-sonnet-4-20250514-v1:0"
	for _, tt := range []struct{ what, body, want string }{
		{"Converse's rules hold", `{"input":{"converse":{"messages":[{"role":"user","content":[]}]}}}`, "The content field in the Message object at messages.0 is empty."},
		{"its size does not matter", `{"input":{"converse":{"messages":[{"role":"user","content":[{"text":"` + strings.Repeat("word", 200_000) + `"}]}]}}}`, ""},
		{"a native body", `{"input":{"invokeModel":{"body":"` + base64.StdEncoding.EncodeToString([]byte(`{"messages":[],"tools":[{"name":"f"},{"type":"custom"}]}`)) + `"}}}`, ""},
		{"a native body that is not JSON", `{"input":{"invokeModel":{"body":"AAAA"}}}`, "Malformed input request"},
		{"no input", `{}`, "Value at 'input' failed to satisfy constraint: Member must not be null"},
		{"two inputs", `{"input":{"converse":{},"invokeModel":{"body":"AAAA"}}}`, "Union must have exactly one member set, found 2"},
	} {
		got := refusalOf(t, opCountTokens, id, tt.body)
		if !strings.Contains(got, tt.want) || (got == "") != (tt.want == "") {
			t.Errorf("%s: got %.200s, want %s", tt.what, got, tt.want)
		}
	}
}

func TestLargeMedia(t *testing.T) {
	block := func(kind string, bytes int) string {
		head := map[string]string{"image": "iVBORw0KGgoA", "document": "JVBERi0xLjcK"}[kind] // 9 bytes
		return `{"` + kind + `":{"name":"d","format":"png","source":{"bytes":"` + head + strings.Repeat("A", max(0, bytes/3*4-12)) + `"}}}`
	}
	user := func(blocks ...string) string {
		return `{"messages":[{"role":"user","content":[{"text":"x"},` + strings.Join(blocks, ",") + `]}]}`
	}
	document := func(i int) string {
		return strings.Replace(strings.Replace(block("document", 3), `"d"`, `"d`+string(rune('a'+i))+`"`, 1), `"png"`, `"pdf"`, 1)
	}
	for _, tt := range []struct{ what, id, body, want string }{
		{"4 MB on Nova", idNova2, user(block("image", 4_000_000)), "has 3999999 bytes, more than the 3932160"},
		{"4 MB on Claude", idSonnet45, user(block("image", 4_000_000)), "image exceeds 5 MB maximum: 5333332 bytes > 5242880 bytes"},
		{"3.75 MB on Claude", idSonnet45, user(block("image", 3_900_000)), ""},
		{"21 images on Nova", idNova2, user(slices.Repeat([]string{block("image", 3)}, 21)...), "has 21 images"},
		{"21 images on Claude", idSonnet45, user(slices.Repeat([]string{block("image", 3)}, 21)...), ""},
		{"5 documents", idSonnet45, user(document(0), document(1), document(2), document(3), document(4)), ""},
		{"6 documents", idSonnet45, user(document(0), document(1), document(2), document(3), document(4), document(5)), "has 6 documents"},
		{"5 MB of document", idSonnet45, user(strings.Replace(block("document", 5_000_000), `"png"`, `"pdf"`, 1)), "more than the 4718592"},
	} {
		got := refusalOf(t, opConverse, tt.id, tt.body)
		if got == "" && tt.want != "" || got != "" && tt.want == "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %.300s, want %s", tt.what, got, tt.want)
		}
	}
}

func TestInvokeBodies(t *testing.T) {
	const malformedStart = "Malformed input request: "
	for _, tt := range []struct{ what, id, body, want string }{
		{"dimensions", "amazon.titan-embed-text-v2:0", `{"inputText":"x","dimensions":300}`, malformedStart + "#/dimensions: 300 is not a valid enum value"},
		{"v1 has no dimensions", "amazon.titan-embed-text-v1", `{"inputText":"x","dimensions":256}`, "#: extraneous key [dimensions] is not permitted"},
		{"nothing", "amazon.titan-embed-text-v1", `{}`, "#: required key [inputText] not found"},
		{"an unknown input type", "cohere.embed-english-v3", `{"texts":["x"],"input_type":"poem"}`, "#/input_type: poem is not a valid enum value"},
		{"97 texts", "cohere.embed-english-v3", `{"input_type":"clustering","texts":["x"` + strings.Repeat(`,"x"`, 96) + `]}`, "#/texts: expected maximum item count: 96, found: 97"},
		{"v4 takes dimensions", "us.cohere.embed-v4:0", `{"texts":["x"],"input_type":"search_query","output_dimension":256}`, ""},
		{"v4 takes inputs", "us.cohere.embed-v4:0", `{"inputs":[{"content":[{"type":"text","text":"x"}]}],"input_type":"search_query"}`, ""},
		{"v3 does not", "cohere.embed-english-v3", `{"inputs":[],"texts":["x"],"input_type":"search_query"}`, "#: extraneous key [inputs] is not permitted"},
		{"a Nova embedding", "amazon.nova-2-multimodal-embeddings-v1:0", `{"taskType":"SINGLE_EMBEDDING","singleEmbeddingParams":{"embeddingPurpose":"CLUSTERING","text":{"truncationMode":"END","value":"x"}}}`, ""},
		{"of an unknown task", "amazon.nova-2-multimodal-embeddings-v1:0", `{"taskType":"X","singleEmbeddingParams":{}}`, "#/taskType: X is not a valid enum value"},
		{"Claude without a version", "us.anthropic.claude-sonnet-4-6", `{"max_tokens":1,"messages":[]}`, "anthropic_version: Field required"},
		{"Claude with a model", "us.anthropic.claude-sonnet-4-6", `{"anthropic_version":"x","max_tokens":1,"messages":[{"role":"user","content":"x"}],"model":"m"}`, "model: Extra inputs are not permitted"},
		{"Claude without messages", "us.anthropic.claude-sonnet-4-6", `{"anthropic_version":"x","max_tokens":1,"messages":[]}`, "at least one message is required"},
		{"a role of its own", "us.anthropic.claude-sonnet-4-6", `{"anthropic_version":"x","max_tokens":1,"messages":[{"role":"tool","content":"x"}]}`, "messages.0.role: Input should be 'user' or 'assistant'"},
		{"Claude without tokens", idSonnet45, `{"anthropic_version":"x","max_tokens":0,"messages":[{"role":"user","content":"x"}]}`, "max_tokens: Input should be greater than or equal to 1"},
		{"Claude with too many", idSonnet45, `{"anthropic_version":"x","max_tokens":64001,"messages":[{"role":"user","content":"x"}]}`,
			"max_tokens: 64001 > 64000, which is the maximum allowed number of output tokens for claude-sonnet-4-5-20250929-v1:0"},
		{"half a token", idSonnet45, `{"anthropic_version":"x","max_tokens":1.5,"messages":[{"role":"user","content":"x"}]}`, "max_tokens: Input should be a valid integer"},
		{"a hot Claude", idSonnet45, `{$CLAUDE,"temperature":5}`, "temperature: Input should be less than or equal to 1"},
		{"a temperature in words", idSonnet45, `{$CLAUDE,"temperature":"high"}`, "temperature: Input should be a valid number"},
		{"both kinds of sampling", idSonnet45, `{$CLAUDE,"temperature":0.5,"top_p":0.5}`, "`temperature` and `top_p` cannot both be specified"},
		{"no content", idSonnet45, `{"anthropic_version":"x","max_tokens":9,"messages":[{"role":"user","content":[]}]}`, "messages.0: all messages must have non-empty content"},
		{"an empty last turn of the assistant", idSonnet45, `{"anthropic_version":"x","max_tokens":9,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[]}]}`, ""},
		{"a block that is a text", idSonnet45, `{"anthropic_version":"x","max_tokens":9,"messages":[{"role":"user","content":["x"]}]}`, "messages.0.content.0: Input should be a valid dictionary"},
		{"a block without a type", idSonnet45, `{"anthropic_version":"x","max_tokens":9,"messages":[{"role":"user","content":[{"text":"x"}]}]}`, "messages.0.content.0.type: Field required"},
		{"a message that is a text", idSonnet45, `{"anthropic_version":"x","max_tokens":9,"messages":["x"]}`, "messages.0: Input should be a valid dictionary"},
		{"messages that are a text", idSonnet45, `{"anthropic_version":"x","max_tokens":9,"messages":"x"}`, "messages: Input should be a valid list"},
		{"a small budget", idSonnet45, `{$CLAUDE,"thinking":{"type":"enabled","budget_tokens":5}}`, "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024"},
		{"thinking and a forced tool", idSonnet45, `{$CLAUDE,"thinking":{"type":"enabled","budget_tokens":1024},"tools":[{"name":"f","input_schema":{"type":"object"}}],"tool_choice":{"type":"any"}}`, "Thinking may not be enabled when tool_choice forces tool use."},
		{"a tool that is not there", idSonnet45, `{$CLAUDE,"tools":[{"name":"f","input_schema":{"type":"object"}}],"tool_choice":{"type":"tool","name":"g"}}`, "Tool 'g' not found"},
		{"Anthropic's own tool, forced", idSonnet45, `{$CLAUDE,"tools":[{"type":"bash_20250124","name":"bash"}],"tool_choice":{"type":"tool","name":"bash"}}`, ""},
		{"an open schema of a tool", idSonnet45, `{$CLAUDE,"tools":[{"name":"f","input_schema":{"type":"string"}}]}`, "tools.0.custom.input_schema.type: Input should be 'object'"},
		{"an open schema of the answer", idSonnet45, `{$CLAUDE,"output_config":{"format":{"type":"json_schema","schema":{"type":"object"}}}}`, "must be explicitly set to false"},
		{"a call without a result", idSonnet45, `{"anthropic_version":"x","max_tokens":9,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"tool_use","id":"t1","name":"f","input":{}}]},{"role":"user","content":"y"}]}`,
			"messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: t1."},
		{"a result without a call", idSonnet45, `{"anthropic_version":"x","max_tokens":9,"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"t9","content":"y"}]}]}`,
			"messages.0: unexpected `tool_use_id` found in `tool_result` blocks: t9."},
		{"a PNG that says so", idSonnet45, `{"anthropic_version":"x","max_tokens":9,"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/gif","data":"R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"}}]}]}`, ""},
		{"prefill on 4.6", "us.anthropic.claude-sonnet-4-6", `{"anthropic_version":"x","max_tokens":9,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"y"}]}`, "This model does not support assistant message prefill."},
		{"redacted thinking comes back", idSonnet45, `{"anthropic_version":"x","max_tokens":2000,"thinking":{"type":"enabled","budget_tokens":1024},"tools":[{"name":"f","input_schema":{"type":"object"}}],"messages":[{"role":"user","content":"x"},
			{"role":"assistant","content":[{"type":"redacted_thinking","data":"bm9lQjFJUExWN2s5cFEveFBzcWRKNVRsbEFmNG52WlNVQkg4T0huajNOWUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE9PQ=="},{"type":"tool_use","id":"t1","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":"y"}]}]}`, ""},
		{"Nova with Converse's range", idNova2, `{"messages":[{"role":"user","content":[{"text":"x"}]}],"inferenceConfig":{"temperature":5}}`, "inferenceConfig.temperature"},
		{"Nova's other name of a limit", idNova2, `{"messages":[{"role":"user","content":[{"text":"x"}]}],"inferenceConfig":{"max_new_tokens":0}}`, "inferenceConfig.maxTokens"},
		{"Nova with Claude's members", idNova2, `{"messages":[{"role":"user","content":[{"text":"x"}]}],"max_tokens":5}`, "#: extraneous key [max_tokens] is not permitted"},
		{"Nova with a text for a list", idNova2, `{"messages":"x"}`, "Malformed input request: Expected list or null"},
		{"Nova without messages", idNova2, `{"messages":[]}`, "#/messages: expected minimum item count: 1, found: 0"},
		{"Nova with an empty message", idNova2, `{"messages":[{"role":"user","content":[]}]}`, "is empty"},
		{"Nova at high effort with a limit", idNova2, `{"messages":[{"role":"user","content":[{"text":"x"}]}],"inferenceConfig":{"maxTokens":5},"reasoningConfig":{"type":"enabled","maxReasoningEffort":"high"}}`, "maxTokens must be unset"},
		{"a Claude body behind a profile of one's own", idApplication, `{$CLAUDE}`, ""},
		{"an odd one", idApplication, `{"anthropic_version":"x","max_tokens":9,"messages":[1]}`, "messages.0: Input should be a valid dictionary"},
		{"a body nobody knows", "amazon.nova-reel-v1:0", `{"prompt":"x"}`, ""},
	} {
		got := refusalOf(t, opInvoke, tt.id, strings.Replace(tt.body, "$CLAUDE", `"anthropic_version":"x","max_tokens":2000,"messages":[{"role":"user","content":"x"}]`, 1))
		if got == "" && tt.want != "" || got != "" && tt.want == "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %s, want %s", tt.what, got, tt.want)
		}
	}
	c := &call{Op: opInvoke, ModelID: "amazon.titan-embed-text-v1", Raw: []byte("hello")}
	c.Model, _ = testCatalogue(t).Lookup(c.ModelID)
	if err := validate(c, nil); err == nil || err.Message != "Malformed input request, please reformat your input and try again." {
		t.Errorf("a body that is not JSON: %v", err)
	}
	c.Op, c.ModelID, c.Model = opConverse, "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/x", nil
	if err := validate(c, nil); err == nil || err.Type != "SerializationException" {
		t.Errorf("a Converse body that is not JSON: %v", err)
	}
}

// Twice the turns take about twice the time, not four times.
func TestLongConversationsAreLinear(t *testing.T) {
	conversation := func(n int) *call {
		var b strings.Builder
		b.WriteString(`{"messages":[`)
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(`{"role":"user","content":[{"text":"hi"}]}`)
		}
		b.WriteString(`]}`)
		c := &call{Op: opConverse, ModelID: idSonnet45, Body: decodeObject([]byte(b.String()))}
		c.Model, _ = testCatalogue(t).Lookup(c.ModelID)
		return c
	}
	c := conversation(100_000)
	start := time.Now()
	if err := validate(c, nil); err == nil || !strings.Contains(err.Message, "prompt is too long") {
		t.Errorf("got %v", err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("100,000 turns took %v", took)
	}
}

func BenchmarkValidate(b *testing.B) {
	catalogue := testCatalogue(b)
	for _, cc := range readCorpus(b, "requests-valid.json") {
		if cc.ID != "v021" {
			continue
		}
		c := cc.call(b, catalogue)
		b.ReportAllocs()
		for b.Loop() {
			if err := validate(c, nil); err != nil {
				b.Fatal(err)
			}
		}
	}
}
