package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Credential is what upstreams of one region are called with.
type Credential struct {
	Source, Region string    // Source is where it comes from: "default chain", "static keys"
	Expires        time.Time // the soonest of several; zero when it does not expire, or is not there yet
	Failures       uint64    // attempts to get it that failed, since the start
}

// wallets shows credentials as they are when Prometheus asks.
type wallets struct {
	credentials      func() []Credential
	expiry, failures *prometheus.Desc
}

func newWallets(credentials func() []Credential) *wallets {
	labels := []string{"source", "region"}
	return &wallets{
		credentials,
		prometheus.NewDesc("outcrop_credentials_expiry_timestamp_seconds", "When the AWS credentials of upstreams expire that are in use, in Unix time. They are renewed 5 minutes ahead: a time nearer than that means that the renewal fails.", labels, nil),
		prometheus.NewDesc("outcrop_credentials_refresh_failures_total", "Attempts to get or renew AWS credentials that failed.", labels, nil),
	}
}

// Describe implements prometheus.Collector.
func (w *wallets) Describe(ch chan<- *prometheus.Desc) {
	ch <- w.expiry
	ch <- w.failures
}

// Collect implements prometheus.Collector.
func (w *wallets) Collect(ch chan<- prometheus.Metric) {
	for _, c := range w.credentials() {
		if !c.Expires.IsZero() {
			ch <- prometheus.MustNewConstMetric(w.expiry, prometheus.GaugeValue, float64(c.Expires.Unix()), c.Source, c.Region)
		}
		ch <- prometheus.MustNewConstMetric(w.failures, prometheus.CounterValue, float64(c.Failures), c.Source, c.Region)
	}
}
