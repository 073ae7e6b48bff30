package sandbox

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

func inputShape(t testing.TB, op string) *shape {
	t.Helper()
	shapes, err := inputShapes()
	if err != nil {
		t.Fatal(err)
	}
	return shapes[op]
}

// Bodies and what the service model says of them; "" means accepted. {} stands
// for a valid conversation.
func TestConstraints(t *testing.T) {
	const hi = `"messages":[{"role":"user","content":[{"text":"hi"}]}]`
	const one = "1 validation error detected: "
	for _, tt := range []struct{ what, body, want string }{
		{"nothing at all", `{}`, ""},
		{"unknown members", `{` + hi + `,"foo":{"bar":[1]},"inferenceConfig":{"topK":3}}`, ""},
		{"null is absent", `{` + hi + `,"system":null,"inferenceConfig":{"maxTokens":null}}`, ""},
		{"a fraction for an integer is cut off", `{"inferenceConfig":{"maxTokens":1.5}}`, ""},
		{"a huge number", `{"inferenceConfig":{"temperature":1e999}}`,
			one + "Value '+Inf' at 'inferenceConfig.temperature' failed to satisfy constraint: Member must have value less than or equal to 1"},
		{"a whole number as float", `{"inferenceConfig":{"topP":2}}`,
			one + "Value '2.0' at 'inferenceConfig.topP' failed to satisfy constraint: Member must have value less than or equal to 1"},
		{"a negative", `{"inferenceConfig":{"topP":-0.1}}`,
			one + "Value '-0.1' at 'inferenceConfig.topP' failed to satisfy constraint: Member must have value greater than or equal to 0"},
		{"a message without role and content", `{"messages":[{}]}`,
			"2 validation errors detected: Value at 'messages.1.member.role' failed to satisfy constraint: Member must not be null; " +
				"Value at 'messages.1.member.content' failed to satisfy constraint: Member must not be null"},
		{"members in the service model's order", `{"toolConfig":{"toolChoice":{"tool":{"name":"a b"}},"tools":[]},"system":[{"text":""}]}`,
			"3 validation errors detected: Value '' at 'system.1.member.text' failed to satisfy constraint: Member must have length greater than or equal to 1; " +
				"Value at 'toolConfig.tools' failed to satisfy constraint: Member must have length greater than or equal to 1; " +
				"Value 'a b' at 'toolConfig.toolChoice.tool.name' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_-]+"},
		{"a union without a known member", `{"messages":[{"role":"user","content":[{"thought":"x"}]}]}`,
			one + "Value at 'messages.1.member.content.1.member' failed to satisfy constraint: Union must have exactly one member set, found 0"},
		{"a known and an unknown member", `{"messages":[{"role":"user","content":[{"text":"x","p":"abc"}]}]}`, ""},
		{"no bytes", `{"messages":[{"role":"user","content":[{"image":{"format":"png","source":{"bytes":""}}}]}]}`,
			one + "Value at 'messages.1.member.content.1.member.image.source.bytes' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"a secret value is not repeated", `{"messages":[{"role":"user","content":[{"image":{"format":"png","source":{"s3Location":{"uri":"http://x"}}}}]}]}`,
			one + `Value at 'messages.1.member.content.1.member.image.source.s3Location.uri' failed to satisfy constraint: Member must satisfy regular expression pattern: s3://[a-z0-9][\.\-a-z0-9]{1,61}[a-z0-9](/.*)?`},
		{"map keys and values", `{"requestMetadata":{"ok":"é","k*":"v"}}`,
			"2 validation errors detected: Value at 'requestMetadata.k*.key' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9\\s:_@$#=/+,-.]{1,256}; " +
				"Value at 'requestMetadata.ok.value' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9\\s:_@$#=/+,-.]{0,256}"},
		{"null blocks", `{"messages":[null,{"role":"user","content":[null,{"text":"x"}]}],"system":[null],"toolConfig":{"tools":[null]},"inferenceConfig":{"stopSequences":[null]}}`,
			"5 validation errors detected: Value at 'messages.1.member' failed to satisfy constraint: Member must not be null; " +
				"Value at 'messages.2.member.content.1.member' failed to satisfy constraint: Member must not be null; " +
				"Value at 'system.1.member' failed to satisfy constraint: Member must not be null; " +
				"Value at 'inferenceConfig.stopSequences.1.member' failed to satisfy constraint: Member must not be null; " +
				"Value at 'toolConfig.tools.1.member' failed to satisfy constraint: Member must not be null"},
		{"a null in a map", `{"requestMetadata":{"a":null}}`, one + "Value at 'requestMetadata.a.value' failed to satisfy constraint: Member must not be null"},
		{"nulls in a document", `{"additionalModelRequestFields":{"a":[null,{"b":null}]}}`, ""},
		{"an empty map", `{"requestMetadata":{}}`,
			one + "Value at 'requestMetadata' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"lengths count characters", `{"messages":[{"role":"user","content":[{"document":{"name":"` + strings.Repeat("é", 200) + `","source":{"text":"x"}}}]}]}`, ""},
		{"a reply's tool block comes back", `{"messages":[{"role":"assistant","content":[{"toolUse":{"toolUseId":"t","name":"n","input":{},"type":"tool_use"}}]}]}`, ""},
		{"any JSON as a document", `{"additionalModelRequestFields":[1,{"a":null}]}`, ""},

		{"a number as text", `{"messages":[{"role":"user","content":[{"text":1}]}]}`, "NUMBER_VALUE can not be converted to a String"},
		{"true as role", `{"messages":[{"role":true,"content":[]}]}`, "TRUE_VALUE can not be converted to a String"},
		{"a list as text", `{"system":[{"text":[]}]}`, "Start of list found where not expected"},
		{"an object as text", `{"system":[{"text":{}}]}`, "Start of structure or map found where not expected."},
		{"text as integer", `{"inferenceConfig":{"maxTokens":"5"}}`, "STRING_VALUE can not be converted to an Integer"},
		{"text as float", `{"inferenceConfig":{"topP":"5"}}`, "STRING_VALUE can not be converted to a Float"},
		{"text as boolean", `{"toolConfig":{"tools":[{"toolSpec":{"name":"n","inputSchema":{"json":{}},"strict":"yes"}}]}}`, "STRING_VALUE can not be converted to a Boolean"},
		{"content as text", `{"messages":[{"role":"user","content":"hi"}]}`, "Expected list or null"},
		{"messages as object", `{"messages":{}}`, "Start of structure or map found where not expected."},
		{"a block as text", `{"messages":[{"role":"user","content":["hi"]}]}`, "Expected null"},
		{"a map as list", `{"requestMetadata":[]}`, "Start of list found where not expected"},
		{"bytes as number", `{"messages":[{"role":"user","content":[{"image":{"format":"png","source":{"bytes":1}}}]}]}`, "NUMBER_VALUE can not be converted to a Blob"},
		{"bytes that are not base64", `{"messages":[{"role":"user","content":[{"image":{"format":"png","source":{"bytes":"a b"}}}]}]}`,
			"The value at messages.1.member.content.1.member.image.source.bytes is not base64"},
		{"decoding fails before validation", `{"inferenceConfig":{"maxTokens":0,"topP":"x"}}`, "STRING_VALUE can not be converted to a Float"},
	} {
		got, kind := "", "ValidationException"
		if err := checkConstraints(inputShape(t, opConverse), decodeObject([]byte(tt.body))); err != nil {
			got = err.Message
			if !strings.Contains(got, "validation error") {
				kind = "SerializationException"
			}
			if err.Type != kind || err.Status != 400 {
				t.Errorf("%s: %d %s, want 400 %s", tt.what, err.Status, err.Type, kind)
			}
		}
		if got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.what, got, tt.want)
		}
	}
}

