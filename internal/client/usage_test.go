package client_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/client"
	"outcrop/internal/usage"
)

// TestUsage is asked with a token, and comes back as it was.
func TestUsage(t *testing.T) {
	day := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	want := usage.Report{
		From: day, To: day.AddDate(0, 0, 1), By: []usage.Group{usage.ByModel}, More: true,
		Rows:  []usage.Row{{Keys: []string{"m"}, Requests: 1, Cost: usage.Money{Micros: -3, Picos: -7}, Latency: usage.Latency{P95: 1.5}}},
		Total: usage.Row{Requests: 2, Saved: usage.Money{Micros: 9_000_000_000_000_000_000}},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer a-token" || r.Header.Get("Api-Key") != "" || r.URL.String() != "/v1/ops/usage?group_by=model" {
			t.Errorf("%s %v", r.URL, r.Header)
		}
		if err := json.NewEncoder(w).Encode(want); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	got, err := client.New(server.URL, "", nil).WithToken("a-token").Usage(t.Context(), url.Values{"group_by": {"model"}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, *got); diff != "" {
		t.Error(diff)
	}
}
