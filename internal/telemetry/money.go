package telemetry

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"outcrop/internal/llm"
	"outcrop/internal/money"
	"outcrop/internal/usage"
)

// accounts are the metrics of what deployments cost, and of how their upstreams fare.
type accounts struct {
	cost, unpriced, limited, attempts, retries, upstreams, fallbacks, lost, broken *prometheus.CounterVec
	saved                                                                          *prometheus.GaugeVec
	overhead                                                                       *prometheus.HistogramVec
}

func newAccounts() accounts {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, append([]string{"deployment"}, labels...))
	}
	return accounts{
		cost:      counter("outcrop_cost_usd_total", "What requests cost whose price is known, in US dollars."),
		unpriced:  counter("outcrop_unpriced_requests_total", "Requests that used tokens and whose price is not known: outcrop_cost_usd_total is without them."),
		limited:   counter("outcrop_limited_requests_total", "Requests that this server refused for a limit of its own, by the kind of the error.", labelErrorType),
		attempts:  counter("outcrop_upstream_attempts_total", "How often upstreams were asked."),
		retries:   counter("outcrop_upstream_retries_total", "How often another upstream was asked after one that failed."),
		upstreams: counter("outcrop_upstream_requests_total", "Requests by the upstream that was asked last, and what became of it: ok, throttled or failed.", "upstream", "region", "outcome"),
		fallbacks: counter("outcrop_fallback_answers_total", "Requests that another deployment was asked for in the place of this one.", "answered_by"),
		lost:      counter("outcrop_lost_requests_total", "Requests whose process was killed: what had been reserved for them is counted as used."),
		broken:    counter("outcrop_broken_replies_total", "Replies that began well and then broke off, clients that left not among them."),
		saved: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "outcrop_cache_saved_usd", Help: "What prompt caches saved since the start, in US dollars. It falls while writing to them costs more than reading saves.",
		}, []string{"deployment"}),
		overhead: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "outcrop_overhead_seconds", Help: "How much of the time to the first token, or to a whole reply, this server took itself: all that was not waiting for upstreams.",
			Buckets: prometheus.ExponentialBuckets(0.00005, 2, 15), // 50 µs to 0.8 s
		}, []string{labelOperation}),
	}
}

func (a *accounts) counters() []*prometheus.CounterVec {
	return []*prometheus.CounterVec{a.cost, a.unpriced, a.limited, a.attempts, a.retries, a.upstreams, a.fallbacks, a.lost, a.broken}
}

func (a *accounts) all() []prometheus.Collector {
	all := []prometheus.Collector{a.saved, a.overhead}
	for _, c := range a.counters() {
		all = append(all, c)
	}
	return all
}

// forget ends the series of a deployment.
func (a *accounts) forget(deployment string) {
	own := prometheus.Labels{"deployment": deployment}
	for _, c := range a.counters() {
		c.DeletePartialMatch(own)
	}
	a.saved.DeletePartialMatch(own)
	a.fallbacks.DeletePartialMatch(prometheus.Labels{"answered_by": deployment})
}

// account are the series of one row, bound.
type account struct {
	cost, unpriced, limited, attempts, retries, broken prometheus.Counter
	saved                                              prometheus.Gauge
	overhead                                           prometheus.Observer
	outcomes                                           [outcomes]prometheus.Counter
}

// What becomes of a request at its upstream.
const (
	outcomeOK = iota
	outcomeThrottled
	outcomeFailed
	outcomes
)

// bind binds the series of a key.
func (a *accounts) bind(key rowKey) account {
	d := key.deployment
	b := account{
		cost: a.cost.WithLabelValues(d), unpriced: a.unpriced.WithLabelValues(d), attempts: a.attempts.WithLabelValues(d), retries: a.retries.WithLabelValues(d), broken: a.broken.WithLabelValues(d),
		saved: a.saved.WithLabelValues(d), overhead: a.overhead.WithLabelValues(key.operation.String()),
	}
	if key.failure != "" {
		b.limited = a.limited.WithLabelValues(d, key.failure)
	}
	for i, outcome := range [outcomes]string{"ok", "throttled", "failed"} {
		if key.upstream != "" || key.region != "" {
			b.outcomes[i] = a.upstreams.WithLabelValues(d, key.upstream, key.region, outcome)
		}
	}
	return b
}

// record adds a request that a model answers, or should have.
func (b *account) record(e *usage.Entry) {
	if e.Priced {
		b.cost.Add(max(dollars(e.Cost), 0))
		b.saved.Add(dollars(e.Saved))
	} else if e.Usage != (llm.Usage{}) {
		b.unpriced.Inc()
	}
	if e.Limited && b.limited != nil {
		b.limited.Inc()
	}
	if e.Attempts > 0 {
		b.attempts.Add(float64(e.Attempts))
		b.retries.Add(float64(e.Attempts - 1))
		b.outcome(e)
	}
	if e.Waited > 0 && e.FirstToken > e.Waited {
		b.overhead.Observe((e.FirstToken - e.Waited).Seconds())
	}
	if e.Failed && e.Status > 0 && e.Status < http.StatusBadRequest && e.Kind != llm.KindCanceled {
		b.broken.Inc()
	}
}

func (b *account) outcome(e *usage.Entry) {
	which := outcomeOK
	switch {
	case e.Throttled:
		which = outcomeThrottled
	case e.Failed && (e.Kind == llm.KindUpstream || e.Kind == llm.KindUnavailable || e.Kind == llm.KindTimeout):
		which = outcomeFailed
	}
	if b.outcomes[which] != nil {
		b.outcomes[which].Inc()
	}
}

func dollars(a money.Amount) float64 { return float64(a) / float64(money.Dollar) }
