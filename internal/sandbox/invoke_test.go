package sandbox

import (
	"encoding/base64"
	"math"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
	"github.com/google/go-cmp/cmp"
)

// native sends a model's own body through the SDK.
func native(t *testing.T, srv *httptest.Server, id, body string) map[string]any {
	t.Helper()
	out, err := bedrockruntime.NewFromConfig(awsConfig(srv, sandboxKey)).InvokeModel(t.Context(),
		&bedrockruntime.InvokeModelInput{ModelId: &id, Body: []byte(body), ContentType: aws.String("application/json"), Accept: aws.String("application/json")})
	if err != nil {
		t.Fatal(err)
	}
	return decodeObject(out.Body)
}

// nativeStream returns the JSON of every chunk.
func nativeStream(t *testing.T, srv *httptest.Server, id, body string) []map[string]any {
	t.Helper()
	out, err := bedrockruntime.NewFromConfig(awsConfig(srv, sandboxKey)).InvokeModelWithResponseStream(t.Context(),
		&bedrockruntime.InvokeModelWithResponseStreamInput{ModelId: &id, Body: []byte(body), ContentType: aws.String("application/json")})
	if err != nil {
		t.Fatal(err)
	}
	if *out.ContentType != "application/json" {
		t.Errorf("content type of the chunks %q", *out.ContentType)
	}
	var chunks []map[string]any
	for ev := range out.GetStream().Events() {
		chunks = append(chunks, decodeObject(ev.(*types.ResponseStreamMemberChunk).Value.Bytes))
	}
	if err := out.GetStream().Err(); err != nil {
		t.Fatal(err)
	}
	return chunks
}

const claudeBody = `{"anthropic_version":"bedrock-2023-05-31","max_tokens":2000,"system":"Be kind.",
	"thinking":{"type":"enabled","budget_tokens":1024},
	"tools":[{"name":"get_weather","input_schema":{"type":"object","required":["city"],"properties":{"city":{"type":"string"}}}}],
	"messages":[{"role":"user","content":"Weather in Rome?"},
		{"role":"assistant","content":[{"type":"thinking","thinking":"x","signature":"ErcBCkgIvEvyFKdwD5q6LTaL8fCEGGKenGOWdlpOsNMkHopABIUAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="},{"type":"tool_use","id":"t","name":"get_weather","input":{}}]},
		{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"18 C"},
			{"type":"text","text":"And the weather in Oslo?[[sandbox tool=get_weather]]"}]}]}`

func TestAnthropicInvoke(t *testing.T) {
	srv := serve(t, Options{})
	got := native(t, srv, claudeID, claudeBody)
	var blocks []string
	for _, b := range array(got["content"]) {
		blocks = append(blocks, text(dig(b, "type")))
	}
	if strings.Join(blocks, " ") != "thinking text tool_use" || got["stop_reason"] != "tool_use" || got["model"] != "claude-sonnet-4-5-20250929-v1:0" {
		t.Errorf("%s %v %v", blocks, got["stop_reason"], got["model"])
	}
	if city := dig(array(got["content"])[2], "input", "city"); city != "Oslo" {
		t.Errorf("city %v", city)
	}
	chunks := nativeStream(t, srv, claudeID, claudeBody)
	var thought, said, input, order strings.Builder
	for _, c := range chunks {
		kind := text(c["type"])
		order.WriteString(kind + " ")
		thought.WriteString(text(dig(c, "delta", "thinking")))
		said.WriteString(text(dig(c, "delta", "text")))
		input.WriteString(text(dig(c, "delta", "partial_json")))
	}
	if thought.String() != dig(array(got["content"])[0], "thinking") || said.String() != dig(array(got["content"])[1], "text") || input.String() != `{"city":"Oslo"}` {
		t.Errorf("stream: %q %q %q", thought.String(), said.String(), input.String())
	}
	last := chunks[len(chunks)-1]
	if !strings.HasPrefix(order.String(), "message_start content_block_start content_block_delta") || last["type"] != "message_stop" ||
		number(dig(last, "amazon-bedrock-invocationMetrics", "inputTokenCount")) != number(dig(got, "usage", "input_tokens")) {
		t.Errorf("%s\n%v", order.String(), last)
	}
}

