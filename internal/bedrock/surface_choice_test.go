package bedrock

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"outcrop/internal/llm"
	"outcrop/internal/memnet"
	"outcrop/internal/models"
	"outcrop/internal/secret"
)

func testClient(t *testing.T, o Options) *Client {
	t.Helper()
	catalogue, err := models.Load()
	if err != nil {
		t.Fatal(err)
	}
	o.Catalogue = catalogue
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	if o.APIKey.IsZero() {
		o.Credentials = credentials.NewStaticCredentialsProvider("a", "b", "")
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEveryModelHasItsSurface(t *testing.T) {
	c := testClient(t, Options{})
	const runtime, mantle = "https://bedrock-runtime.us-east-1.amazonaws.com", "https://bedrock-mantle.us-east-1.api.aws"
	tests := []struct{ id, surface, want string }{
		{"us.amazon.nova-lite-v1:0", "", runtime + "/model/us.amazon.nova-lite-v1%3A0/converse-stream bedrock"},
		{"new.model-v1:0", "", runtime + "/model/new.model-v1%3A0/converse-stream bedrock"},
		{"openai.gpt-5.4", "", runtime + "/model/openai.gpt-5.4/converse-stream bedrock"},
		{"qwen.qwen3-32b", "", mantle + "/v1/chat/completions bedrock-mantle"},
		{"anthropic.claude-haiku-4-5", "", mantle + "/anthropic/v1/messages bedrock-mantle"},
		{"anthropic.claude-opus-4-7", SurfaceMantle, mantle + "/anthropic/v1/messages bedrock-mantle"},
		{"us.anthropic.claude-opus-4-7", SurfaceInvoke, runtime + "/model/us.anthropic.claude-opus-4-7/invoke-with-response-stream bedrock"},
		{"openai.gpt-5.4-2026-03-05", "", mantle + "/openai/v1/responses bedrock-mantle"},
		{"us.twelvelabs.pegasus-1-2-v1:0", "", runtime + "/model/us.twelvelabs.pegasus-1-2-v1%3A0/invoke-with-response-stream bedrock"},
		{"us.stability.stable-outpaint-v1:0", "", runtime + "/model/us.stability.stable-outpaint-v1%3A0/invoke-with-response-stream bedrock"},
		{"qwen.qwen3-32b", SurfaceConverse, runtime + "/model/qwen.qwen3-32b/converse-stream bedrock"},
		{"openai.gpt-oss-120b", SurfaceMantle, mantle + "/v1/responses bedrock-mantle"},
		{"openai.gpt-oss-120b-1:0", SurfaceOpenAI, runtime + "/openai/v1/chat/completions bedrock"},
		{"openai.gpt-5.4", SurfaceOpenAI, runtime + "/openai/v1/responses bedrock"},
		{"new.model", SurfaceMantle, mantle + "/v1/chat/completions bedrock-mantle"},
	}
	for _, tt := range tests {
		m, err := c.Model(tt.id, ModelOptions{Surface: tt.surface})
		if err != nil {
			t.Errorf("%s on %q: %v", tt.id, tt.surface, err)
			continue
		}
		if to := m.current.Load().stream; to.url.String()+" "+to.service != tt.want {
			t.Errorf("%s on %q: got %s %s, want %s", tt.id, tt.surface, to.url, to.service, tt.want)
		}
	}
}

func TestAnImpossibleSurfaceNamesTheChoices(t *testing.T) {
	c := testClient(t, Options{})
	for surface, want := range map[string]string{
		"messages":    `"messages" is not a surface of Bedrock: choose one of converse, mantle, openai, invoke, or none`,
		SurfaceInvoke: `serves anthropic.claude, stability and twelvelabs.pegasus models only; for this model choose one of converse, mantle, openai`,
	} {
		if _, err := c.Model("us.amazon.nova-lite-v1:0", ModelOptions{Surface: surface}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", surface, err)
		}
	}
}

func TestEndpoints(t *testing.T) {
	tests := []struct {
		options Options
		want    [3]string
	}{
		{Options{Region: "eu-west-1"}, [3]string{"https://bedrock-runtime.eu-west-1.amazonaws.com", "https://bedrock-mantle.eu-west-1.api.aws", "https://bedrock.eu-west-1.amazonaws.com"}},
		{Options{Endpoint: "https://vpce.example"}, [3]string{"https://vpce.example", "https://bedrock-mantle.us-east-1.api.aws", "https://bedrock.us-east-1.amazonaws.com"}},
		{Options{Endpoint: "http://localhost:4566"}, [3]string{"http://localhost:4566", "http://localhost:4566", "http://localhost:4566"}},
		{Options{MantleEndpoint: "https://m.example/", ControlEndpoint: "https://c.example"}, [3]string{"https://bedrock-runtime.us-east-1.amazonaws.com", "https://m.example", "https://c.example"}},
	}
	for _, tt := range tests {
		c := testClient(t, tt.options)
		if got := [3]string{c.base, c.mantle, c.control}; got != tt.want {
			t.Errorf("got %v, want %v", got, tt.want)
		}
	}
	got := environmentEndpoints(func(name string) string {
		return map[string]string{
			"AWS_ENDPOINT_URL_BEDROCK_MANTLE": "https://m", "AWS_ENDPOINT_URL_BEDROCK": "https://c", "AWS_ENDPOINT_URL": "https://all",
		}[name]
	})
	if want := (endpoints{"https://all", "https://m", "https://c", "https://all"}); got != want {
		t.Errorf("from the environment: got %v, want %v", got, want)
	}
	_, err := New(Options{Region: "us-east-1", APIKey: secret.New("k"), MantleEndpoint: "http://mantle.example"})
	if err == nil || !strings.Contains(err.Error(), "https only") {
		t.Errorf("an API key over http to mantle: %v", err)
	}
}

// respond is a transport that answers without a network.
type respond func(*http.Request) (*http.Response, error)

func (f respond) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAPIKeysAreSentToMantleAsBearer(t *testing.T) {
	var got http.Header
	c := testClient(t, Options{APIKey: secret.New("hush"), Transport: respond(func(r *http.Request) (*http.Response, error) {
		got = r.Header
		return nil, io.ErrUnexpectedEOF
	})})
	m, err := c.Model("qwen.qwen3-32b", ModelOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = llm.Collect(m.Chat(t.Context(), question("Hi.")))
	if e, ok := errors.AsType[*llm.Error](err); !ok || e.Kind != llm.KindUnavailable || got.Get("Authorization") != "Bearer hush" {
		t.Errorf("got %v, %v", got, err)
	}
}

func question(text string) *llm.ChatRequest {
	return &llm.ChatRequest{Messages: []llm.Message{{Role: llm.RoleUser, Parts: []llm.Part{llm.Text{Text: text}}}}}
}

// The operator's guardrail holds on every surface: another surface is no way around it.
func TestTheOperatorsGuardrailHoldsOnEverySurface(t *testing.T) {
	for _, id := range []string{"qwen.qwen3-32b", "openai.gpt-5.4-2026-03-05", "us.twelvelabs.pegasus-1-2-v1:0", "anthropic.claude-haiku-4-5"} {
		var got http.Header
		c := testClient(t, Options{Transport: respond(func(r *http.Request) (*http.Response, error) {
			got = r.Header
			return nil, io.ErrUnexpectedEOF
		})})
		m, err := c.Model(id, ModelOptions{Guardrail: &Guardrail{ID: "gr1", Version: "2", Trace: "enabled_full"}})
		if err != nil {
			t.Fatal(err)
		}
		req := question("Hi.")
		req.Messages[0].Parts = append(req.Messages[0].Parts, llm.Link{URL: "s3://b/v.mp4"})
		if !strings.Contains(id, "pegasus") {
			req.Messages[0].Parts = req.Messages[0].Parts[:1]
		}
		if _, err := llm.Collect(m.Chat(t.Context(), req)); err == nil {
			t.Errorf("%s: answered without an upstream", id)
		}
		if got.Get("X-Amzn-Bedrock-GuardrailIdentifier") != "gr1" || got.Get("X-Amzn-Bedrock-GuardrailVersion") != "2" || got.Get("X-Amzn-Bedrock-Trace") != "ENABLED_FULL" {
			t.Errorf("%s: got %v", id, got)
		}
		req.Config = []byte(`{"guardrailConfig":{"guardrailIdentifier":"mine","guardrailVersion":"1"}}`)
		for _, err := range m.Chat(t.Context(), req) {
			if e := llm.AsError(err); e.Kind != llm.KindInvalid || e.Param != configPath+".guardrailConfig" {
				t.Errorf("%s: a client's own guardrail: %v", id, err)
			}
		}
	}
}

// A transport that asks for gzip would hold a stream back until it is over.
func TestStreamsAreNotCompressed(t *testing.T) {
	transport := NewTransport()
	if !transport.DisableCompression || transport.ResponseHeaderTimeout != 0 {
		t.Error("the transport asks for compression, or limits the time to the first byte")
	}
	asked := make(chan string, 1)
	server := memnet.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- strings.Join(r.Header.Values("Accept-Encoding"), ",")
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			w.Header().Set("Content-Encoding", "gzip")
			w = struct{ http.ResponseWriter }{w}
			z := gzip.NewWriter(w)
			if err := z.Close(); err != nil {
				t.Error(err)
			}
		}
	}))
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		return server.DialContext(ctx, network, address)
	}
	defer transport.CloseIdleConnections()
	c := testClient(t, Options{Endpoint: "http://bedrock", Transport: transport})
	m, err := c.Model("us.amazon.nova-lite-v1:0", ModelOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := llm.Collect(m.Chat(t.Context(), question("Hi."))); err == nil {
		t.Error("an empty body is an answer")
	}
	if got := <-asked; got != "" {
		t.Errorf("Accept-Encoding: %s", got)
	}
}

