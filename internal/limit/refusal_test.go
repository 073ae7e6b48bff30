package limit

import (
	"errors"
	"math"
	"testing"
	"time"

	"outcrop/internal/money"
)

// noon is a Wednesday's, whose month ends before the week does.
func noon() time.Time { return time.Date(2026, 9, 30, 12, 0, 0, 0, time.UTC) }

// atNoon is a limiter at noon, and so much is used.
func atNoon(used Amounts, o Options) *Limiter {
	o.Store, o.Now = NewMemory(nil), noon
	l := New(o)
	l.Count(Account{"a", "gpt"}, used, nil)
	return l
}

// TestRefusals: DIAL's texts, with the numbers for developers and without for users (dial-core §6.4).
func TestRefusals(t *testing.T) {
	const none = "9223372036854775807"
	for _, tt := range []struct {
		name             string
		limit            func(*Limits)
		used, need       Amounts
		message, display string
		retry            time.Duration
	}{
		{"a minute's tokens", func(l *Limits) { l.Tokens[Minute], l.Tokens[Day] = 100, 10000 }, Amounts{Tokens: 120}, Amounts{},
			"Hit token rate limit. Minute limit: 120 / 100 tokens. Day limit: 120 / 10000 tokens. Week limit: 120 / " + none + " tokens. Month limit: 120 / " + none + " tokens.",
			"You've exceeded your minute token limit", time.Minute},
		{"all windows' tokens", func(l *Limits) { l.Tokens = [Windows]int64{1, Unlimited, 2, 3, 4} }, Amounts{Tokens: 5}, Amounts{},
			"Hit token rate limit. Minute limit: 5 / 1 tokens. Day limit: 5 / 2 tokens. Week limit: 5 / 3 tokens. Month limit: 5 / 4 tokens.",
			"You've exceeded your monthly, weekly, daily and minute token limit", 108 * time.Hour},
		{"two windows' tokens", func(l *Limits) { l.Tokens[Day], l.Tokens[Month] = 5, 5 }, Amounts{Tokens: 5}, Amounts{},
			"Hit token rate limit. Minute limit: 5 / " + none + " tokens. Day limit: 5 / 5 tokens. Week limit: 5 / " + none + " tokens. Month limit: 5 / 5 tokens.",
			"You've exceeded your monthly and daily token limit", 12 * time.Hour},
		{"requests", func(l *Limits) { l.Requests[Hour], l.Requests[Day] = 1, 2 }, Amounts{Requests: 2}, Amounts{Tokens: 9},
			"Hit request rate limit. Hour limit: 2 / 1 requests. Day limit: 2 / 2 requests.", "You've exceeded your daily and hourly request limit", 12 * time.Hour},
		{"cost", func(l *Limits) { l.Cost[Week] = 1234 * money.Dollar }, Amounts{Cost: 1234*money.Dollar + money.Dollar*567/1000}, Amounts{},
			"Hit cost rate limit. Minute limit: $1,234.56 / $9,223,372,036,854,775,807.00. Day limit: $1,234.56 / $9,223,372,036,854,775,807.00. Week limit: $1,234.56 / $1,234.00. Month limit: $1,234.56 / $9,223,372,036,854,775,807.00.",
			"You've exceeded your weekly cost limit", 108 * time.Hour},
		{"tokens are told before requests and cost", func(l *Limits) { l.Tokens[Day], l.Requests[Day], l.Cost[Day] = 1, 1, 1 }, Amounts{1, 1, 1}, Amounts{},
			"Hit token rate limit. Minute limit: 1 / " + none + " tokens. Day limit: 1 / 1 tokens. Week limit: 1 / " + none + " tokens. Month limit: 1 / " + none + " tokens.",
			"You've exceeded your daily token limit", 12 * time.Hour},
		{"a request that needs more than is left", func(l *Limits) { l.Tokens[Minute] = 100 }, Amounts{Tokens: 60}, Amounts{Tokens: 41},
			"Hit token rate limit. Minute limit: 60 / 100 tokens. Day limit: 60 / " + none + " tokens. Week limit: 60 / " + none + " tokens. Month limit: 60 / " + none + " tokens." +
				" This request may use 41 tokens, the longest answer included: a lower max_tokens needs less.",
			"You've exceeded your minute token limit", time.Minute},
		{"a request that never has room", func(l *Limits) { l.Tokens[Day] = 100 }, Amounts{}, Amounts{Tokens: 101},
			"Hit token rate limit. Minute limit: 0 / " + none + " tokens. Day limit: 0 / 100 tokens. Week limit: 0 / " + none + " tokens. Month limit: 0 / " + none + " tokens." +
				" This request may use 101 tokens, the longest answer included: a lower max_tokens needs less.",
			"You've exceeded your daily token limit", 12 * time.Hour},
	} {
		limits := None()
		tt.limit(&limits)
		for _, only := range []bool{false, true} {
			_, err := atNoon(tt.used, Options{}).Admit(t.Context(), &Ask{Account: Account{"a", "gpt"}, Limits: limits, Estimate: tt.need, Only: only})
			var r *Refusal
			if !errors.As(err, &r) || r.Message != tt.message || r.Display != tt.display || r.Denied || r.Concurrent {
				t.Errorf("%s, only: %v\ngot  %+v\nwant %s\n     %s", tt.name, only, err, tt.message, tt.display)
				continue
			}
			if r.RetryAfter != tt.retry && (!only || tt.retry != time.Minute) { // what is only read has no seconds
				t.Errorf("%s, only: %v: come back after %v, not %v", tt.name, only, r.RetryAfter, tt.retry)
			}
		}
	}
}

