package telemetry

import "github.com/prometheus/client_golang/prometheus"

// providers shows identity providers as they are when Prometheus asks.
type providers struct {
	up   func() map[string]bool
	desc *prometheus.Desc
}

func newProviders(up func() map[string]bool) *providers {
	return &providers{up, prometheus.NewDesc("outcrop_identity_provider_up", "1 when the identity provider works, 0 when its keys cannot be fetched or it does not answer: GET /v1/admin/health/config says why.", []string{"provider"}, nil)}
}

// Describe implements prometheus.Collector.
func (p *providers) Describe(ch chan<- *prometheus.Desc) { ch <- p.desc }

// Collect implements prometheus.Collector.
func (p *providers) Collect(ch chan<- prometheus.Metric) {
	for name, up := range p.up() {
		value := 0.0
		if up {
			value = 1
		}
		ch <- prometheus.MustNewConstMetric(p.desc, prometheus.GaugeValue, value, name)
	}
}
