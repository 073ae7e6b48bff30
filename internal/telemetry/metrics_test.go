package telemetry_test

import (
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/llm"
	"outcrop/internal/money"
	"outcrop/internal/telemetry"
	"outcrop/internal/usage"
)

var update = flag.Bool("update", false, "rewrite testdata")

// full are metrics of which every one has a value.
func full() *telemetry.Metrics {
	m := telemetry.New(telemetry.Options{
		Version: "v1.2.3", Configured: true, Ready: func() bool { return true },
		Name: func(name string) string {
			if name == "us.known-v1:0" {
				return name
			}
			return ""
		},
		Providers: func() map[string]bool { return map[string]bool{"login": true} },
		Credentials: func() []telemetry.Credential {
			return []telemetry.Credential{{Source: "default chain", Region: "us-east-1", Expires: time.Unix(1_800_000_000, 0), Failures: 3}}
		},
	})
	m.Serve([]telemetry.Deployment{{Name: "chat", Region: "us-east-1", Model: "us.m-v1:0", Ends: time.Unix(1_900_000_000, 0)}, {Name: "old"}})
	m.Reloaded(1, time.Unix(1_700_000_000, 0))
	m.WatchUpstreams(func() []telemetry.Upstream {
		a := telemetry.Upstream{
			Deployment: "chat", Upstream: "a", Region: "us-east-1", Back: 3 * time.Second, Running: 2, Throttles: 4, Failures: 5, TokensUsed: 0.5, RequestsUsed: -1,
		}
		return []telemetry.Upstream{a, a}
	})
	m.WatchLimits(func() telemetry.Limits { return telemetry.Limits{Up: true, Reserved: 2, Admitted: 1} })
	m.WatchLoad(func() telemetry.Load {
		return telemetry.Load{Places: 9, Running: 3, Waiting: 2, Bodies: 4096, Refused: map[string]uint64{"places": 5, "caller": 0, "bodies": 1}}
	})
	m.WatchLedger(func() telemetry.Ledger { return telemetry.Ledger{Lag: time.Second, Applied: 7, Failures: 1} })
	m.WatchReplicas(func() int { return 2 })
	m.WatchSpans(func() telemetry.SpansStats { return telemetry.SpansStats{Sent: 1, Failed: 2} })
	m.WatchPromptLog(func() telemetry.PromptLogStats {
		return telemetry.PromptLogStats{Written: 1, Bytes: 2, Dropped: 3, Failed: 4, Waiting: 5}
	})
	m.Record(entry("chat"))
	return m
}

func entry(deployment string) usage.Entry {
	return usage.Entry{
		Deployment: deployment, Operation: usage.Chat, Status: 200, Stream: true, Region: "us-east-1",
		FirstToken: 300 * time.Millisecond, Finished: 2300 * time.Millisecond,
		Upstream: "a", Attempts: 2, Waited: 200 * time.Millisecond, Cost: money.Dollar / 4, Saved: money.Dollar / 8, Priced: true,
		Usage: llm.Usage{Input: 10, Output: 21, CacheRead: 5, CacheWrite: 2, Reasoning: 7},
	}
}

func scrape(t *testing.T, m *telemetry.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// want says that a scrape has each of the lines.
func want(t *testing.T, text string, lines ...string) {
	t.Helper()
	all := strings.Split(text, "\n")
	for _, line := range lines {
		if !slices.Contains(all, line) {
			t.Errorf("%q is not among what has its name:\n%s", line, named(all, line))
		}
	}
}

func named(all []string, line string) string {
	name := line[:strings.IndexAny(line, "{ ")]
	return strings.Join(slices.DeleteFunc(slices.Clone(all), func(l string) bool { return !strings.HasPrefix(l, name) }), "\n")
}

// TestEveryMetric: testdata/metrics.txt lists what is exported, for dashboards and alerts to be held to.
func TestEveryMetric(t *testing.T) {
	const file = "testdata/metrics.txt"
	m, unhappy := full(), entry("chat")
	unhappy.Instead, unhappy.Lost, unhappy.Failed, unhappy.Kind, unhappy.Limited = "old", true, true, llm.KindRateLimited, true
	m.Record(unhappy)
	got := catalogue(scrape(t, m))
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(local(string(golden)), local(got)); diff != "" {
		t.Errorf("%s (-want +got; -update rewrites it):\n%s", file, diff)
	}
}

// local leaves out what depends on the operating system.
func local(list string) string {
	if runtime.GOOS == "linux" {
		return list
	}
	return regexp.MustCompile(`(?m)^process_.*\n`).ReplaceAllString(list, "")
}

// catalogue is one line for each metric of a scrape: name, type, labels, help.
func catalogue(text string) string {
	var b strings.Builder
	var names []string
	types, helps, labels := map[string]string{}, map[string]string{}, map[string][]string{}
	label := regexp.MustCompile(`[{,]([a-z_]+)="`)
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if help, ok := strings.CutPrefix(line, "# HELP "); ok {
			name, help, _ := strings.Cut(help, " ")
			names, helps[name] = append(names, name), help
			continue
		}
		if typ, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, typ, _ := strings.Cut(typ, " ")
			types[name] = typ
			continue
		}
		name := names[len(names)-1]
		for _, match := range label.FindAllStringSubmatch(line, -1) {
			if l := match[1]; l != "le" && l != "quantile" && !slices.Contains(labels[name], l) {
				labels[name] = append(labels[name], l)
			}
		}
	}
	b.WriteString("# name type{labels} help. Written by go test ./internal/telemetry -update.\n")
	for _, name := range names {
		slices.Sort(labels[name])
		fmt.Fprintf(&b, "%s %s{%s} %s\n", name, types[name], strings.Join(labels[name], ","), helps[name])
	}
	return b.String()
}