func TestADeadConnectionEnds(t *testing.T) {
	d, transport := newDialer(), NewTransport()
	probes := d.KeepAliveConfig
	if gone := probes.Idle + time.Duration(probes.Count)*probes.Interval; !probes.Enable || gone > 90*time.Second {
		t.Errorf("a connection whose other side is gone lives %s", gone)
	}
	if d.Timeout > 10*time.Second || transport.TLSHandshakeTimeout > 10*time.Second {
		t.Error("dialling takes longer than ten seconds")
	}
}

func TestAdviceNamesTheIDs(t *testing.T) {
	catalogue, err := models.Load()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ id, region, want string }{
		{"anthropic.claude-haiku-4-5", "us-east-1", "In us-east-1 the model is also served as us.anthropic.claude-haiku-4-5-20251001-v1:0, global.anthropic.claude-haiku-4-5-20251001-v1:0."},
		{"anthropic.claude-haiku-4-5-20251001-v1:0", "ap-northeast-1", "In ap-northeast-1 the model is served as jp.anthropic.claude-haiku-4-5-20251001-v1:0, global.anthropic.claude-haiku-4-5-20251001-v1:0, anthropic.claude-haiku-4-5 (surface mantle)."},
		{"us.anthropic.claude-haiku-4-5-20251001-v1:0", "eu-west-1", "In eu-west-1 the model is served as eu.anthropic.claude-haiku-4-5-20251001-v1:0, global.anthropic.claude-haiku-4-5-20251001-v1:0, anthropic.claude-haiku-4-5 (surface mantle)."},
		{"qwen.qwen3-32b", "us-west-2", "In us-west-2 the model is also served as qwen.qwen3-32b-v1:0."},
		{"moonshotai.kimi-k2-thinking", "us-east-1", "In us-east-1 the model is also served as moonshot.kimi-k2-thinking."},
		{"deepseek.v3.1", "us-west-2", "In us-west-2 the model is also served as deepseek.v3-v1:0."},
		{"qwen.qwen3-vl-235b-a22b-instruct", "us-east-1", "In us-east-1 the model is also served as qwen.qwen3-vl-235b-a22b."},
		{"nobody.knows-this", "us-east-1", ""},
		{"arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc123", "us-east-1", ""},
	}
	for _, tt := range tests {
		if got := advice(catalogue, tt.id, tt.region); got != tt.want {
			t.Errorf("%s in %s:\n got %s\nwant %s", tt.id, tt.region, got, tt.want)
		}
	}
}

