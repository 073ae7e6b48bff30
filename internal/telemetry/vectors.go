package telemetry

import (
	"github.com/prometheus/client_golang/prometheus"

	"outcrop/internal/llm"
)

// The labels of OpenTelemetry's metrics of generative AI
// (https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/). The model of a request is the deployment,
// which is what clients name.
const (
	labelModel     = "gen_ai_request_model"
	labelOperation = "gen_ai_operation_name"
	labelProvider  = "gen_ai_provider_name"
	labelTokenType = "gen_ai_token_type" //nolint:gosec // the name of a label
	labelErrorType = "error_type"
)

// tokenTypes is how many types of tokens there are.
const tokenTypes = 5

// tokenNames are the values of gen_ai_token_type.
func tokenNames() [tokenTypes]string {
	return [tokenTypes]string{"input", "output", "cached_input", "cache_creation_input", "reasoning"}
}

// tokensOf are the tokens of each type, in the order of tokenNames. As OpenTelemetry counts, input has the
// cached ones in it, and output the reasoning.
func tokensOf(u *llm.Usage) [tokenTypes]int {
	return [tokenTypes]int{u.Prompt(), u.Output, u.CacheRead, u.CacheWrite, u.Reasoning}
}

// vectors are the metrics that have a series for each deployment.
type vectors struct {
	requests, throttles               *prometheus.CounterVec
	duration, first, perToken, tokens *prometheus.HistogramVec
	ends                              *prometheus.GaugeVec
}

func newVectors() vectors {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	histogram := func(name, help string, buckets []float64, more ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(
			prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, append([]string{labelModel, labelOperation, labelProvider}, more...),
		)
	}
	return vectors{
		requests:  counter("outcrop_requests_total", "Requests that have ended, by the status of the reply.", "deployment", "operation", "status"),
		throttles: counter("outcrop_upstream_throttles_total", "Requests that the upstream refused for their rate.", "deployment", "region"),
		duration: histogram("gen_ai_server_request_duration_seconds", "How long requests to a model took, to the end of the reply.",
			prometheus.ExponentialBuckets(0.01, 2, 14), labelErrorType), // 10 ms to 82 s
		first: histogram("gen_ai_server_time_to_first_token_seconds", "How long streams took until there was something to see.",
			[]float64{.001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 15, 30, 60}),
		perToken: histogram("gen_ai_server_time_per_output_token_seconds", "How long each token of a stream took after the first.",
			[]float64{.01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5}),
		tokens: histogram("gen_ai_client_token_usage", "Tokens of a request. cached_input and cache_creation_input are part of input, reasoning is part of output.",
			prometheus.ExponentialBuckets(1, 4, 14), labelTokenType), // 1 to 67 million
		ends: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "outcrop_model_end_of_life_timestamp_seconds", Help: "The last day of the model that a deployment calls, in Unix time, where it is known.",
		}, []string{"deployment", "model"}),
	}
}

func (v *vectors) all() []prometheus.Collector {
	return []prometheus.Collector{v.requests, v.throttles, v.duration, v.first, v.perToken, v.tokens, v.ends}
}

// forget ends the series of a deployment.
func (v *vectors) forget(deployment string) {
	own := prometheus.Labels{"deployment": deployment}
	v.requests.DeletePartialMatch(own)
	v.throttles.DeletePartialMatch(own)
	own = prometheus.Labels{labelModel: deployment}
	for _, h := range []*prometheus.HistogramVec{v.duration, v.first, v.perToken, v.tokens} {
		h.DeletePartialMatch(own)
	}
}
