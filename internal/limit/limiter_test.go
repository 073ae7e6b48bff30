package limit

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// away is a store that cannot be asked while it is.
type away struct {
	*Memory
	away bool
}

var errAway = errors.New("no route to Redis")

func (a *away) Admit(ctx context.Context, ask *Admission) (Verdict, error) {
	if a.away {
		return Verdict{}, errAway
	}
	return a.Memory.Admit(ctx, ask)
}

// TestWhenTheStoreIsDown: the policy holds, is told once, and what was admitted meanwhile is counted after all.
func TestWhenTheStoreIsDown(t *testing.T) {
	for _, admits := range []bool{false, true} {
		var log strings.Builder
		store := &away{Memory: NewMemory(nil)}
		l := New(Options{Store: store, AdmitWhenDown: admits, Log: slog.New(slog.NewTextHandler(&log, nil))})
		limited := None()
		limited.Tokens[Minute] = 1000
		ask := Ask{Account: Account{"a", "gpt"}, Limits: limited, Estimate: Amounts{Tokens: 10}}
		free := Ask{Account: Account{"b", "gpt"}, Limits: None()}
		store.away = true
		for range 3 {
			ticket, err := l.Admit(t.Context(), &ask)
			var unavailable *Unavailable
			if admits != (err == nil) || !admits && (!errors.As(err, &unavailable) || !errors.Is(err, errAway)) {
				t.Fatalf("admits: %v: %v", admits, err)
			}
			for range 2 { // the second counts nothing
				if !ticket.Settle(Amounts{Tokens: 5}, nil) {
					t.Error("not settled")
				}
			}
		}
		if _, err := l.Admit(t.Context(), &free); err != nil {
			t.Errorf("a request without limits: %v", err)
		}
		if state := l.State(); state.Down != errAway.Error() || admits && state.Admitted != 4 || !admits && state.Refused != 3 {
			t.Errorf("admits: %v: %+v", admits, state)
		}
		store.away = false
		ticket, err := l.Admit(t.Context(), &ask)
		if err != nil {
			t.Fatal(err)
		}
		used, _, err := l.Used(t.Context(), ask.Account)
		want := int64(10)
		if admits {
			want += 15
		}
		if err != nil || used[0].Tokens[Day] != want || l.State().Down != "" {
			t.Errorf("admits: %v: %+v, %v, %+v", admits, used, err, l.State())
		}
		ticket.Settle(Amounts{}, nil)
		if told := strings.Count(log.String(), "cannot be asked"); told != 1 || !strings.Contains(log.String(), "answers again") {
			t.Errorf("told %d times:\n%s", told, log.String())
		}
	}
}

// TestOnlyAsksWithoutCounting: the first hop of a translated request needs room, and takes none.
func TestOnlyAsksWithoutCounting(t *testing.T) {
	l := New(Options{Store: NewMemory(nil)})
	limited := None()
	limited.Tokens[Minute], limited.Requests[Day] = 100, 1
	ask := Ask{Account: Account{"a", "gpt"}, Limits: limited, Estimate: Amounts{Tokens: 60}, Only: true}
	for range 3 {
		if ticket, err := l.Admit(t.Context(), &ask); err != nil || ticket != nil {
			t.Fatal(ticket, err)
		}
	}
	ask.Only = false
	if _, err := l.Admit(t.Context(), &ask); err != nil {
		t.Fatal(err)
	}
	ask.Only = true
	_, err := l.Admit(t.Context(), &ask)
	var refused *Refusal
	if !errors.As(err, &refused) || refused.RetryAfter < time.Second || !strings.HasPrefix(refused.Message, "Hit token rate limit. Minute limit: 60 / 100 tokens.") {
		t.Errorf("%v", err)
	}
}

// TestConcurrent: as many at a time as may, and a place is free as soon as one has ended.
func TestConcurrent(t *testing.T) {
	l := New(Options{Store: NewMemory(nil)})
	ask := Ask{Account: Account{"a", "gpt"}, Limits: None(), Concurrent: 2}
	first, err := l.Admit(t.Context(), &ask)
	if err != nil {
		t.Fatal(err)
	}
	other := ask
	other.Deployment = "another" // of the same caller
	if _, err := l.Admit(t.Context(), &other); err != nil {
		t.Fatal(err)
	}
	_, err = l.Admit(t.Context(), &ask)
	var refused *Refusal
	if !errors.As(err, &refused) || !refused.Concurrent || refused.Denied || refused.RetryAfter != time.Second || strings.ContainsAny(refused.Display, "0123456789") {
		t.Errorf("%+v", err)
	}
	first.Settle(Amounts{}, nil)
	if _, err := l.Admit(t.Context(), &ask); err != nil {
		t.Error(err)
	}
}