// The ARN of an application inference profile does not say what model is behind
// it; the body does.
func TestNativeBodiesBehindAProfile(t *testing.T) {
	srv := serve(t, Options{})
	got := native(t, srv, idApplication, claudeBody)
	if got["type"] != "message" || got["model"] != "claude" || got["stop_reason"] != "tool_use" || text(dig(array(got["content"])[0], "signature")) == "" {
		t.Errorf("%v", got)
	}
	if chunks := nativeStream(t, srv, idApplication, claudeBody); chunks[0]["type"] != "message_start" {
		t.Errorf("%v", chunks[0])
	}
	got = native(t, srv, idApplication, `{"schemaVersion":"messages-v1","messages":[{"role":"user","content":[{"text":"hi"}]}]}`)
	if got["stopReason"] != "end_turn" {
		t.Errorf("%v", got)
	}
}

// What always reasons shows it without being asked.
func TestWhoReasons(t *testing.T) {
	s := newServer(t, Options{})
	for id, want := range map[string]bool{
		"moonshot.kimi-k2-thinking": true, "minimax.minimax-m2": true, "minimax.minimax-m2.5": true, "us.deepseek.r1-v1:0": true, "openai.gpt-oss-20b-1:0": true,
		"moonshotai.kimi-k2.5": false, "us.meta.llama3-1-8b-instruct-v1:0": false, claudeID: false,
	} {
		if rec := post(t, s, call{Op: opConverse, ModelID: id, Raw: []byte(helloBody)}); strings.Contains(rec.Body.String(), "reasoningContent") != want {
			t.Errorf("%s: %s", id, rec.Body)
		}
	}
}

func TestInvokeHeaders(t *testing.T) {
	srv := serve(t, Options{})
	got := send(t, srv, wire{srv, sandboxKey, "bedrock"}.request(t, opPath(opInvoke, claudeID, escapeAll),
		[]byte(`{"anthropic_version":"bedrock-2023-05-31","max_tokens":4,"stop_sequences":["x"],"messages":[{"role":"user","content":"hi"}]}`)))
	body := decodeObject(got.body)
	for header, want := range map[string]any{
		"X-Amzn-Bedrock-Output-Token-Count": "4", "X-Amzn-Bedrock-Cache-Read-Input-Token-Count": "0", "X-Amzn-Bedrock-Cache-Write-Input-Token-Count": "0",
		"X-Amzn-Bedrock-Input-Token-Count": text(encodeNumber(dig(body, "usage", "input_tokens"))),
	} {
		if got.header.Get(header) != want {
			t.Errorf("%s: %q, want %q", header, got.header.Get(header), want)
		}
	}
	if body["stop_reason"] != "max_tokens" || got.header.Get("X-Amzn-Bedrock-Invocation-Latency") == "" {
		t.Errorf("%s", got.body)
	}
}

func encodeNumber(v any) any { return string(encode(v)) }

