package gateway_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/gateway"
	"outcrop/internal/usage"
)

// books answer as they are, and remember the question.
type books struct {
	report usage.Report
	err    error
	asked  usage.Query
}

func (b *books) Usage(_ context.Context, q usage.Query) (usage.Report, error) {
	b.asked = q
	return b.report, b.err
}

func someBooks() *books {
	day := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	row := usage.Row{
		Requests: 3, Errors: 1, Input: 1000, Output: 20, CacheRead: 3000, Cost: usage.Money{Micros: 12345, Picos: 678}, Saved: usage.Money{Micros: -1}, CachedShare: 0.75,
		Latency: usage.Latency{Average: 1500.5, P50: 1250, P95: 1475},
	}
	total := row
	row.Keys = []string{"2026-11-22", "=cmd|x"}
	return &books{report: usage.Report{From: day, To: day.AddDate(0, 0, 1), By: []usage.Group{usage.ByDay, usage.ByUser}, Rows: []usage.Row{row}, Total: total}}
}

// TestUsage is told to administrators, as JSON and as a table.
func TestUsage(t *testing.T) {
	b := someBooks()
	h := core(t, gateway.Options{Ledger: b})
	const sums = `"requests":3,"errors":1,"limited":0,"canceled":0,"throttled":0,"lost":0,"unpriced":0,"input_tokens":1000,"output_tokens":20,"cache_read_tokens":3000,"cache_write_tokens":0,"cache_write_1h_tokens":0,"reasoning_tokens":0,"images":0,"queries":0,"cost":"0.012345000678","saved":"-0.000001","cached_share":0.75,"latency":{"average_ms":1500.5,"p50_ms":1250,"p95_ms":1475,"first_token_ms":0,"overhead_ms":0}}`
	answers(t, h, "GET /v1/ops/usage?from=2026-11-22&to=2026-11-23&group_by=day,user&project=team-a&limit=5 admin",
		`200 {"from":"2026-11-22T00:00:00Z","to":"2026-11-23T00:00:00Z","group_by":["day","user"],"rows":[{"keys":["2026-11-22","=cmd|x"],`+sums+`],"total":{`+sums+`,"more":false}`)
	want := usage.Query{
		From: b.report.From, To: b.report.To, By: b.report.By, Filters: []usage.Filter{{Group: usage.ByProject, Is: "team-a"}}, Rows: 5,
	}
	if diff := cmp.Diff(want, b.asked); diff != "" {
		t.Error(diff)
	}
	w := call(t, h, "GET /v1/ops/usage?format=csv admin")
	lines := strings.Split(w.Body.String(), "\n")
	if w.Header().Get("Content-Type") != "text/csv; charset=utf-8" || len(lines) != 4 || !strings.HasPrefix(lines[0], "day,user,requests,errors,") ||
		lines[1] != "2026-11-22,'=cmd|x,3,1,0,0,0,0,0,1000,20,3000,0,0,0,0,0,0.012345000678,-0.000001,0.75,1500.5,1250,1475,0,0" || !strings.HasPrefix(lines[2], "total,,3,1,") {
		t.Errorf("%s", w.Body)
	}
	if len(b.asked.By) != 1 || b.asked.By[0] != usage.ByDay || b.asked.To.Sub(b.asked.From) < 29*24*time.Hour {
		t.Errorf("unasked: %+v", b.asked)
	}
}

// TestUsageRefused names what is wrong with the question, or with the ledger.
func TestUsageRefused(t *testing.T) {
	b := someBooks()
	h := core(t, gateway.Options{Ledger: b})
	for _, who := range []string{"user", "key", "nested", "app"} {
		if w := call(t, h, "GET /v1/ops/usage "+who); w.Code != http.StatusForbidden {
			t.Errorf("%s: %d", who, w.Code)
		}
	}
	for question, want := range map[string]string{
		"group_by=week":                 `group_by: \"week\" is not among month, day, hour, deployment, fallback, model, project, user, upstream, region, operation, tier.`,
		"from=x":                        `The time that is asked for: from is \"x\": a date like 2026-11-01 or a time like 2026-11-01T08:00:00Z is expected.`,
		"from=2026-11-02&to=2026":       `to is \"2026\"`,
		"limit=0":                       `limit: a number of rows from 1 to 10000 is expected.`,
		"format=xml":                    `format: json or csv is expected.`,
		"by=day":                        `by: there is no such parameter; there are from, to, group_by, limit, format, and as filters project, user,`,
		"model=a&model=b":               `model: it is there more than once.`,
		"from=2026-02-02&to=2026-02-02": `which is not before to`,
	} {
		w := call(t, h, "GET /v1/ops/usage?"+question+" admin")
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s", question, w.Code, w.Body)
		}
	}
	b.err = errors.New("the password is wrong")
	w := call(t, h, "GET /v1/ops/usage admin")
	if w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "password") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	answers(t, core(t, gateway.Options{}), "GET /v1/ops/usage admin",
		`501 {"error":{"message":"This server keeps no usage ledger: start it with --data-dir, or with --redis and --postgres.","type":"invalid_request_error","param":null,"code":"not_implemented"}}`)
}
