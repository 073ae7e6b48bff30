package usage_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"outcrop/internal/money"
	"outcrop/internal/usage"
)

func TestMoney(t *testing.T) {
	for want, m := range map[string]usage.Money{
		"0":                       {},
		"0.000000000001":          {0, 1},
		"-0.000000000001":         {0, -1},
		"1.5":                     {1_500_000, 0},
		"1.499999999999":          {1_500_000, -1},
		"-1.499999999999":         {-1_500_000, 1},
		"2":                       {1_000_000, 1_000_000_000_000},
		"9223372036854.775807":    {9223372036854775807, 0},
		"-0.25":                   usage.MoneyOf(-money.Dollar / 4),
		"9223372.036854775807":    usage.MoneyOf(money.Max),
		"123456789012.0000000001": {123456789012000000, 100},
	} {
		if got := m.String(); got != want {
			t.Errorf("%v is %s, want %s", m, got, want)
		}
		text, err := json.Marshal(m)
		var back usage.Money
		if err != nil || json.Unmarshal(text, &back) != nil || back.String() != want {
			t.Errorf("%s came back as %s: %v", text, back, err)
		}
	}
	for _, bad := range []string{`""`, `"x"`, `"1.2.3"`, `"1.-5"`, `"0.1234567890123"`, `"1e3"`} {
		if err := json.Unmarshal([]byte(bad), new(usage.Money)); err == nil {
			t.Errorf("%s is money", bad)
		}
	}
}

func TestSpan(t *testing.T) {
	now := time.Date(2026, 11, 23, 8, 30, 0, 0, time.UTC)
	for _, c := range []struct{ from, to, want string }{
		{"", "", "2026-10-24T00:00:00Z 2026-11-23T09:00:00Z"},
		{"2026-11-01", "", "2026-11-01T00:00:00Z 2026-11-23T09:00:00Z"},
		{"2026-11-01", "2026-12-01", "2026-11-01T00:00:00Z 2026-12-01T00:00:00Z"},
		{"2026-11-01T10:20:00+02:00", "2026-11-01T09:20:00Z", "2026-11-01T08:00:00Z 2026-11-01T10:00:00Z"},
		{"", "2026-03-31", "2026-03-01T00:00:00Z 2026-03-31T00:00:00Z"},
	} {
		from, to, err := usage.Span(c.from, c.to, now)
		if got := from.Format(time.RFC3339) + " " + to.Format(time.RFC3339); err != nil || got != c.want {
			t.Errorf("%s, %s: %s, %v, want %s", c.from, c.to, got, err, c.want)
		}
	}
	for _, c := range [][2]string{{"yesterday", ""}, {"", "2026-13-01"}, {"2026-11-02", "2026-11-02"}, {"2026-11-03", "2026-11-02"}} {
		if _, _, err := usage.Span(c[0], c[1], now); err == nil {
			t.Errorf("%v is a span", c)
		}
	}
}

func TestParseGroups(t *testing.T) {
	groups, err := usage.ParseGroups("day, model,day,,fallback")
	if err != nil || len(groups) != 3 || groups[0] != usage.ByDay || groups[1] != usage.ByModel || groups[2] != usage.ByInstead {
		t.Errorf("%v, %v", groups, err)
	}
	if _, err := usage.ParseGroups("day,week"); err == nil || !strings.Contains(err.Error(), `"week" is not among month, day, hour, deployment`) {
		t.Error(err)
	}
}

func TestPercentile(t *testing.T) {
	var b [usage.LatencyBounds + 1]int64
	if got := usage.Percentile(b, 50); got != 0 {
		t.Error(got)
	}
	b[usage.Bucket(80*time.Millisecond)] = 100 // from 50 to 100 ms
	if got := usage.Percentile(b, 50); got != 75 {
		t.Error(got)
	}
	b[usage.Bucket(time.Hour)] = 900
	if got := usage.Percentile(b, 95); got != 300_000 {
		t.Error(got)
	}
	if usage.Bucket(0) != 0 || usage.Bucket(50*time.Millisecond) != 0 || usage.Bucket(51*time.Millisecond) != 1 {
		t.Error("bounds are part of their bucket")
	}
}
