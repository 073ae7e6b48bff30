package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Upstream is how an upstream is now, in the eyes of the balancer of its deployment.
type Upstream struct {
	Deployment, Upstream, Region string
	// Available says that requests are sent there; else not before so much time has passed.
	Available bool
	Back      time.Duration
	Running   int // requests that it is answering
	// Throttles and Failures are counts since the start, of attempts that another upstream made good too.
	Throttles, Failures uint64
	// TokensUsed and RequestsUsed are what is used of its quotas now, 0 … 1; below 0 is without quota.
	TokensUsed, RequestsUsed float64
}

// Limits is how the limits are kept now.
type Limits struct {
	Up       bool // the store answers
	Reserved int  // requests that are admitted and not settled
	// Admitted and Refused are requests since the start that were decided without the store, as it was away.
	Admitted, Refused uint64
}

// Load is what is in work at once.
type Load struct {
	Places, Running, Waiting int // requests
	Bodies                   int64
	Refused                  map[string]uint64 // since the start, by what was used up
}

// WatchLoad shows what is in work at once.
func (m *Metrics) WatchLoad(now func() Load) {
	s := &states{}
	s.gauge("outcrop_load_places", "Requests that may be in work at once; 0 is without bound.")
	s.gauge("outcrop_load_running", "Requests that have a place.")
	s.gauge("outcrop_load_waiting", "Requests that wait for a place.")
	s.gauge("outcrop_load_body_bytes", "The bodies of requests in work.")
	s.counter("outcrop_requests_shed_total", "Requests that were refused as the server has as much in work as it may, by what was used up: places, the caller's share of them, memory for bodies, or connections.", "reason")
	s.collect = func(tell func(int, float64, ...string)) {
		l := now()
		tell(0, float64(l.Places))
		tell(1, float64(l.Running))
		tell(2, float64(l.Waiting))
		tell(3, float64(l.Bodies))
		for reason, n := range l.Refused {
			tell(4, float64(n), reason)
		}
	}
	m.registry.MustRegister(s)
}

// Ledger is how the ledger keeps up.
type Ledger struct {
	Lag      time.Duration // the age of the oldest entry that is not in it; 0 for none
	Applied  uint64        // entries since the start
	Failures uint64        // attempts to write to it that failed
}

// states shows what is so when Prometheus asks.
type states struct {
	descs   []*prometheus.Desc
	collect func(tell func(i int, value float64, labels ...string))
	types   []prometheus.ValueType
}

// Describe implements prometheus.Collector.
func (s *states) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range s.descs {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (s *states) Collect(ch chan<- prometheus.Metric) {
	s.collect(func(i int, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(s.descs[i], s.types[i], value, labels...)
	})
}

func (s *states) gauge(name, help string, labels ...string) {
	s.descs, s.types = append(s.descs, prometheus.NewDesc(name, help, labels, nil)), append(s.types, prometheus.GaugeValue)
}

func (s *states) counter(name, help string, labels ...string) {
	s.descs, s.types = append(s.descs, prometheus.NewDesc(name, help, labels, nil)), append(s.types, prometheus.CounterValue)
}

// WatchUpstreams shows upstreams, of which there is one of each name.
func (m *Metrics) WatchUpstreams(now func() []Upstream) {
	s := &states{}
	labels := []string{"deployment", "upstream", "region"}
	s.gauge("outcrop_upstream_available", "1 while requests are sent to the upstream, 0 while it rests after failures.", labels...)
	s.gauge("outcrop_upstream_rests_seconds", "How long the upstream rests yet, 0 while it is available.", labels...)
	s.gauge("outcrop_upstream_running", "Requests that the upstream is answering.", labels...)
	s.counter("outcrop_upstream_throttled_attempts_total", "How often the upstream refused an attempt for its rate, whether another one answered or not.", labels...)
	s.counter("outcrop_upstream_failed_attempts_total", "How often an attempt at the upstream failed in another way, whether another one answered or not.", labels...)
	s.gauge("outcrop_upstream_quota_used_ratio", "How much of the upstream's quota is used now, 0 to 1.", append(labels, "quota")...)
	s.collect = func(tell func(int, float64, ...string)) {
		seen := map[[3]string]bool{}
		for _, u := range now() {
			own := []string{u.Deployment, u.Upstream, u.Region}
			if seen[[3]string(own)] { // Prometheus would refuse them all
				continue
			}
			seen[[3]string(own)] = true
			tell(0, number(u.Available), own...)
			tell(1, max(u.Back, 0).Seconds(), own...)
			tell(2, float64(u.Running), own...)
			tell(3, float64(u.Throttles), own...)
			tell(4, float64(u.Failures), own...)
			if u.TokensUsed >= 0 {
				tell(5, u.TokensUsed, append(own[:3:3], "tokens")...)
			}
			if u.RequestsUsed >= 0 {
				tell(5, u.RequestsUsed, append(own[:3:3], "requests")...)
			}
		}
	}
	m.registry.MustRegister(s)
}

// WatchLimits shows the store of the limits.
func (m *Metrics) WatchLimits(now func() Limits) {
	s := &states{}
	s.gauge("outcrop_limit_store_up", "1 while the store of the limits answers, 0 while requests are admitted or refused without it, as limits.whenStoreDown says.")
	s.gauge("outcrop_limit_reservations", "Requests that are admitted and whose use is not counted yet.")
	s.counter("outcrop_limit_decisions_without_store_total", "Requests that were decided without the store of the limits, as it was away.", "decision")
	s.collect = func(tell func(int, float64, ...string)) {
		l := now()
		tell(0, number(l.Up))
		tell(1, float64(l.Reserved))
		tell(2, float64(l.Admitted), "admitted")
		tell(2, float64(l.Refused), "refused")
	}
	m.registry.MustRegister(s)
}

// WatchLedger shows the ledger.
func (m *Metrics) WatchLedger(now func() Ledger) {
	s := &states{}
	s.gauge("outcrop_ledger_lag_seconds", "How old the oldest request is that is not in the ledger yet, 0 for none.")
	s.counter("outcrop_ledger_entries_total", "Requests that this process put into the ledger.")
	s.counter("outcrop_ledger_failures_total", "Attempts to write to the ledger that failed: nothing is lost, it is tried again.")
	s.collect = func(tell func(int, float64, ...string)) {
		l := now()
		tell(0, l.Lag.Seconds())
		tell(1, float64(l.Applied))
		tell(2, float64(l.Failures))
	}
	m.registry.MustRegister(s)
}

// WatchReplicas shows how many replicas there are that share their state, this one among them.
func (m *Metrics) WatchReplicas(alive func() int) {
	s := &states{}
	s.gauge("outcrop_replicas_alive", "Replicas that share their state and were heard of lately, this one among them.")
	s.collect = func(tell func(int, float64, ...string)) { tell(0, float64(alive())) }
	m.registry.MustRegister(s)
}
