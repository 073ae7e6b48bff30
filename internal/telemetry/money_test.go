package telemetry_test

import (
	"strings"
	"testing"

	"outcrop/internal/llm"
	"outcrop/internal/telemetry"
)

// TestAccounts: money, attempts, upstreams and what went wrong are told by deployment.
func TestAccounts(t *testing.T) {
	m := telemetry.New(telemetry.Options{})
	m.Serve([]telemetry.Deployment{{Name: "chat"}, {Name: "spare"}})
	m.Record(entry("chat"))
	unpriced := entry("chat")
	unpriced.Priced, unpriced.Cost, unpriced.Attempts, unpriced.Instead = false, 0, 1, "spare"
	m.Record(unpriced)
	limited := entry("chat")
	limited.Usage, limited.Priced, limited.Attempts, limited.Waited, limited.FirstToken = llm.Usage{}, false, 0, 0, 0
	limited.Status, limited.Failed, limited.Kind, limited.Limited = 429, true, llm.KindRateLimited, true
	m.Record(limited)
	throttled := limited
	throttled.Limited, throttled.Throttled, throttled.Attempts = false, true, 3
	m.Record(throttled)
	broken := entry("chat")
	broken.Failed, broken.Kind = true, llm.KindUpstream
	m.Record(broken)
	left := entry("chat")
	left.Failed, left.Kind = true, llm.KindCanceled
	m.Record(left)
	lost := limited
	lost.Lost, lost.Limited = true, false
	m.Record(lost)
	text := scrape(t, m)
	want(t, text,
		`outcrop_cost_usd_total{deployment="chat"} 0.75`, `outcrop_cache_saved_usd{deployment="chat"} 0.375`,
		`outcrop_unpriced_requests_total{deployment="chat"} 1`,
		`outcrop_limited_requests_total{deployment="chat",error_type="rate_limited"} 1`,
		`outcrop_upstream_attempts_total{deployment="chat"} 10`, `outcrop_upstream_retries_total{deployment="chat"} 5`,
		`outcrop_upstream_requests_total{deployment="chat",outcome="ok",region="us-east-1",upstream="a"} 3`,
		`outcrop_upstream_requests_total{deployment="chat",outcome="throttled",region="us-east-1",upstream="a"} 1`,
		`outcrop_upstream_requests_total{deployment="chat",outcome="failed",region="us-east-1",upstream="a"} 1`,
		`outcrop_fallback_answers_total{answered_by="spare",deployment="chat"} 1`,
		`outcrop_broken_replies_total{deployment="chat"} 1`, `outcrop_lost_requests_total{deployment="chat"} 1`,
		`outcrop_overhead_seconds_count{gen_ai_operation_name="chat"} 4`, `outcrop_overhead_seconds_sum{gen_ai_operation_name="chat"} 0.4`,
	)
	m.Serve([]telemetry.Deployment{{Name: "other-one"}})
	if text := scrape(t, m); strings.Contains(text, `deployment="chat"`) {
		t.Errorf("series of a deployment that is gone:\n%s", text)
	}
}

// TestStates are told as they are when Prometheus asks.
func TestStates(t *testing.T) {
	want(t, scrape(t, full()),
		`outcrop_upstream_available{deployment="chat",region="us-east-1",upstream="a"} 0`,
		`outcrop_upstream_rests_seconds{deployment="chat",region="us-east-1",upstream="a"} 3`,
		`outcrop_upstream_running{deployment="chat",region="us-east-1",upstream="a"} 2`,
		`outcrop_upstream_throttled_attempts_total{deployment="chat",region="us-east-1",upstream="a"} 4`,
		`outcrop_upstream_failed_attempts_total{deployment="chat",region="us-east-1",upstream="a"} 5`,
		`outcrop_upstream_quota_used_ratio{deployment="chat",quota="tokens",region="us-east-1",upstream="a"} 0.5`,
		`outcrop_limit_store_up 1`, `outcrop_limit_reservations 2`, `outcrop_limit_decisions_without_store_total{decision="admitted"} 1`,
		`outcrop_ledger_lag_seconds 1`, `outcrop_ledger_entries_total 7`, `outcrop_ledger_failures_total 1`, `outcrop_replicas_alive 2`,
		`outcrop_prompt_log_entries_total 1`, `outcrop_prompt_log_dropped_total 3`, `outcrop_prompt_log_failed_total 4`, `outcrop_prompt_log_waiting_bytes 5`,
	)
}
