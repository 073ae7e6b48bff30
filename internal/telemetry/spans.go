package telemetry

import (
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/trace"
)

// Spans sends traces over OTLP.
type Spans struct {
	exporter *otlptrace.Exporter
	provider *trace.TracerProvider
	option   otlptracehttp.Option
}
