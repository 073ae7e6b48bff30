package telemetry

import (
	"context"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// TestSamplerIsTheSDKs: what we decide of a trace is what the SDK decides under the same environment.
func TestSamplerIsTheSDKs(t *testing.T) {
	for _, tt := range [][2]string{
		{"", ""}, {"always_on", ""}, {"always_off", ""}, {"traceidratio", "0.1"}, {"traceidratio", ""}, {"TraceIdRatio", "0.5"}, {"traceidratio", " 0.3 "},
		{"parentbased_always_on", ""}, {"parentbased_always_off", ""}, {"parentbased_traceidratio", "0.25"}, {"parentbased_traceidratio", "0"}, {"parentbased_traceidratio", "1"},
	} {
		t.Run(strings.Join(tt[:], " "), func(t *testing.T) {
			t.Setenv("OTEL_TRACES_SAMPLER", tt[0])
			t.Setenv("OTEL_TRACES_SAMPLER_ARG", tt[1])
			theirs := sdk.NewTracerProvider(sdk.WithIDGenerator(givenIDs{}), sdk.WithResource(resource.Empty())).Tracer("t")
			sampler, err := samplerOf(func(name string) string {
				return map[string]string{"OTEL_TRACES_SAMPLER": tt[0], "OTEL_TRACES_SAMPLER_ARG": tt[1]}[name]
			})
			if err != nil {
				t.Fatal(err)
			}
			ours := &Spans{sampler: sampler}
			for i := range 256 {
				id := trace.TraceID{15: 1, 8: byte(i), 9: byte(i * 7)}
				_, span := theirs.Start(context.WithValue(t.Context(), idsKey{}, ids{id, trace.SpanID{1}}), "")
				if got, want := ours.Sample(id.String()), span.SpanContext().IsSampled(); got != want {
					t.Fatalf("%s: %v, the SDK says %v", id, got, want)
				}
			}
		})
	}
}

func TestSamplerNamesWhatIsWrong(t *testing.T) {
	for _, tt := range [][3]string{
		{"sometimes", "", `OTEL_TRACES_SAMPLER is "sometimes"; known are always_on`},
		{"traceidratio", "10%", `OTEL_TRACES_SAMPLER_ARG is "10%", and has to be the part of traces`},
		{"parentbased_traceidratio", "2", "from 0 to 1"},
		{"traceidratio", "NaN", "from 0 to 1"},
	} {
		_, err := samplerOf(func(name string) string {
			return map[string]string{"OTEL_TRACES_SAMPLER": tt[0], "OTEL_TRACES_SAMPLER_ARG": tt[1]}[name]
		})
		if err == nil || !strings.Contains(err.Error(), tt[2]) {
			t.Errorf("%v: %v", tt, err)
		}
	}
}
