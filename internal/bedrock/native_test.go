package bedrock_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/google/go-cmp/cmp"

	"outcrop/internal/bedrock"
	"outcrop/internal/llm"
	"outcrop/internal/models"
	"outcrop/internal/secret"
)

// canned answers every call with one reply, and remembers what it was asked.
type canned struct {
	status int
	header http.Header
	body   []byte

	path  string
	asked http.Header
	sent  []byte
}

func (c *canned) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	c.path, c.asked, c.sent = r.Method+" "+r.URL.Host+r.URL.EscapedPath(), r.Header, body
	h := c.header.Clone()
	if h == nil {
		h = http.Header{}
	}
	h.Set("X-Amzn-Requestid", "aws-1")
	return &http.Response{StatusCode: max(c.status, 200), Header: h, Body: io.NopCloser(bytes.NewReader(c.body))}, nil
}

func scripted(t testing.TB, c *canned, id string, o bedrock.ModelOptions) llm.MessagesModel {
	t.Helper()
	return nativeOf(t, clientOf(t, c), id, o)
}

func scriptedBy(t testing.TB, transport http.RoundTripper, id string) llm.MessagesModel {
	t.Helper()
	return nativeOf(t, clientOf(t, transport), id, bedrock.ModelOptions{})
}

func clientOf(t testing.TB, transport http.RoundTripper) *bedrock.Client {
	t.Helper()
	catalogue, err := models.Load()
	if err != nil {
		t.Fatal(err)
	}
	client, err := bedrock.New(bedrock.Options{Region: "us-east-1", APIKey: secret.New("key"), Transport: transport, Catalogue: catalogue})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// asChunks writes pieces as the frames of InvokeModelWithResponseStream.
func asChunks(t testing.TB, pieces ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	for _, p := range pieces {
		kind, name, payload := "event", "chunk", `{"bytes":"`+base64.StdEncoding.EncodeToString([]byte(p))+`","p":"abc"}`
		if exception, text, ok := strings.Cut(p, "!"); ok && strings.HasSuffix(exception, "Exception") {
			kind, name, payload = "exception", exception, `{"message":"`+text+`"}`
		}
		m := eventstream.Message{Payload: []byte(payload)}
		m.Headers.Set(":message-type", eventstream.StringValue(kind))
		m.Headers.Set(":"+kind+"-type", eventstream.StringValue(name))
		if err := eventstream.NewEncoder().Encode(&out, m); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

// asEvents writes pieces as server-sent events.
func asEvents(t testing.TB, pieces ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	for _, p := range pieces {
		var typed struct{ Type string }
		if err := json.Unmarshal([]byte(p), &typed); err != nil {
			t.Fatal(err)
		}
		out.WriteString("event: " + typed.Type + "\ndata: " + p + "\n\n")
	}
	return out.Bytes()
}

const aMessage = `{"type":"message","id":"m","role":"assistant","content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":1}}`

// TestWhatLeavesOfAMessage: the client's body is copied as it stands, but for what has another place on the
// surface, or none.
func TestWhatLeavesOfAMessage(t *testing.T) {
	claudeCode := []string{"claude-code-20250219", "interleaved-thinking-2025-05-14", "context-management-2025-06-27",
		"per-turn-control-2026-07-01", "advanced-tool-use-2025-11-20", "a-flag-of-2027"}
	for _, c := range []struct {
		name, id, surface, body string
		betas                   []string
		metadata                map[string]string
		path, sent, headers     string
		ignored                 []string
	}{
		{
			name: "the runtime", id: claudeRuntime,
			body: `{"model":"x", "max_tokens" : 5,"stream":false,"messages":[ {"role":"user","content":"h\u00e9"} ],"new_field":{"a":[1,2]}}`,
			path: "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke",
			sent: `{"max_tokens" : 5,"messages":[ {"role":"user","content":"h\u00e9"} ],"new_field":{"a":[1,2]},"anthropic_version":"bedrock-2023-05-31"}`,
		},
		{
			name: "a version of the client's, and betas in the body and in the header", id: claudeRuntime,
			body:    `{"anthropic_beta":["interleaved-thinking-2025-05-14","prompt-caching-2024-07-31"],"anthropic_version":"bedrock-2024","messages":[]}`,
			betas:   []string{"interleaved-thinking-2025-05-14", "context-1m-2025-08-07"},
			path:    "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke",
			sent:    `{"anthropic_version":"bedrock-2024","messages":[],"anthropic_beta":["interleaved-thinking-2025-05-14","context-1m-2025-08-07"]}`,
			ignored: []string{"anthropic-beta: prompt-caching-2024-07-31"},
		},
		{
			name: "Claude Code's betas, and an effort of one message", id: claudeRuntime, betas: claudeCode,
			body: `{"messages":[{"role":"user","content":"a"},{"role":"system", "output_config":{"effort":"low"},"content":"b"}],"output_config":{"effort":"low"},"service_tier":"auto"}`,
			path: "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke",
			sent: `{"messages":[{"role":"user","content":"a"},{"role":"system","content":"b"}],"output_config":{"effort":"low"},"anthropic_version":"bedrock-2023-05-31",` +
				`"anthropic_beta":["interleaved-thinking-2025-05-14","context-management-2025-06-27","tool-search-tool-2025-10-19","a-flag-of-2027"]}`,
			ignored: []string{"anthropic-beta: claude-code-20250219", "anthropic-beta: per-turn-control-2026-07-01", "messages[1].output_config", "service_tier"},
		},
		{
			name: "AWS's tiers and metadata are headers", id: claudeRuntime, metadata: map[string]string{"project": "a"},
			body: `{"service_tier":"flex"}`,
			path: "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke",
			sent: `{"anthropic_version":"bedrock-2023-05-31"}`, headers: `X-Amzn-Bedrock-Request-Metadata: {"project":"a"}|X-Amzn-Bedrock-Service-Tier: flex`,
		},
		{
			name: "mantle", id: claudeMantle, betas: claudeCode,
			body: `{"model":"x","stream":false,"anthropic_version":"bedrock-2023-05-31","anthropic_beta":["b1"],"messages":[],"service_tier":"flex"}`,
			path: "/anthropic/v1/messages",
			sent: `{"messages":[],"model":"anthropic.claude-haiku-4-5"}`,
			headers: "Anthropic-Beta: interleaved-thinking-2025-05-14,context-management-2025-06-27,tool-search-tool-2025-10-19,a-flag-of-2027,b1|" +
				"Anthropic-Version: 2023-06-01",
			ignored: []string{"anthropic-beta: claude-code-20250219", "anthropic-beta: per-turn-control-2026-07-01", "service_tier"},
		},
		{
			name: "mantle by choice", id: claudeRuntime, surface: bedrock.SurfaceMantle,
			body: `{}`, path: "/anthropic/v1/messages", sent: `{"model":"` + claudeRuntime + `"}`, headers: "Anthropic-Version: 2023-06-01",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := &canned{body: []byte(aMessage)}
			m := scripted(t, server, c.id, bedrock.ModelOptions{Surface: c.surface})
			given := c.body
			req := &llm.MessagesRequest{Body: []byte(c.body), Betas: c.betas, Whole: true, Metadata: c.metadata}
			var ignored []string
			for p, err := range m.Messages(t.Context(), req) {
				if err != nil {
					t.Fatal(err)
				}
				ignored = p.Ignored
			}
			if got := server.path; !strings.HasSuffix(got, c.path) {
				t.Errorf("asked %s, want %s", got, c.path)
			}
			var headers []string
			for name := range server.asked {
				if strings.HasPrefix(name, "Anthropic-") || strings.HasPrefix(name, "X-Amzn-Bedrock-") {
					headers = append(headers, name+": "+server.asked.Get(name))
				}
			}
			slices.Sort(headers)
			if diff := cmp.Diff([]any{c.sent, c.headers, c.ignored, given}, []any{string(server.sent), strings.Join(headers, "|"), ignored, string(req.Body)}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestPiecesOfAReply: what AWS adds is taken away, and the usage is gathered from all of the reply.
func TestPiecesOfAReply(t *testing.T) {
	stream := []string{
		`{"type":"message_start","message":{"id":"m1","type":"message","content":[],"usage":{"input_tokens":10,"output_tokens":1,"cache_read_input_tokens":7,"cache_creation_input_tokens":9,"cache_creation":{"ephemeral_5m_input_tokens":4,"ephemeral_1h_input_tokens":5}}}}`,
		`{"type":"ping"}`,
		`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`,
		`{"delta":{"text":"é \" ","type":"text_delta"},"index":0,"type":"content_block_delta"}`,
		`{"type":"an_event_of_2027","x":null}`,
		`{"type":"content_block_stop","index":0}`,
		`{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":23,"input_tokens":null,"output_tokens_details":{"thinking_tokens":11}}}`,
	}
	const last = `{"type":"message_stop","amazon-bedrock-guardrailAction":"NONE","amazon-bedrock-invocationMetrics":{"inputTokenCount":10,"outputTokenCount":23}}`
	want := slices.Concat(stream, []string{`{"type":"message_stop","amazon-bedrock-guardrailAction":"NONE"}`})
	usage := llm.Usage{Input: 10, Output: 23, CacheRead: 7, CacheWrite: 9, CacheWrite1h: 5, Reasoning: 11}
	for id, body := range map[string][]byte{
		claudeRuntime: asChunks(t, append(slices.Clone(stream), last)...),
		claudeMantle:  asEvents(t, append(slices.Clone(stream), last)...),
	} {
		m := scripted(t, &canned{body: body}, id, bedrock.ModelOptions{})
		var got []string
		for p, err := range m.Messages(t.Context(), &llm.MessagesRequest{Body: []byte(`{}`), Betas: []string{"oauth-2025-04-20"}}) {
			if err != nil {
				t.Fatal(err)
			}
			if p.Type == "" {
				continue
			}
			got = append(got, string(p.JSON))
			if first := len(got) == 1; first != (p.ID == "aws-1") || first != (len(p.Ignored) == 1) {
				t.Errorf("%s: piece %d has the id %q and %q", id, len(got), p.ID, p.Ignored)
			}
			if p.Last && p.Usage != usage {
				t.Errorf("%s: got %+v", id, p.Usage)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", id, diff)
		}
	}
}

// TestAReplyOnSeveralLines: a piece is one line, whatever comes; strings keep their escapes.
func TestAReplyOnSeveralLines(t *testing.T) {
	m := scripted(t, &canned{body: []byte("{\n \"type\": \"message\",\r\n \"content\": [{\"text\":\"a\\nb\"}],\n\"usage\":{\"input_tokens\":2}}\n")}, claudeRuntime, bedrock.ModelOptions{})
	for p, err := range m.Messages(t.Context(), &llm.MessagesRequest{Body: []byte(`{}`), Whole: true}) {
		if err != nil || bytes.ContainsAny(p.JSON, "\r\n") || !json.Valid(p.JSON) || !bytes.Contains(p.JSON, []byte(`"a\nb"`)) || !p.Last || p.Usage.Input != 2 {
			t.Errorf("got %s, %+v, %v", p.JSON, p, err)
		}
	}
}

// TestRefusedMessages: AWS's errors and Anthropic's become ours, before the reply and within it.
func TestRefusedMessages(t *testing.T) {
	start := `{"type":"message_start","message":{"usage":{}}}`
	anthropic := func(kind, text string) []byte {
		return []byte(`{"type":"error","error":{"type":"` + kind + `","message":"` + text + `"},"request_id":"r"}`)
	}
	for _, c := range []struct {
		name, id string
		reply    canned
		whole    bool
		kind     llm.Kind
		message  string
		pieces   int
	}{
		{"a throttled call", claudeRuntime, canned{status: 429, header: http.Header{"X-Amzn-Errortype": {"ThrottlingException"}}, body: []byte(`{"message":"Too many tokens, please wait before trying again."}`)}, false, llm.KindRateLimited, "Too many tokens", 0},
		{"a beta that AWS refuses", claudeRuntime, canned{status: 400, header: http.Header{"X-Amzn-Errortype": {"ValidationException"}}, body: []byte(`{"message":"invalid beta flag"}`)}, false, llm.KindInvalid, "invalid beta flag", 0},
		{"a prompt that is too long", claudeRuntime, canned{status: 400, header: http.Header{"X-Amzn-Errortype": {"ValidationException"}}, body: []byte(`{"message":"prompt is too long: 9 tokens > 8 maximum"}`)}, false, llm.KindContextLength, "too long", 0},
		{"a throttled first frame", claudeRuntime, canned{body: asChunks(t, "throttlingException!Too many requests.")}, false, llm.KindRateLimited, "Too many", 0},
		{"an exception in the middle", claudeRuntime, canned{body: asChunks(t, start, "modelStreamErrorException!It broke.")}, false, llm.KindUpstream, "It broke.", 1},
		{"a stream without its end", claudeRuntime, canned{body: asChunks(t, start)}, false, llm.KindUpstream, "ended before it was complete", 1},
		{"a chunk that is no JSON", claudeRuntime, canned{body: asChunks(t, start, `{"type":`)}, false, llm.KindUpstream, "ended before it was complete", 1},
		{"a chunk without a type", claudeRuntime, canned{body: asChunks(t, start, `{"x":1}`)}, false, llm.KindUpstream, "could not be understood", 1},
		{"an error in a chunk", claudeRuntime, canned{body: asChunks(t, start, string(anthropic("overloaded_error", "Overloaded")))}, false, llm.KindUnavailable, "Overloaded", 1},
		{"nothing", claudeRuntime, canned{}, true, llm.KindUpstream, "ended before it was complete", 0},
		{"a whole reply that is none", claudeRuntime, canned{body: []byte(`{"type":"completion"}`)}, true, llm.KindUpstream, "could not be understood", 0},
		{"mantle is overloaded", claudeMantle, canned{status: 529, body: anthropic("overloaded_error", "Overloaded")}, false, llm.KindUnavailable, "Overloaded", 0},
		{"529 without words", claudeMantle, canned{status: 529}, false, llm.KindUnavailable, "failed to answer", 0},
		{"mantle throttles", claudeMantle, canned{status: 429, header: http.Header{"Retry-After": {"7"}}, body: anthropic("rate_limit_error", "Slow down")}, false, llm.KindRateLimited, "Slow down", 0},
		{"mantle refuses a field", claudeMantle, canned{status: 400, body: anthropic("invalid_request_error", "max_tokens: Field required")}, false, llm.KindInvalid, "max_tokens: Field required", 0},
		{"mantle's window", claudeMantle, canned{status: 400, body: anthropic("invalid_request_error", "prompt is too long: 2 tokens > 1 maximum")}, false, llm.KindContextLength, "too long", 0},
		{"mantle's limit on bodies", claudeMantle, canned{status: 413, body: anthropic("request_too_large", "Too large")}, false, llm.KindTooLarge, "Too large", 0},
		{"mantle refuses our key", claudeMantle, canned{status: 401, body: anthropic("authentication_error", "invalid x-api-key")}, false, llm.KindUpstream, "own AWS credentials", 0},
		{"mantle's permissions", claudeMantle, canned{status: 403, body: anthropic("permission_error", "arn:aws:iam::111122223333:user/x may not")}, false, llm.KindForbidden, "operator has to allow", 0},
		{"mantle's bill", claudeMantle, canned{status: 402, body: anthropic("billing_error", "no credit")}, false, llm.KindForbidden, "operator", 0},
		{"mantle fails", claudeMantle, canned{status: 500, body: anthropic("api_error", "Oops")}, false, llm.KindUpstream, "Oops", 0},
		{"mantle takes too long", claudeMantle, canned{status: 504, body: anthropic("timeout_error", "Timed out")}, false, llm.KindTimeout, "Timed out", 0},
		{"an error event", claudeMantle, canned{body: asEvents(t, start, string(anthropic("overloaded_error", "Overloaded")))}, false, llm.KindUnavailable, "Overloaded", 1},
		{"mantle's stream without its end", claudeMantle, canned{body: asEvents(t, start)}, false, llm.KindUpstream, "ended before it was complete", 1},
		{"an event cut short", claudeMantle, canned{body: append(asEvents(t, start), "data: {"...)}, false, llm.KindUpstream, "broke", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := scripted(t, &c.reply, c.id, bedrock.ModelOptions{})
			pieces := 0
			var failed error
			for p, err := range m.Messages(t.Context(), &llm.MessagesRequest{Body: []byte(`{}`), Whole: c.whole}) {
				if failed != nil {
					t.Errorf("%+v after the error", p)
				}
				if failed = err; err == nil && p.Type != "" {
					pieces++
				}
			}
			e, ok := errors.AsType[*llm.Error](failed)
			if !ok || e.Kind != c.kind || !strings.Contains(e.Message, c.message) || pieces != c.pieces {
				t.Errorf("got %v after %d pieces", failed, pieces)
			}
			if ok && c.name == "mantle throttles" && e.RetryAfter.Seconds() != 7 {
				t.Errorf("retry after %v", e.RetryAfter)
			}
		})
	}
}

// TestTheClientsOwnMistakes are told before AWS is called.
func TestTheClientsOwnMistakes(t *testing.T) {
	guardrail := &bedrock.Guardrail{ID: "gr1", Version: "1", StreamProcessingMode: "async"}
	for _, c := range []struct{ body, param, message string }{
		{`{"a":`, "", "at byte 5, unexpected end of input"},
		{`[]`, "", "not a JSON object"},
		{`{"messages":[],"messa\u0067es":[]}`, "messages", "twice"},
		{`{"anthropic_beta":"x"}`, "anthropic_beta", "list"},
		{`{"anthropic_beta":["a\nb"]}`, "anthropic_beta", "printable"},
		{`{"amazon-bedrock-guardrailConfig":{"tagSuffix":"x"}}`, "amazon-bedrock-guardrailConfig", "guardrail is set by the server"},
		{`{"amazon-bedrock-guardrail\u0043onfig":null}`, "amazon-bedrock-guardrailConfig", "guardrail is set by the server"},
		{`{"Amazon-Bedrock-trace":"DISABLED"}`, "Amazon-Bedrock-trace", "guardrail is set by the server"},
	} {
		server := &canned{}
		m := scripted(t, server, claudeRuntime, bedrock.ModelOptions{Guardrail: guardrail})
		req := &llm.MessagesRequest{Body: []byte(c.body)}
		for _, err := range m.Messages(t.Context(), req) {
			if e, ok := errors.AsType[*llm.Error](err); !ok || e.Kind != llm.KindInvalid || e.Param != c.param || !strings.Contains(e.Message, c.message) {
				t.Errorf("%s: got %v", c.body, err)
			}
		}
		if _, err := m.CountMessages(t.Context(), req); err == nil {
			t.Errorf("%s is counted", c.body)
		}
		if server.path != "" {
			t.Errorf("%s: AWS was called", c.body)
		}
	}
	server := &canned{body: asChunks(t)}
	m := scripted(t, server, claudeRuntime, bedrock.ModelOptions{Guardrail: guardrail})
	for _, err := range m.Messages(t.Context(), &llm.MessagesRequest{Body: []byte(`{}`)}) {
		if err == nil {
			t.Error("a reply of nothing")
		}
	}
	if h := server.asked; h.Get("X-Amzn-Bedrock-GuardrailIdentifier") != "gr1" || h.Get("X-Amzn-Bedrock-GuardrailVersion") != "1" || h.Get("X-Amzn-Bedrock-Accept") != "application/json" ||
		!strings.Contains(string(server.sent), `"amazon-bedrock-guardrailConfig":{"streamProcessingMode":"ASYNCHRONOUS"}`) {
		t.Errorf("got %v, %s", h, server.sent)
	}
}

// TestWhoAnswersNatively: Claude, where the operator has not chosen another API.
func TestWhoAnswersNatively(t *testing.T) {
	for _, c := range []struct {
		id   string
		o    bedrock.ModelOptions
		want bool
	}{
		{claudeRuntime, bedrock.ModelOptions{}, true},
		{claudeMantle, bedrock.ModelOptions{}, true},
		{claudeRuntime, bedrock.ModelOptions{Surface: bedrock.SurfaceMantle}, true},
		{claudeRuntime, bedrock.ModelOptions{Surface: bedrock.SurfaceConverse}, false},
		{claudeRuntime, bedrock.ModelOptions{Surface: bedrock.SurfaceOpenAI}, false},
		{"us.amazon.nova-lite-v1:0", bedrock.ModelOptions{}, false},
		{"arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc", bedrock.ModelOptions{}, false},
		{"arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc", bedrock.ModelOptions{BaseModel: "anthropic.claude-opus-4-8"}, true},
	} {
		if got := offline(t, c.id, c.o).Native() != nil; got != c.want {
			t.Errorf("%s, %+v: %v", c.id, c.o, got)
		}
	}
}
