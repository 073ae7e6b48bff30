package telemetry

import "github.com/prometheus/client_golang/prometheus"

// WatchSpans shows what becomes of traces.
func (m *Metrics) WatchSpans(stats func() SpansStats) {
	s := &states{}
	s.counter("outcrop_spans_sent_total", "Spans of traces that were sent.")
	s.counter("outcrop_spans_failed_total", "Spans of traces that could not be sent: the log says why.")
	s.collect = func(tell func(int, float64, ...string)) {
		now := stats()
		tell(0, float64(now.Sent))
		tell(1, float64(now.Failed))
	}
	m.registry.MustRegister(s)
}

// WatchPromptLog shows what becomes of the entries of the prompt log.
func (m *Metrics) WatchPromptLog(stats func() PromptLogStats) {
	count := func(name, help string, value func(PromptLogStats) uint64) {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(value(stats())) }))
	}
	count("outcrop_prompt_log_entries_total", "Entries of the prompt log that were written.", func(s PromptLogStats) uint64 { return s.Written })
	count("outcrop_prompt_log_written_bytes_total", "How much the prompt log has written.", func(s PromptLogStats) uint64 { return s.Bytes })
	count("outcrop_prompt_log_dropped_total", "Entries of the prompt log that found no room, as 128 MiB wait to be written already.", func(s PromptLogStats) uint64 { return s.Dropped })
	count("outcrop_prompt_log_failed_total", "Entries of the prompt log that could not be written: the log says why.", func(s PromptLogStats) uint64 { return s.Failed })
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "outcrop_prompt_log_waiting_bytes", Help: "How much waits to be written to the prompt log.",
	}, func() float64 { return float64(stats().Waiting) }))
}
