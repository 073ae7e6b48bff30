package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"outcrop/internal/gateway"
	"outcrop/internal/telemetry"
)

// spansDrain is how long traces may be sent when the process ends.
const spansDrain = 5 * time.Second

// tellTraces begins to send traces, if the environment says where to. stop sends what waits.
func (l *live) tellTraces(ctx context.Context) (stop func(), err error) {
	if !telemetry.WantsSpans(getenv) {
		return func() {}, nil
	}
	s := l.parts.settings.Tracing
	spans, err := telemetry.OpenSpans(ctx, telemetry.SpansOptions{Version: version(), GenAI: s.GenAIAttributes, Log: l.log})
	if err != nil {
		return nil, fmt.Errorf("the environment's settings of OpenTelemetry (OTEL_…): %w", err)
	}
	l.parts.traces = &gateway.Traces{Sample: spans.Sample, Headers: s.ResponseHeaders, Conversations: canonical(s.ConversationHeaders)}
	l.parts.record = recorders(l.parts.record, unnumbered(spans.Record))
	l.metrics.WatchSpans(spans.Stats)
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), spansDrain)
		defer cancel()
		if err := spans.Close(ctx); err != nil {
			l.log.Warn("traces are lost", "error", err)
		}
	}, nil
}

// canonical are names of headers as requests have them, which need not be spelled anew for each request.
func canonical(names []string) []string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = http.CanonicalHeaderKey(name)
	}
	return all
}