// TestAModelOnAnotherSurface: who has chosen the surface is told so, not to try another id there.
func TestAModelOnAnotherSurface(t *testing.T) {
	const answer = `{"error":{"message":"The model does not exist","type":"invalid_request_error","code":"model_not_found"}}`
	c := testClient(t, Options{Transport: respond(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusNotFound, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(answer)), Request: r}, nil
	})})
	for _, tt := range []struct{ id, surface, want string }{
		{"us.amazon.nova-lite-v1:0", SurfaceMantle, "asks for it on the surface mantle, and it is served on converse."},
		{"qwen.qwen3-32b", SurfaceConverse, "asks for it on the surface converse, and it is served on mantle."},
		{"qwen.qwen3-32b", "", "the model is also served as qwen.qwen3-32b-v1:0."},
		{"nobody.knows-this", SurfaceMantle, "The model does not exist"},
	} {
		m, err := c.Model(tt.id, ModelOptions{Surface: tt.surface})
		if err != nil {
			t.Fatal(err)
		}
		_, err = llm.Collect(m.Chat(t.Context(), question("Hi.")))
		if e, ok := errors.AsType[*llm.Error](err); !ok || e.Kind != llm.KindNotFound || !strings.HasSuffix(e.Message, tt.want) {
			t.Errorf("%s on %q: %v", tt.id, tt.surface, err)
		}
	}
}

