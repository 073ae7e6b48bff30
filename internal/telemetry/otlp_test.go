package telemetry

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// env is an environment of name=value, a line each.
func env(lines string) func(string) string {
	return func(name string) string {
		for line := range strings.SplitSeq(lines, "\n") {
			if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+"="); ok {
				return value
			}
		}
		return ""
	}
}

// TestTheEnvironmentSaysWhere: what OpenTelemetry's exporters read is read.
func TestTheEnvironmentSaysWhere(t *testing.T) {
	c, err := newOTLPClient(env("OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4318/\nOTEL_EXPORTER_OTLP_HEADERS=a=b%20c, X-Key =d\nOTEL_EXPORTER_OTLP_TIMEOUT=1500"))
	if err != nil {
		t.Fatal(err)
	}
	if c.endpoint != "http://c:4318/v1/traces" || c.headers.Get("A") != "b c" || c.headers.Get("X-Key") != "d" || c.client.Timeout != 1500*time.Millisecond {
		t.Errorf("%+v %v", c, c.client.Timeout)
	}
	if c, err := newOTLPClient(env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=https://c/own\nOTEL_EXPORTER_OTLP_ENDPOINT=http://d")); err != nil || c.endpoint != "https://c/own" {
		t.Errorf("%+v %v", c, err)
	}
	for lines, want := range map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=collector:4318":                                           "ENDPOINT",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://c\nOTEL_EXPORTER_OTLP_PROTOCOL=grpc":               "PROTOCOL",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://c\nOTEL_EXPORTER_OTLP_HEADERS=secret":              "HEADERS",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://c\nOTEL_EXPORTER_OTLP_TIMEOUT=10s":                 "TIMEOUT",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://c\nOTEL_EXPORTER_OTLP_CERTIFICATE=/nowhere":        "OTLP_CERTIFICATE",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://c\nOTEL_EXPORTER_OTLP_CERTIFICATE=otlp_test.go":    "OTLP_CERTIFICATE",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://c\nOTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=/nowhere": "CLIENT_KEY",
	} {
		if _, err := newOTLPClient(env(lines)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", lines, err)
		}
	}
}

// transport is a function that is an http.RoundTripper.
type transport func(*http.Request) *http.Response

// RoundTrip implements http.RoundTripper.
func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }

// TestACollectorThatIsBusyIsAskedAgain, a few times, and one that refuses is not.
func TestACollectorThatIsBusyIsAskedAgain(t *testing.T) {
	for _, test := range []struct {
		statuses []int
		asked    int
		fails    bool
	}{
		{[]int{503, 429, 200}, 3, false}, {[]int{400}, 1, true}, {[]int{503, 503, 503, 503, 503}, otlpTries, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			asked := 0
			c := &otlpClient{endpoint: "http://c", client: &http.Client{Transport: transport(func(*http.Request) *http.Response {
				w := httptest.NewRecorder()
				w.WriteHeader(test.statuses[asked])
				asked++
				return w.Result()
			})}}
			err := c.UploadTraces(t.Context(), []*tracepb.ResourceSpans{{}})
			if asked != test.asked || (err != nil) != test.fails {
				t.Errorf("%v: asked %d times, %v", test.statuses, asked, err)
			}
		})
	}
}

// TestACollectorLeadsNowhere: a redirect would take the key in the headers to another host.
func TestACollectorLeadsNowhere(t *testing.T) {
	c, err := newOTLPClient(env("OTEL_EXPORTER_OTLP_ENDPOINT=http://c\nOTEL_EXPORTER_OTLP_HEADERS=X-Key=hunter2"))
	if err != nil {
		t.Fatal(err)
	}
	var asked []string
	c.client.Transport = transport(func(r *http.Request) *http.Response {
		asked = append(asked, r.URL.Host)
		w := httptest.NewRecorder()
		w.Header().Set("Location", "http://elsewhere/")
		w.WriteHeader(http.StatusTemporaryRedirect)
		return w.Result()
	})
	if err := c.UploadTraces(t.Context(), []*tracepb.ResourceSpans{{}}); err == nil || len(asked) != 1 {
		t.Errorf("asked %q, %v", asked, err)
	}
}