func TestNovaInvoke(t *testing.T) {
	srv := serve(t, Options{})
	body := `{"schemaVersion":"messages-v1","messages":[{"role":"user","content":[{"text":"hi"}]}],"inferenceConfig":{"max_new_tokens":3}}`
	got := native(t, srv, novaID, body)
	if got["stopReason"] != "max_tokens" || text(dig(array(dig(got, "output", "message", "content"))[0], "text")) != "You said: “hi”." || number(dig(got, "usage", "outputTokens")) != 3 {
		t.Errorf("%v", got)
	}
	var keys []string
	for _, c := range nativeStream(t, srv, novaID, body) {
		delete(c, "amazon-bedrock-invocationMetrics")
		keys = append(keys, onlyKey(c))
	}
	want := []string{"messageStart", "contentBlockDelta", "contentBlockDelta", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"}
	if diff := cmp.Diff(want, keys); diff != "" {
		t.Error(diff)
	}
}

// Vectors have the asked length and norm 1, are the same for the same text, and
// near for texts that share words.
func TestEmbeddings(t *testing.T) {
	srv := serve(t, Options{})
	titan := func(s string) []float64 {
		return vector(native(t, srv, "amazon.titan-embed-text-v2:0", `{"inputText":"`+s+`","dimensions":256,"embeddingTypes":["float","binary"]}`)["embedding"])
	}
	cats, cats2, dogs := titan("cats sleep all day"), titan("cats sleep all night"), titan("stocks fell sharply yesterday")
	if len(cats) != 256 || math.Abs(dot(cats, cats)-1) > 1e-5 {
		t.Errorf("%d numbers, norm %f", len(cats), dot(cats, cats))
	}
	if !cmp.Equal(cats, titan("Cats sleep all day!")) {
		t.Error("case and punctuation change the vector")
	}
	if near, far := dot(cats, cats2), dot(cats, dogs); near < 0.5 || far > 0.4 {
		t.Errorf("near %f, far %f", near, far)
	}
	if v := vector(native(t, srv, "amazon.titan-embed-text-v1", `{"inputText":"x"}`)["embedding"]); len(v) != 1536 {
		t.Errorf("Titan v1: %d", len(v))
	}
	cohere := native(t, srv, "cohere.embed-english-v3", `{"texts":["A B","C"],"input_type":"search_query"}`)
	if vs := array(cohere["embeddings"]); len(vs) != 2 || len(array(vs[0])) != 1024 || cohere["response_type"] != "embeddings_floats" || array(cohere["texts"])[0] != "a b" {
		t.Errorf("Cohere v3: %d vectors, %v %v", len(vs), cohere["response_type"], cohere["texts"])
	}
	cohere = native(t, srv, "cohere.embed-v4:0", `{"texts":["A"],"input_type":"search_query","output_dimension":512}`)
	if v := array(dig(cohere, "embeddings", "float")); len(v) != 1 || len(array(v[0])) != 512 {
		t.Errorf("Cohere v4: %v", cohere["response_type"])
	}
	nova := native(t, srv, "amazon.nova-2-multimodal-embeddings-v1:0",
		`{"taskType":"SINGLE_EMBEDDING","singleEmbeddingParams":{"embeddingPurpose":"GENERIC_INDEX","embeddingDimension":384,"text":{"value":"x","truncationMode":"NONE"}}}`)
	if v := array(dig(array(nova["embeddings"])[0], "embedding")); len(v) != 384 {
		t.Errorf("Nova: %d", len(v))
	}
	got := send(t, srv, wire{srv, sandboxKey, "bedrock"}.request(t, opPath(opInvoke, "amazon.titan-embed-text-v2:0", escapeAll), []byte(`{"inputText":"x [[sandbox error=ThrottlingException]]"}`)))
	if got.status != 429 {
		t.Errorf("a directive in an embedding: %d", got.status)
	}
}

func vector(v any) []float64 {
	var out []float64
	for _, x := range array(v) {
		out = append(out, number(x))
	}
	return out
}

func dot(a, b []float64) float64 {
	var sum float64
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

// CountTokens counts what the same request would cost, in both of its forms.
func TestCountTokensOperation(t *testing.T) {
	srv := serve(t, Options{})
	const id = "anthropic.claude-sonnet-4-20250514-v1:0"
	count := func(input string) float64 {
		got := send(t, srv, wire{srv, sandboxKey, "bedrock"}.request(t, opPath(opCountTokens, id, escapeAll), []byte(`{"input":`+input+`}`)))
		if got.status != 200 {
			t.Fatalf("%d %s", got.status, got.body)
		}
		return number(decodeObject(got.body)["inputTokens"])
	}
	short := count(`{"converse":` + string(user("hi [[sandbox tokens=3]]")) + `}`)
	long := count(`{"converse":` + string(user(strings.Repeat("hi ", 400))) + `}`)
	anthropic := `{"anthropic_version":"bedrock-2023-05-31","max_tokens":4,"messages":[{"role":"user","content":"hi"}]}`
	wrapped := count(`{"invokeModel":{"body":"` + base64.StdEncoding.EncodeToString([]byte(anthropic)) + `"}}`)
	if short < 3 || short > 20 || long < 300 || wrapped != short {
		t.Errorf("short %f, long %f, wrapped %f", short, long, wrapped)
	}
}
