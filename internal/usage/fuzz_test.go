package usage

import (
	"testing"
	"time"
)

// FuzzQuery: whatever is asked of the ledger, what comes of it is a span that is one, and groups without doubles.
func FuzzQuery(f *testing.F) {
	f.Add("2026-11-01", "2026-11-23T10:00:00Z", "day,model,project")
	f.Add("", "", "")
	f.Add("0000-01-01", "9999-12-31", ",,day,day")
	now := time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, from, to, list string) {
		if begin, end, err := Span(from, to, now); err == nil && (!begin.Before(end) || !begin.Equal(begin.Truncate(time.Hour)) || !end.Equal(end.Truncate(time.Hour))) {
			t.Fatalf("%q %q: %v to %v", from, to, begin, end)
		}
		groups, err := ParseGroups(list)
		if err == nil && len(groups) > int(Groups) {
			t.Fatalf("%q: %v", list, groups)
		}
	})
}

// FuzzRate: a tree of prices is read or refused, however deep it is.
func FuzzRate(f *testing.F) {
	f.Add([]byte(`"0.000003"`))
	f.Add([]byte(`{"test":{"field":"promptTokens","operator":"GT","value":200000},"ifTrue":"0.000006","ifFalse":{"test":{"field":"ttl","operator":"EQ","value":"1h"},"ifTrue":0.1}}`))
	f.Fuzz(func(_ *testing.T, text []byte) {
		_, _ = ParseRate(text) // it ends, and does not panic
	})
}