// TestNobodyComesIn where a limit is 0 or below, in any window.
func TestNobodyComesIn(t *testing.T) {
	for _, n := range []int64{0, -1, math.MinInt64} {
		for name, set := range map[string]func(*Limits){
			"tokens": func(l *Limits) { l.Tokens[Month] = n }, "requests": func(l *Limits) { l.Requests[Hour] = n },
			"cost": func(l *Limits) { l.Cost[Minute] = money.Amount(n) },
		} {
			limits := None()
			set(&limits)
			_, err := atNoon(Amounts{}, Options{Slack: 10}).Admit(t.Context(), &Ask{Account: Account{"a", "gpt"}, Limits: limits})
			var r *Refusal
			if !errors.As(err, &r) || !r.Denied || r.Message != "Access denied" {
				t.Errorf("%d %s: %v", n, name, err)
			}
		}
	}
}

// TestAmountsBelowZero give nobody room, and lock nobody out.
func TestAmountsBelowZero(t *testing.T) {
	l := atNoon(Amounts{Tokens: -50, Requests: -5, Cost: -5}, Options{})
	limits := None()
	limits.Tokens[Day], limits.Cost[Day] = 100, 100
	ask := Ask{Account: Account{"a", "gpt"}, Limits: limits, Estimate: Amounts{math.MinInt64, -1, math.MinInt64}}
	ticket, err := l.Admit(t.Context(), &ask)
	if err != nil {
		t.Fatal(err)
	}
	if used, _, err := l.Used(t.Context(), ask.Account); err != nil || used[0].Tokens[Day] != 0 || used[0].Cost[Day] != 0 {
		t.Errorf("%+v, %v", used, err)
	}
	ticket.Settle(Amounts{Tokens: math.MinInt64, Cost: -1}, nil)
	if used, _, err := l.Used(t.Context(), ask.Account); err != nil || used[0].Tokens != [Windows]int64{} || used[0].Requests[Day] != 1 {
		t.Errorf("%+v, %v", used, err)
	}
}

// TestASettledTicket counts once, whoever else settles it.
func TestASettledTicket(t *testing.T) {
	l := atNoon(Amounts{}, Options{})
	ticket, err := l.Admit(t.Context(), &Ask{Account: Account{"a", "gpt"}, Limits: None(), Estimate: Amounts{Tokens: 10}})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan bool)
	for range 8 {
		go func() { done <- ticket.Settle(Amounts{Tokens: 3}, nil) }()
	}
	for range 8 {
		<-done
	}
	if used, _, err := l.Used(t.Context(), Account{"a", "gpt"}); err != nil || used[0].Tokens[Day] != 3 || l.State().Running != 0 {
		t.Errorf("%+v, %v, %+v", used, err, l.State())
	}
}

// TestNoLimiter admits all and counts nothing.
func TestNoLimiter(t *testing.T) {
	var l *Limiter
	l.Keep(Schedule{})
	ticket, err := l.Admit(t.Context(), &Ask{})
	if err != nil || !ticket.Settle(Amounts{}, nil) || !l.Count(Account{}, Amounts{}, nil) || l.Always() || l.State() != (State{}) {
		t.Error(ticket, err)
	}
	if used, _, err := l.Used(t.Context(), Account{}, Account{}); err != nil || len(used) != 2 {
		t.Error(used, err)
	}
}

// TestAnotherSchedule holds at once, within the windows of the one before.
func TestAnotherSchedule(t *testing.T) {
	l := atNoon(Amounts{}, Options{})
	for _, reset := range []time.Duration{0, time.Hour, 13 * time.Hour} {
		l.Keep(Schedule{WeekStart: time.Sunday, Reset: reset})
		want := (Schedule{WeekStart: time.Sunday, Reset: reset}).Moment(noon())
		for range 2 {
			if _, at, err := l.Used(t.Context()); err != nil || at != want {
				t.Errorf("reset %v: %+v, %v", reset, at, err)
			}
		}
	}
}
