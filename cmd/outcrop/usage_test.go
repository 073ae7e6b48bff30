package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/journal"
	"outcrop/internal/ledger"
	"outcrop/internal/llm"
	"outcrop/internal/money"
	"outcrop/internal/usage"
)

// usageOf runs "outcrop usage".
func usageOf(t *testing.T, args ...string) (out, problems string, code int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), append([]string{"usage"}, args...), strings.NewReader(""), &stdout, &stderr)
	return stdout.String(), stderr.String(), code
}

// ledgerDir is a --data-dir with a ledger of some entries.
func ledgerDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	l, err := ledger.Open(t.Context(), ledger.Options{Path: filepath.Join(dir, ledgerFile)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	outbox := journal.NewMemory()
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for _, e := range []usage.Entry{
		{
			Began: at, Model: "eu.amazon.nova-lite-v1:0", Project: "team-a", Operation: usage.Chat, Usage: llm.Usage{Input: 1000, Output: 50, CacheRead: 3000},
			Cost: money.Dollar / 8, Saved: money.Dollar / 16, Priced: true, Stream: true, FirstToken: 300 * time.Millisecond, Finished: time.Second,
		},
		{Began: at, Model: "größer", Project: "team\n\x1b[31mb", Operation: usage.Chat, Failed: true, Kind: llm.KindUpstream},
		{Began: at, Model: "größer", Project: "team-a", Operation: usage.Chat, Usage: llm.Usage{Input: 7}, Finished: 100 * time.Millisecond},
	} {
		if err := outbox.Append(usage.AppendNote(nil, &e)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.CatchUp(t.Context(), outbox); err != nil {
		t.Fatal(err)
	}
	return dir
}

const usageTable = `From 2026-11-22T00:00:00Z to 2026-11-23T00:00:00Z

MODEL                     PROJECT     REQUESTS  ERRORS  INPUT  OUTPUT  CACHED  COST $  SAVED $  AVERAGE    P50    P95  FIRST
eu.amazon.nova-lite-v1:0  team-a             1       0   4000      50   75.0%  0.1250   0.0625    1.00s  0.88s  0.99s  0.30s
größer                    team [31mb         1       1      0       0    0.0%  0.0000   0.0000        -      -      -      -
größer                    team-a             1       0      7       0    0.0%  0.0000   0.0000    0.10s  0.07s  0.10s      -
total                                        3       1   4007      50   74.9%  0.1250   0.0625    0.55s  0.10s  0.97s  0.30s

The cost is without what has no price that is known (1 requests): give their models a pricing.
`

// TestUsageTable is read from the ledger itself, while a server may run.
func TestUsageTable(t *testing.T) {
	dir := ledgerDir(t)
	span := []string{"--data-dir", dir, "--from", "2026-11-22", "--to", "2026-11-23"}
	out, problems, code := usageOf(t, append(span, "--by", "model,project")...)
	if diff := cmp.Diff(usageTable, out); diff != "" || code != 0 {
		t.Errorf("%s%s", problems, diff)
	}
	out, _, _ = usageOf(t, append(span, "--only", "project=team-a", "--limit", "1", "-o", "json")...)
	var r usage.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil || r.Total.Requests != 2 || !r.More || len(r.Rows) != 1 || r.Rows[0].Keys[0] != "eu.amazon.nova-lite-v1:0" {
		t.Errorf("%s, %v", out, err)
	}
	if out, _, _ = usageOf(t, append(span, "--by", "", "-o", "text")...); !strings.Contains(out, "\n       3  ") {
		t.Errorf("without groups: %s", out)
	}
	for want, args := range map[string][]string{
		`"week" is not among month, day,`: append(span, "--by", "week"),
		`--only is "team-a"`:              append(span, "--only", "team-a"),
		`--from is "x": a date`:           {"--data-dir", dir, "--from", "x"},
		"--limit is 0":                    {"--limit", "0"},
		"there is no usage ledger":        {"--data-dir", t.TempDir()},
		"are two ledgers":                 {"--data-dir", dir, "--postgres", "postgres://x/y"},
		"give one of them":                {"--data-dir", dir, "--url", "http://x"},
		"no token: set OUTCROP_TOKEN":     nil,
		"day is no filter":                append(span, "--only", "day=2026-11-22"),
	} {
		t.Setenv(tokenVariable, "")
		if out, problems, code := usageOf(t, args...); code != 1 || !strings.Contains(problems, want) {
			t.Errorf("%v: %d %s %s", args, code, out, problems)
		}
	}
}

// TestUsageOfAServer is asked for with the token of the environment.
func TestUsageOfAServer(t *testing.T) {
	t.Setenv(tokenVariable, "a-token")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer a-token" || r.URL.String() != "/v1/ops/usage?from=2026-11-01&group_by=day%2Cmodel&limit=1000&model=a%3Db" {
			t.Errorf("%s %v", r.URL, r.Header)
		}
		if err := json.NewEncoder(w).Encode(usage.Report{Total: usage.Row{Requests: 42}, By: []usage.Group{usage.ByDay}}); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	out, problems, code := usageOf(t, "--url", server.URL, "--by", "day,model", "--from", "2026-11-01", "--only", "model=a=b")
	if code != 0 || !strings.Contains(out, "total        42  ") {
		t.Errorf("%d %s%s", code, out, problems)
	}
}

// TestUsageMigrate goes back and forth; a ledger of another version is not read.
func TestUsageMigrate(t *testing.T) {
	dir := ledgerDir(t)
	if out, problems, _ := usageOf(t, "migrate", "--data-dir", dir, "--to", "1"); out != "The usage ledger had the schema 2, and has 1.\n" {
		t.Error(out, problems)
	}
	if _, problems, code := usageOf(t, "--data-dir", dir); code != 1 || !strings.Contains(problems, "has the schema 1 of an earlier version") {
		t.Error(problems)
	}
	if out, problems, _ := usageOf(t, "migrate", "--data-dir", dir); out != "The usage ledger had the schema 1, and has 2.\n" {
		t.Error(out, problems)
	}
	if out, problems, _ := usageOf(t, "--data-dir", dir, "--from", "2026-11-22", "--to", "2026-11-23"); !strings.Contains(out, "total") || !strings.Contains(out, "4007") {
		t.Error(out, problems)
	}
	for _, args := range [][]string{{"migrate"}, {"migrate", "--data-dir", dir, "--to", "0"}, {"migrate", "--data-dir", dir, "--to", "9"}} {
		if _, _, code := usageOf(t, args...); code != 1 {
			t.Errorf("%v is done", args)
		}
	}
}