func TestConstraintsOfOtherOperations(t *testing.T) {
	c := &call{Op: opCountTokens, ModelID: "anthropic.claude-sonnet-4-5-20250929-v1:0",
		Body: decodeObject([]byte(`{"input":{"converse":{"messages":[{"role":"robot","content":[]}]}}}`))}
	c.Model, _ = testCatalogue(t).Lookup(c.ModelID)
	want := "1 validation error detected: Value 'robot' at 'input.converse.messages.1.member.role' failed to satisfy constraint: " +
		"Member must satisfy enum value set: [user, assistant, system]"
	if err := validate(c, nil); err == nil || err.Message != want {
		t.Errorf("CountTokens: %v, want %s", err, want)
	}

	c = &call{Op: opInvoke, ModelID: "amazon.titan-embed-text-v1", Raw: make([]byte, 25_000_001)}
	c.Model, _ = testCatalogue(t).Lookup(c.ModelID)
	want = "1 validation error detected: Value at 'body' failed to satisfy constraint: Member must have length less than or equal to 25000000"
	if err := validate(c, nil); err == nil || err.Message != want {
		t.Errorf("InvokeModel: %v, want %s", err, want)
	}

	stream := decodeObject([]byte(`{"guardrailConfig":{"streamProcessingMode":"fast"}}`))
	if err := checkConstraints(inputShape(t, opConverse), stream); err != nil {
		t.Errorf("Converse does not know streamProcessingMode, but: %v", err)
	}
	if err := checkConstraints(inputShape(t, opConverseStream), stream); err == nil {
		t.Error("ConverseStream took streamProcessingMode fast")
	}
}