func TestRecord(t *testing.T) {
	m := full()
	failed := entry("chat")
	failed.Status, failed.Failed, failed.Kind, failed.Throttled = 429, true, llm.KindRateLimited, true
	failed.Usage, failed.FirstToken = llm.Usage{}, 0
	m.Record(failed)
	m.Record(usage.Entry{Status: 404, Failed: true, Kind: llm.KindNoRoute})
	m.Begin()
	m.Begin()
	m.End()
	model := `gen_ai_operation_name="chat",gen_ai_provider_name="aws.bedrock",gen_ai_request_model="chat"`
	want(t, scrape(t, m),
		`outcrop_requests_in_flight 1`,
		`outcrop_requests_total{deployment="chat",operation="chat",status="200"} 1`,
		`outcrop_requests_total{deployment="chat",operation="chat",status="429"} 1`,
		`outcrop_requests_total{deployment="",operation="other",status="404"} 1`,
		`outcrop_upstream_throttles_total{deployment="chat",region="us-east-1"} 1`,
		`outcrop_upstream_throttles_total{deployment="old",region=""} 0`,
		`gen_ai_server_request_duration_seconds_count{error_type="rate_limited",`+model+`} 1`,
		`gen_ai_server_request_duration_seconds_sum{error_type="",`+model+`} 2.3`,
		`gen_ai_server_time_to_first_token_seconds_sum{`+model+`} 0.3`,
		`gen_ai_server_time_per_output_token_seconds_sum{`+model+`} 0.1`,
		`gen_ai_client_token_usage_sum{`+model+`,gen_ai_token_type="input"} 17`,
		`gen_ai_client_token_usage_sum{`+model+`,gen_ai_token_type="output"} 21`,
		`gen_ai_client_token_usage_sum{`+model+`,gen_ai_token_type="cached_input"} 5`,
		`gen_ai_client_token_usage_sum{`+model+`,gen_ai_token_type="cache_creation_input"} 2`,
		`gen_ai_client_token_usage_sum{`+model+`,gen_ai_token_type="reasoning"} 7`,
		`outcrop_credentials_expiry_timestamp_seconds{region="us-east-1",source="default chain"} 1.8e+09`,
		`outcrop_credentials_refresh_failures_total{region="us-east-1",source="default chain"} 3`,
		`outcrop_config_generation 1`, `outcrop_config_last_reload_successful 1`, `outcrop_config_last_reload_timestamp_seconds 1.7e+09`,
		`outcrop_model_end_of_life_timestamp_seconds{deployment="chat",model="us.m-v1:0"} 1.9e+09`, `outcrop_ready 1`,
	)
}

// TestABadReloadKeepsTheGeneration: the alert is about the file, the generation about what is served.
func TestABadReloadKeepsTheGeneration(t *testing.T) {
	m := full()
	m.Reloaded(0, time.Now())
	want(t, scrape(t, m), "outcrop_config_generation 1", "outcrop_config_last_reload_successful 0", "outcrop_config_last_reload_timestamp_seconds 1.7e+09")
}

// TestNamesAreNeverAClients: whatever is asked for, labels are of the configuration, or of the catalogue.
func TestNamesAreNeverAClients(t *testing.T) {
	m := full()
	for i := range 1000 {
		m.Record(entry(fmt.Sprintf("stranger-%d", i)))
	}
	m.Record(entry("us.known-v1:0"))
	text := scrape(t, m)
	want(t, text,
		`outcrop_requests_total{deployment="other",operation="chat",status="200"} 1000`,
		`outcrop_requests_total{deployment="us.known-v1:0",operation="chat",status="200"} 1`,
	)
	if strings.Contains(text, "stranger") {
		t.Error("a client's name is a label")
	}
}

// TestADeploymentThatIsGoneEndsItsSeries, and one that stays keeps its counts.
func TestADeploymentThatIsGoneEndsItsSeries(t *testing.T) {
	m := full()
	m.Record(entry("old"))
	m.Serve([]telemetry.Deployment{{Name: "chat", Region: "us-east-1"}, {Name: "new"}})
	text := scrape(t, m)
	want(t, text, `outcrop_requests_total{deployment="chat",operation="chat",status="200"} 1`)
	for _, gone := range []string{`"old"`, "outcrop_model_end_of_life"} {
		if strings.Contains(text, gone) {
			t.Errorf("%s is still there", gone)
		}
	}
}

// TestRecordAllocatesNothing once the series are there.
func TestRecordAllocatesNothing(t *testing.T) {
	m, e := full(), entry("chat")
	e.Throttled = true
	m.Record(e)
	if n := testing.AllocsPerRun(100, func() { m.Record(e) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestRecordBesideServeAndScrape(t *testing.T) {
	m := full()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 200 {
				e := entry([]string{"chat", "old", "x"}[j%3])
				e.Status = 200 + i
				m.Record(e)
			}
		})
	}
	all.Go(func() {
		for i := range 50 {
			m.Serve([]telemetry.Deployment{{Name: "chat"}, {Name: []string{"old", "x"}[i%2]}})
		}
	})
	for range 10 {
		scrape(t, m)
	}
	all.Wait()
}

func BenchmarkRecord(b *testing.B) {
	m, e := full(), entry("chat")
	b.ReportAllocs()
	for b.Loop() {
		m.Record(e)
	}
}
