package telemetry

import (
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"outcrop/internal/usage"
)

// Options make Metrics; all but Version may be left out.
type Options struct {
	Version string
	// Name is the label of a deployment that is not among those of Serve, "" for none of its own. It has few
	// answers, whatever clients write.
	Name func(deployment string) string
	// Ready says whether requests should be sent here.
	Ready func() bool
	// Credentials are those that upstreams are called with now, one of each Source and Region.
	Credentials func() []Credential
	// Providers are the identity providers of the settings, and whether they work now.
	Providers func() map[string]bool
	// Configured says that there is a configuration, which may be reloaded.
	Configured bool
}

// Deployment is a deployment of the configuration.
type Deployment struct {
	Name, Region string // Region is of its upstream, "" for none of AWS's
	// Model and Ends are the model's id and its last day; Ends is zero when that is not known.
	Model string
	Ends  time.Time
}

// Other is the label of deployments that have none of their own.
const Other = "other"

// provider is gen_ai.provider.name of Amazon Bedrock
// (https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/).
const provider = "aws.bedrock"

// Metrics are the process's numbers. They are safe for concurrent use.
type Metrics struct {
	options  Options
	registry *prometheus.Registry
	vectors
	accounts                       accounts
	inFlight                       prometheus.Gauge
	generation, reloaded, reloadAt prometheus.Gauge // nil without a configuration
	failedAt, skipped              prometheus.Gauge // as the three

	mu     sync.Mutex // of changes to what follows
	served atomic.Pointer[map[string]Deployment]
	rows   atomic.Pointer[map[rowKey]*row]
}

// New returns metrics in a registry of their own.
func New(o Options) *Metrics {
	m := &Metrics{options: o, registry: prometheus.NewRegistry(), vectors: newVectors(), accounts: newAccounts()}
	m.served.Store(&map[string]Deployment{})
	m.rows.Store(&map[rowKey]*row{})
	m.inFlight = m.gauge("outcrop_requests_in_flight", "Requests that are being answered, streams included; probes are not counted.")
	m.gauge1("outcrop_build_info", "Always 1; the labels say which program runs.", prometheus.Labels{"version": o.Version, "goversion": runtime.Version()}).Set(1)
	if o.Ready != nil {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "outcrop_ready", Help: "1 when requests should be sent here, 0 before the first good configuration and while draining.",
		}, func() float64 { return number(o.Ready()) }))
	}
	if o.Configured {
		m.generation = m.gauge("outcrop_config_generation", "How many configurations have been served since the start; 0 before the first good one.")
		m.reloaded = m.gauge("outcrop_config_last_reload_successful", "1 when the configuration as it is now is served, 0 when it is bad and the last good one is kept.")
		m.reloadAt = m.gauge("outcrop_config_last_reload_timestamp_seconds", "When the configuration that is served was read, in Unix time.")
		m.failedAt = m.gauge("outcrop_config_last_failed_reload_timestamp_seconds", "When a configuration was last found to be bad, in Unix time; 0 for never.")
		m.skipped = m.gauge("outcrop_config_skipped_entities", "How many models, applications and other entities of the configuration that is served are left out for their mistakes.")
	}
	if o.Credentials != nil {
		m.registry.MustRegister(newWallets(o.Credentials))
	}
	if o.Providers != nil {
		m.registry.MustRegister(newProviders(o.Providers))
	}
	m.registry.MustRegister(m.vectors.all()...)
	m.registry.MustRegister(m.accounts.all()...)
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *Metrics) gauge(name, help string) prometheus.Gauge { return m.gauge1(name, help, nil) }

func (m *Metrics) gauge1(name, help string, labels prometheus.Labels) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels})
	m.registry.MustRegister(g)
	return g
}

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// Handler shows the metrics to Prometheus.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{DisableCompression: true})
}

// Begin says that a request is being answered, End that it is not any more.
func (m *Metrics) Begin() { m.inFlight.Inc() }

// End is the other half of Begin.
func (m *Metrics) End() { m.inFlight.Dec() }

// Reloaded says what became of a configuration that was read: the generation that it is served as or, when it
// is bad, 0.
func (m *Metrics) Reloaded(generation int, at time.Time) {
	m.reloaded.Set(number(generation > 0))
	if generation > 0 {
		m.generation.Set(float64(generation))
		m.reloadAt.Set(float64(at.UnixMilli()) / 1000)
	} else {
		m.failedAt.Set(float64(at.UnixMilli()) / 1000)
	}
}

// Skipped says how many entities of the configuration that is served are left out for their mistakes.
func (m *Metrics) Skipped(n int) { m.skipped.Set(float64(n)) }

