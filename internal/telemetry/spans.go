package telemetry

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// SpansOptions make Spans. Where they are sent, how many of them, and what else OpenTelemetry has settings for, is in the
// environment (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/).
type SpansOptions struct {
	Version string
	// GenAI gives spans the attributes of DIAL Core's, which are OpenTelemetry's of generative AI and dial.*.
	GenAI bool
	Log   *slog.Logger
}

// WantsSpans says whether the environment names a place for traces, as OpenTelemetry's SDKs understand it.
func WantsSpans(getenv func(string) string) bool {
	return getenv("OTEL_SDK_DISABLED") != "true" && getenv("OTEL_TRACES_EXPORTER") != "none" &&
		cmp.Or(getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), getenv("OTEL_EXPORTER_OTLP_ENDPOINT")) != ""
}

// Spans sends traces over OTLP, as protobuf over HTTP. They are made of Entries, after the requests, which never wait.
type Spans struct {
	options  SpansOptions
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	sampler  sdk.Sampler // the environment's

	sent, failed atomic.Uint64
	mu           sync.Mutex // of complaints
	complained   time.Time
	silent       uint64
}

// OpenSpans begins to send. Its error is one of the environment's settings.
func OpenSpans(ctx context.Context, o SpansOptions) (*Spans, error) {
	client, err := newOTLPClient(os.Getenv)
	if err != nil {
		return nil, err
	}
	exporter, err := otlptrace.New(ctx, client)
	if err != nil {
		return nil, err
	}
	own, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithAttributes(
		attribute.String("service.name", "outcrop"), attribute.String("service.version", o.Version),
	), resource.WithFromEnv())
	if err != nil {
		return nil, err
	}
	s := &Spans{options: o}
	s.provider = sdk.NewTracerProvider(sdk.WithBatcher(watchedExporter{exporter, s}), sdk.WithSampler(sdk.AlwaysSample()),
		sdk.WithIDGenerator(givenIDs{}), sdk.WithResource(own))
	s.tracer = s.provider.Tracer("outcrop")
	if s.sampler, err = samplerOf(os.Getenv); err != nil {
		return nil, err
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { s.complain(0, err) }))
	return s, nil
}

// Sample says whether a trace that begins here is to be told of, by its id: what OTEL_TRACES_SAMPLER says.
func (s *Spans) Sample(id string) bool {
	t, err := trace.TraceIDFromHex(id)
	if err != nil {
		return false
	}
	return s.sampler.ShouldSample(sdk.SamplingParameters{ParentContext: context.Background(), TraceID: t}).Decision == sdk.RecordAndSample
}

// Close sends what waits, as long as the context lasts.
func (s *Spans) Close(ctx context.Context) error { return s.provider.Shutdown(ctx) }

// SpansStats are counts since the start.
type SpansStats struct{ Sent, Failed uint64 }

// Stats are its counts.
func (s *Spans) Stats() SpansStats { return SpansStats{s.sent.Load(), s.failed.Load()} }

// watchedExporter counts what is sent.
type watchedExporter struct {
	sdk.SpanExporter
	spans *Spans
}

// ExportSpans implements sdk.SpanExporter. It has no errors, which are told here.
func (w watchedExporter) ExportSpans(ctx context.Context, all []sdk.ReadOnlySpan) error {
	if err := w.SpanExporter.ExportSpans(ctx, all); err != nil {
		w.spans.failed.Add(uint64(len(all)))
		w.spans.complain(len(all), err)
		return nil // the SDK would tell it once more, each time
	}
	w.spans.sent.Add(uint64(len(all)))
	return nil
}

// complain tells the log of spans that are lost, a minute apart.
func (s *Spans) complain(lost int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silent += uint64(lost)
	if now := time.Now(); now.Sub(s.complained) >= complaintEvery {
		s.options.Log.Warn("traces cannot be sent: OTEL_EXPORTER_OTLP_ENDPOINT must name an OpenTelemetry collector that takes OTLP over HTTP, such as http://collector:4318", "lost_spans", s.silent, "error", err)
		s.complained, s.silent = now, 0
	}
}

// ids are those of the next span.
type ids struct {
	trace trace.TraceID
	span  trace.SpanID
}

// idsKey is that of ids in a context.
type idsKey struct{}

// givenIDs gives spans the ids that clients and other servers have been told.
type givenIDs struct{}

// NewIDs implements sdk.IDGenerator.
func (givenIDs) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	given, _ := ctx.Value(idsKey{}).(ids)
	return given.trace, given.span
}

// NewSpanID implements sdk.IDGenerator.
func (givenIDs) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	given, _ := ctx.Value(idsKey{}).(ids)
	return given.span
}