// TestAnIDOfAGuardrailIsFitForAHeader: on the surfaces that take it there.
func TestAnIDOfAGuardrailIsFitForAHeader(t *testing.T) {
	m, err := testClient(t, Options{}).Model("qwen.qwen3-32b", ModelOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for id, fit := range map[string]bool{"gr1": true, "a b": false, "a\tb": false, "gr\u00e9": false, "a\x7f": false} {
		req := question("Hi.")
		doc, err := json.Marshal(map[string]any{"guardrailConfig": map[string]string{"guardrailIdentifier": id, "guardrailVersion": "1"}})
		if err != nil {
			t.Fatal(err)
		}
		req.Config = doc
		_, err = m.Explain(t.Context(), req)
		if e, ok := errors.AsType[*llm.Error](err); ok == fit || ok && e.Param != "custom_fields.configuration.guardrailConfig" {
			t.Errorf("%q: %v", id, err)
		}
	}
}

// TestDIALsChoiceForClaude: it is about Claude alone, and an operator's surface goes first.
func TestDIALsChoiceForClaude(t *testing.T) {
	c := testClient(t, Options{})
	const sonnet = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
	for _, tt := range []struct{ id, surface, claude, path, native string }{
		{sonnet, "", "", "/converse-stream", SurfaceInvoke},
		{sonnet, "", ClaudeLegacy, "/converse-stream", SurfaceInvoke},
		{"anthropic.claude-opus-4-7", "", ClaudeMantle, "/anthropic/v1/messages", SurfaceMantle},
		{sonnet, "", ClaudeConverse, "/converse-stream", ""},
		{sonnet, SurfaceInvoke, ClaudeMantle, "/invoke-with-response-stream", SurfaceInvoke},
		{"us.amazon.nova-lite-v1:0", "", ClaudeMantle, "/converse-stream", ""},
	} {
		m, err := c.Model(tt.id, ModelOptions{Surface: tt.surface, Claude: tt.claude})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if n, ok := m.Native().(*native); ok {
			got = n.surface
		}
		if path := m.current.Load().stream.url.Path; !strings.HasSuffix(path, tt.path) || got != tt.native {
			t.Errorf("%+v: %s, native %q", tt, path, got)
		}
	}
}
