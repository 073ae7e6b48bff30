package telemetry

import (
	"bytes"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"outcrop/internal/llm"
	"outcrop/internal/money"
	"outcrop/internal/usage"
)

// receiver is an OpenTelemetry collector that takes OTLP over HTTP.
type receiver struct {
	mu      sync.Mutex
	spans   map[string]*tracepb.Span // by id
	service string
	status  int // of its answers, 0 is 200
}

func (c *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var export tracepb.TracesData // as an ExportTraceServiceRequest is written
	if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, &export) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status != 0 {
		w.WriteHeader(c.status)
		return
	}
	for _, of := range export.GetResourceSpans() {
		for _, a := range of.GetResource().GetAttributes() {
			if a.GetKey() == "service.name" {
				c.service = a.GetValue().GetStringValue()
			}
		}
		for _, scope := range of.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				c.spans[hex.EncodeToString(span.GetSpanId())] = span
			}
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// collected are spans that are sent to a receiver, whose status is given.
func collected(t *testing.T, status int, log io.Writer) (*Spans, *receiver) {
	t.Helper()
	c := &receiver{spans: map[string]*tracepb.Span{}, status: status}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	s, err := OpenSpans(t.Context(), SpansOptions{Version: "v1", GenAI: true, Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return s, c
}

const (
	traceA = "0af7651916cd43dd8448eb211c80319c"
	spanA  = "00f067aa0ba902b7"
	callA  = "00f067aa0ba902b8"
	spanB  = "00f067aa0ba902b9"
)

func traced() usage.Entry {
	return usage.Entry{
		Trace: traceA, Span: spanA, Parent: "b7ad6b7169203331", Call: callA, Sampled: true, RequestID: "req-1", Project: "team", Deployment: "app",
		Operation: usage.Chat, Status: 200, Stream: true, Attempts: 2, Began: time.Unix(1_700_000_000, 0), Asked: time.Second, Waited: time.Second,
		FirstToken: 2 * time.Second, Finished: 5 * time.Second, Model: "m", Region: "us-east-1", Upstream: "a",
		Usage: llm.Usage{Input: 10, Output: 4, CacheRead: 3}, Cost: money.Dollar, Priced: true, Conversation: strings.Repeat("é", 200),
	}
}

func attributesOf(span *tracepb.Span) map[string]any {
	all := map[string]any{}
	for _, a := range span.GetAttributes() {
		switch v := a.GetValue(); {
		case v.GetStringValue() != "":
			all[a.GetKey()] = v.GetStringValue()
		case v.GetDoubleValue() != 0:
			all[a.GetKey()] = v.GetDoubleValue()
		case v.GetBoolValue():
			all[a.GetKey()] = true
		default:
			all[a.GetKey()] = v.GetIntValue()
		}
	}
	return all
}

// TestSpansOfNestedCallsAreOneTree, from the client to the model: each is the child of the call that led to it.
func TestSpansOfNestedCallsAreOneTree(t *testing.T) {
	s, c := collected(t, 0, io.Discard)
	nested := traced()
	nested.Span, nested.Parent, nested.Call, nested.Deployment = spanB, callA, "", "model"
	s.Record(nested)
	s.Record(traced())
	unsampled := traced()
	unsampled.Sampled, unsampled.Span = false, "00f067aa0ba902ff"
	s.Record(unsampled)
	nowhere := traced()
	nowhere.Span = ""
	s.Record(nowhere)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(c.spans) != 4 || c.service != "outcrop" || s.Stats() != (SpansStats{Sent: 4}) {
		t.Fatalf("%d spans of %s, %+v", len(c.spans), c.service, s.Stats())
	}
	for id, span := range c.spans {
		parent := map[string]string{spanA: "b7ad6b7169203331", callA: spanA, spanB: callA}[id]
		if parent == "" { // the call of the model, whose id nobody was told
			parent = spanB
		}
		if got := hex.EncodeToString(span.GetParentSpanId()); got != parent || hex.EncodeToString(span.GetTraceId()) != traceA {
			t.Errorf("%s is below %s, want %s", id, got, parent)
		}
	}
	server, client := c.spans[spanA], c.spans[callA]
	if server.GetKind() != tracepb.Span_SPAN_KIND_SERVER || server.GetName() != "chat app" || client.GetKind() != tracepb.Span_SPAN_KIND_CLIENT || client.GetName() != "chat m" {
		t.Errorf("%s %s, %s %s", server.GetKind(), server.GetName(), client.GetKind(), client.GetName())
	}
	if server.GetEndTimeUnixNano()-server.GetStartTimeUnixNano() != 5e9 || client.GetStartTimeUnixNano() != 1_700_000_001e9 {
		t.Error("the times are others")
	}
	got := attributesOf(server)
	for name, want := range map[string]any{
		"gen_ai.operation.name": "chat", "gen_ai.provider.name": "dial", "gen_ai.request.model": "app", "gen_ai.request.stream": true, "gen_ai.response.model": "m",
		"gen_ai.usage.input_tokens": int64(13), "gen_ai.usage.output_tokens": int64(4), "gen_ai.usage.cache_read.input_tokens": int64(3),
		"dial.usage.total_tokens": int64(17), "dial.upstream.attempts": int64(2), "outcrop.cost_usd": 1.0, "outcrop.request_id": "req-1",
		"gen_ai.conversation.id": strings.Repeat("é", 128), "http.response.status_code": int64(200),
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
}

// TestErrorsHaveAKindAndNoText.
func TestErrorsHaveAKindAndNoText(t *testing.T) {
	s, c := collected(t, 0, io.Discard)
	e := traced()
	e.Failed, e.Kind = true, llm.KindUpstream
	s.Record(e)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, span := range c.spans {
		if status := span.GetStatus(); status.GetCode() != tracepb.Status_STATUS_CODE_ERROR || status.GetMessage() != llm.KindUpstream.String() {
			t.Errorf("%v", status)
		}
	}
}

// TestTheSamplerIsTheEnvironments.
func TestTheSamplerIsTheEnvironments(t *testing.T) {
	for sampler, want := range map[string]bool{"": true, "always_off": false, "parentbased_always_on": true} {
		t.Setenv("OTEL_TRACES_SAMPLER", sampler)
		s, _ := collected(t, 0, io.Discard)
		if got := s.Sample(traceA); got != want {
			t.Errorf("%s samples: %t", sampler, got)
		}
		if s.Sample("") {
			t.Error("no trace is sampled")
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	t.Setenv("OTEL_TRACES_SAMPLER", "traceidratio")
	t.Setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
	s, _ := collected(t, 0, io.Discard)
	if s.Sample("0af7651916cd43dd"+"ffffffffffffffff") || !s.Sample("0af7651916cd43dd"+"0000000000000001") {
		t.Error("the ratio is not that of the ids")
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestACollectorThatRefusesIsToldOnce, and spans that it does not take are counted.
func TestACollectorThatRefusesIsToldOnce(t *testing.T) {
	var log bytes.Buffer
	s, _ := collected(t, http.StatusBadRequest, &log)
	for range 3 {
		s.Record(traced())
		if err := s.provider.ForceFlush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.Stats() != (SpansStats{Failed: 6}) || strings.Count(log.String(), "traces cannot be sent") != 1 {
		t.Errorf("%+v: %s", s.Stats(), &log)
	}
}

// TestTracesAreWantedByTheEnvironment.
func TestTracesAreWantedByTheEnvironment(t *testing.T) {
	for env, want := range map[string]bool{
		"": false, "OTEL_EXPORTER_OTLP_ENDPOINT=http://c": true, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://c": true,
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://c OTEL_SDK_DISABLED=true": false, "OTEL_EXPORTER_OTLP_ENDPOINT=http://c OTEL_TRACES_EXPORTER=none": false,
	} {
		got := WantsSpans(func(name string) string {
			for _, pair := range strings.Fields(env) {
				if value, ok := strings.CutPrefix(pair, name+"="); ok {
					return value
				}
			}
			return ""
		})
		if got != want {
			t.Errorf("%q: %t", env, got)
		}
	}
}

func BenchmarkSpans(b *testing.B) {
	b.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	s, err := OpenSpans(b.Context(), SpansOptions{GenAI: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	e := traced()
	b.ReportAllocs()
	for b.Loop() {
		s.Record(e)
	}
}
