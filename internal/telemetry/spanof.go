package telemetry

import (
	"cmp"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"outcrop/internal/llm"
	"outcrop/internal/usage"
)

// maxAttribute is how long an attribute is, in bytes, as DIAL Core's.
const maxAttribute = 256

// Record makes the spans of an Entry that has a place in a trace that is told of: one of the request, and one of the
// answer of an upstream.
func (s *Spans) Record(e usage.Entry) {
	id, err := trace.TraceIDFromHex(e.Trace)
	if err != nil || !e.Sampled {
		return
	}
	self, err := trace.SpanIDFromHex(e.Span)
	if err != nil {
		return
	}
	ctx := context.WithValue(context.Background(), idsKey{}, ids{id, self})
	if parent, err := trace.SpanIDFromHex(e.Parent); err == nil {
		ctx = trace.ContextWithRemoteSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: id, SpanID: parent, TraceFlags: trace.FlagsSampled, Remote: true,
		}))
	}
	end := e.Began.Add(e.Finished)
	ctx, span := s.tracer.Start(ctx, spanName(&e, e.Deployment), trace.WithTimestamp(e.Began), trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(s.serverAttributes(&e)...))
	fail(span, &e)
	if e.Attempts > 0 || e.Call != "" {
		s.call(ctx, &e, end)
	}
	span.End(trace.WithTimestamp(end))
}

// call makes the span of an upstream's answer, whose id the other server has been told, if there is one.
func (s *Spans) call(ctx context.Context, e *usage.Entry, end time.Time) {
	of := ids{}
	var err error
	if of.span, err = trace.SpanIDFromHex(e.Call); err != nil {
		binary.BigEndian.PutUint64(of.span[:], rand.Uint64()|1)
	}
	_, span := s.tracer.Start(context.WithValue(ctx, idsKey{}, of), spanName(e, cmp.Or(e.Model, e.Deployment)), trace.WithTimestamp(e.Began.Add(e.Asked)),
		trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(s.clientAttributes(e)...))
	fail(span, e)
	span.End(trace.WithTimestamp(end))
}

// spanName is OpenTelemetry's name of a span of generative AI: the operation, and of what.
func spanName(e *usage.Entry, of string) string {
	return strings.TrimSpace(e.Operation.String() + " " + short(of))
}

// fail says of a span that it did not end well. What went wrong is its kind alone: messages may quote.
func fail(span trace.Span, e *usage.Entry) {
	if !e.Failed {
		return
	}
	span.SetAttributes(attribute.String("error.type", e.Kind.String()))
	if e.Kind != llm.KindCanceled && (e.Status == 0 || e.Status < http.StatusBadRequest || e.Status >= http.StatusInternalServerError || e.Throttled) {
		span.SetStatus(codes.Error, e.Kind.String())
	}
}

// serverAttributes are those of the request.
func (s *Spans) serverAttributes(e *usage.Entry) []attribute.KeyValue {
	a := attributes{attribute.Int("http.response.status_code", e.Status), attribute.String("outcrop.request_id", e.RequestID)}
	a.text("outcrop.project", e.Project)
	if !s.options.GenAI {
		return a
	}
	a.text("gen_ai.operation.name", e.Operation.String())
	a.text("gen_ai.provider.name", "dial")
	a.text("gen_ai.conversation.id", e.Conversation)
	a.text("dial.request.parent_span.id", e.Parent)
	a.genAI(e)
	a.text("outcrop.answered_by", e.Instead)
	if e.Priced {
		a = append(a, attribute.Float64("outcrop.cost_usd", dollars(e.Cost)))
	}
	if e.FirstToken > 0 {
		a = append(a, attribute.Float64("gen_ai.server.time_to_first_token", e.FirstToken.Seconds()))
	}
	return a
}

// clientAttributes are those of the upstream's answer.
func (s *Spans) clientAttributes(e *usage.Entry) []attribute.KeyValue {
	a := attributes{}
	a.text("dial.upstream.id", e.Upstream)
	a.text("cloud.region", e.Region)
	if !s.options.GenAI {
		return a
	}
	a.text("gen_ai.operation.name", e.Operation.String())
	if e.Region != "" {
		a.text("gen_ai.provider.name", provider)
	}
	a.genAI(e)
	return a
}

// attributes are those of a span.
type attributes []attribute.KeyValue

// text adds one, unless it is empty.
func (a *attributes) text(name, value string) {
	if value != "" {
		*a = append(*a, attribute.String(name, short(value)))
	}
}

// number adds one, unless it is 0.
func (a *attributes) number(name string, n int) {
	if n != 0 {
		*a = append(*a, attribute.Int(name, n))
	}
}

// genAI adds what both spans have of OpenTelemetry's, and DIAL Core's.
func (a *attributes) genAI(e *usage.Entry) {
	if !e.Operation.Generates() {
		return
	}
	a.text("gen_ai.request.model", e.Deployment)
	*a = append(*a, attribute.Bool("gen_ai.request.stream", e.Stream))
	a.text("gen_ai.response.model", e.Model)
	u := e.Usage
	a.number("gen_ai.usage.input_tokens", u.Prompt())
	a.number("gen_ai.usage.output_tokens", u.Output)
	a.number("gen_ai.usage.cache_read.input_tokens", u.CacheRead)
	a.number("gen_ai.usage.cache_write.input_tokens", u.CacheWrite)
	a.number("gen_ai.usage.reasoning.output_tokens", u.Reasoning)
	a.number("dial.usage.total_tokens", u.Total())
	a.number("dial.upstream.attempts", e.Attempts)
	a.number("dial.latency.upstream_header_ms", int(e.Waited.Milliseconds()))
}

// short is a text of at most maxAttribute bytes.
func short(text string) string {
	if len(text) <= maxAttribute {
		return text
	}
	cut := maxAttribute
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut]
}
