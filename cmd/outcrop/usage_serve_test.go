package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"outcrop/internal/usage"
)

// TestServeKeepsALedger in its directory, which outlives it, can be read while it runs, and is refused when a later version
// has changed it.
func TestServeKeepsALedger(t *testing.T) {
	dir := t.TempDir()
	for life := range int64(2) {
		t.Run("", func(t *testing.T) {
			base, _ := start(t, "serve", "--sandbox", "--data-dir", dir)
			for range 3 {
				if a := post(t, base, demoKey, "claude-sonnet", hello); a.status != http.StatusOK {
					t.Fatalf("%+v", a)
				}
			}
			r := usageUntil(t, dir, 3*(life+1))
			sum := int64(0)
			for _, row := range r.Rows {
				sum += row.Requests
			}
			if len(r.Rows) != 1 || sum != r.Total.Requests || r.Total.Errors != 0 || r.Total.Input == 0 || r.Total.Output == 0 || r.Total.Latency.P95 == 0 {
				t.Errorf("%+v", r)
			}
			if r.Total.Unpriced != 0 || r.Total.Cost == (usage.Money{}) {
				t.Errorf("what the demo's model costs is not known: %+v", r.Total)
			}
		})
	}
	asLater(t, filepath.Join(dir, ledgerFile))
	var problems bytes.Buffer
	if code := run(t.Context(), []string{"serve", "--sandbox", "--data-dir", dir, "--listen", "127.0.0.1:0"}, strings.NewReader(""), io.Discard, &problems); code != 1 ||
		!strings.Contains(problems.String(), "has the schema 99, and this version of outcrop knows up to") {
		t.Errorf("%d %s", code, &problems)
	}
}

// usageUntil is what "outcrop usage" tells once there are so many requests.
func usageUntil(t *testing.T, dir string, requests int64) (r usage.Report) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		out, problems, code := usageOf(t, "--data-dir", dir, "--by", "deployment", "-o", "json")
		if code != 0 {
			t.Fatal(problems)
		}
		if err := json.Unmarshal([]byte(out), &r); err != nil {
			t.Fatal(err)
		}
		if r.Total.Requests >= requests {
			return r
		}
		<-time.After(50 * time.Millisecond)
	}
	t.Fatalf("there are %d requests only", r.Total.Requests)
	return r
}

// asLater changes a ledger as a later version would.
func asLater(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "UPDATE usage_schema SET version = 99"); err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}