// Serve says which deployments there are. The series of those that are no longer there end.
func (m *Metrics) Serve(deployments []Deployment) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before, served := *m.served.Load(), make(map[string]Deployment, len(deployments))
	for _, d := range deployments {
		served[d.Name] = d
		m.throttles.WithLabelValues(d.Name, d.Region) // an alert sees the first one only if there was none before
	}
	m.served.Store(&served)
	for name := range before {
		if _, still := served[name]; !still {
			m.forget(name)
		}
	}
	m.ends.Reset()
	for _, d := range deployments {
		m.end(d)
	}
}

// Ends says when a model's life ends that a deployment has which is not among those of Serve.
func (m *Metrics) Ends(d Deployment) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.end(d)
}

func (m *Metrics) end(d Deployment) {
	if !d.Ends.IsZero() {
		m.ends.WithLabelValues(d.Name, d.Model).Set(float64(d.Ends.Unix()))
	}
}

// forget ends the series of a deployment.
func (m *Metrics) forget(name string) {
	m.vectors.forget(name)
	m.accounts.forget(name)
	rows := map[rowKey]*row{}
	for key, r := range *m.rows.Load() {
		if key.deployment != name {
			rows[key] = r
		}
	}
	m.rows.Store(&rows)
}

// Record takes the Entry of a request into the metrics.
func (m *Metrics) Record(e usage.Entry) {
	deployment := m.name(e.Deployment)
	key := rowKey{deployment: deployment, operation: e.Operation, status: e.Status}
	if e.Failed {
		key.failure = e.Kind.String()
	}
	if deployment == e.Deployment { // of the configuration, and so are its upstreams
		key.upstream, key.region = e.Upstream, e.Region
	}
	r, ok := (*m.rows.Load())[key]
	if !ok {
		r = m.row(key)
	}
	r.record(&e)
	if e.Throttled {
		m.throttles.WithLabelValues(deployment, e.Region).Inc()
	}
	if e.Instead != "" {
		m.accounts.fallbacks.WithLabelValues(deployment, m.name(e.Instead)).Inc()
	}
	if e.Lost {
		m.accounts.lost.WithLabelValues(deployment).Inc()
	}
}

// name is the label of a deployment, which is never a client's own words.
func (m *Metrics) name(deployment string) string {
	if _, ok := (*m.served.Load())[deployment]; ok || deployment == "" {
		return deployment
	}
	if m.options.Name != nil {
		if name := m.options.Name(deployment); name != "" {
			return name
		}
	}
	return Other
}

// rowKey is what the series of a request depend on.
type rowKey struct {
	deployment string
	operation  usage.Operation
	status     int
	failure    string // the error's kind, "" for none
	// Of the upstream that was asked last, "" for none.
	upstream, region string
}

// row are the series of requests that have the same key, bound: to find them by their labels costs more than to
// add to them.
type row struct {
	requests prometheus.Counter
	// What follows is nil where no model answers.
	duration, first, perToken prometheus.Observer
	tokens                    [tokenTypes]prometheus.Observer
	account                   account
}

// row binds the series of a key.
func (m *Metrics) row(key rowKey) *row {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, still := (*m.served.Load())[key.deployment]; !still && key.deployment != "" && m.options.Name == nil {
		key.deployment = Other // it has gone since
	}
	before := *m.rows.Load()
	if r, ok := before[key]; ok {
		return r
	}
	r := m.bind(key)
	rows := make(map[rowKey]*row, len(before)+1)
	for k, v := range before {
		rows[k] = v
	}
	rows[key] = r
	m.rows.Store(&rows)
	return r
}

func (m *Metrics) bind(key rowKey) *row {
	operation, status := key.operation.String(), "none"
	if key.status != 0 {
		status = strconv.Itoa(key.status)
	}
	r := &row{requests: m.requests.WithLabelValues(key.deployment, operation, status)}
	if key.deployment == "" || !key.operation.Generates() {
		return r
	}
	r.duration = m.duration.WithLabelValues(key.deployment, operation, provider, key.failure)
	r.first = m.first.WithLabelValues(key.deployment, operation, provider)
	r.perToken = m.perToken.WithLabelValues(key.deployment, operation, provider)
	r.account = m.accounts.bind(key)
	for i := range r.tokens {
		r.tokens[i] = m.tokens.WithLabelValues(key.deployment, operation, provider, tokenNames()[i])
	}
	return r
}

func (r *row) record(e *usage.Entry) {
	r.requests.Inc()
	if r.duration == nil {
		return
	}
	r.duration.Observe(e.Finished.Seconds())
	r.account.record(e)
	if e.Stream && e.FirstToken > 0 {
		r.first.Observe(e.FirstToken.Seconds())
		if n := e.Usage.Output; n > 1 && !e.Failed {
			r.perToken.Observe((e.Finished - e.FirstToken).Seconds() / float64(n-1))
		}
	}
	for i, n := range tokensOf(&e.Usage) {
		if n > 0 {
			r.tokens[i].Observe(float64(n))
		}
	}
}
