package redis

import (
	"strings"
	"testing"
	"time"

	"outcrop/internal/limit"
)

// FuzzRecord: whatever stands in Redis under a ticket, it is read within its bounds, or refused.
func FuzzRecord(f *testing.F) {
	a := limit.Admission{Account: limit.Account{Caller: "Keys/a/", Deployment: "m"}, Need: limit.Amounts{Tokens: 7, Requests: 1, Cost: 3}, Note: []byte("note")}
	a.Moment = limit.Schedule{WeekStart: time.Monday}.Moment(time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC))
	f.Add(string(appendRecord(nil, &a)))
	f.Add("0 0 0 0 0 0 0 0 0 9223372036854775807 9223372036854775807 x")
	f.Add("1 1 1 1 1 1 1 1 1 99999999999999999999 1 x")
	f.Fuzz(func(t *testing.T, text string) {
		r, ok := readRecord(text)
		if ok && !strings.HasSuffix(text, r.Caller+r.Deployment+r.note) {
			t.Fatalf("%q: %+v", text, r)
		}
	})
}

// FuzzVerdict: whatever the script answers, a refusal says to come back later than now.
func FuzzVerdict(f *testing.F) {
	f.Add("1 0 .......... 1 2 3 4 5 6 7 8 9 10 0 0 0 ")
	f.Add("0 0 x......... 1 2 3 4 5 6 7 8 9 10 9223372036854775807 9223372036854775807 9 ")
	a := limit.Admission{Moment: limit.Schedule{WeekStart: time.Monday}.Moment(time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC))}
	f.Fuzz(func(t *testing.T, answer string) {
		if v, ok := verdict(answer, &a); ok && !v.Admitted && v.RetryAfter <= 0 {
			t.Fatalf("%q: %+v", answer, v)
		}
	})
}

// FuzzURL: no error about an address of Redis tells its password.
func FuzzURL(f *testing.F) {
	for _, url := range []string{"redis://user:hunter2swordfish@host:6379/1", "rediss://:hunter2swordfish@host", "valkey://host:no:hunter2swordfish", "hunter2swordfish", "redis://:hunter2swordfish@/%zz", "redis://h/hunter2swordfish"} {
		f.Add(url)
	}
	f.Fuzz(func(t *testing.T, url string) {
		if _, err := (&Options{URL: url}).client(); err != nil && strings.Contains(err.Error(), "hunter2swordfish") {
			t.Fatal(err)
		}
	})
}