// A stranger's body must not cost more than it weighs, nor come back whole in an
// error.
func TestConstraintsAreBounded(t *testing.T) {
	message := map[string]any{"role": "x", "content": []any{}}
	messages := make([]any, 300_000)
	for i := range messages {
		messages[i] = message
	}
	start := time.Now()
	err := checkConstraints(inputShape(t, opConverse), map[string]any{"messages": messages})
	if err == nil || !strings.HasPrefix(err.Message, fmt.Sprintf("%d validation errors detected: ", maxViolations)) {
		t.Fatalf("got %.80s…", err.Message)
	}
	if len(err.Message) > 40_000 {
		t.Errorf("the refusal has %d bytes", len(err.Message))
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("300,000 messages took %v", took)
	}
}

func TestDamagedServiceModel(t *testing.T) {
	for _, data := range []string{
		`{`,
		`{"inputs":{"Converse":"Gone"}}`,
		`{"shapes":[{"name":"A","type":"list","member":"Gone"}]}`,
		`{"shapes":[{"name":"A","type":"string","pattern":"("}]}`,
	} {
		if _, err := compileShapes([]byte(data)); err == nil {
			t.Errorf("compileShapes(%s) = nil error", data)
		}
	}
}

func FuzzConstraints(f *testing.F) {
	for _, name := range []string{"requests-valid.json", "requests-invalid.json", "requests-known.json"} {
		for _, cc := range readCorpus(f, name) {
			f.Add([]byte(cc.Request.Body))
		}
	}
	f.Add([]byte(`{"messages":[{"role":1}]}`))
	f.Add([]byte(`{"inferenceConfig":{"maxTokens":1e400}}`))
	f.Add([]byte(`{"requestMetadata":{"":"\u0000"}}`))
	catalogue := testCatalogue(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		body := decodeObject(data)
		if body == nil {
			return
		}
		before, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		for _, op := range []string{opConverse, opConverseStream, opCountTokens, opInvoke} {
			for _, id := range []string{"us.anthropic.claude-sonnet-4-5-20250929-v1:0", "us.anthropic.claude-opus-4-8", "anthropic.claude-sonnet-4-20250514-v1:0", "us.amazon.nova-2-lite-v1:0",
				"us.writer.palmyra-x5-v1:0", "cohere.embed-english-v3", "arn:aws:bedrock:us-east-1:123456789012:prompt/ABCDEFGHIJ:1"} {
				c := &call{Op: op, ModelID: id, Body: body, Raw: data}
				c.Model, _ = catalogue.Lookup(id)
				if refused := validate(c, nil); refused != nil && (refused.Status < 400 || refused.Type == "" || refused.Message == "") {
					t.Errorf("%s %s: incomplete refusal %+v", op, id, refused)
				}
				if err := checkConstraints(inputShape(t, opConverse), body); err != nil && len(err.Message) > 100*maxViolations+8*len(data)+4000 {
					t.Errorf("%d bytes in, %d bytes of refusal out", len(data), len(err.Message))
				}
			}
		}
		if after, _ := json.Marshal(body); string(after) != string(before) {
			t.Errorf("validation changed the body: %s", data)
		}
	})
}
