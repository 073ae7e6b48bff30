package limit

import (
	"strconv"
	"testing"
	"time"
)

func moment(at time.Time) Moment { return Schedule{WeekStart: time.Monday}.Moment(at) }

func admitted(t *testing.T, s Store, id string, at time.Time, limits Limits) bool {
	t.Helper()
	v, err := s.Admit(t.Context(), &Admission{Account: Account{"a", "gpt"}, Ticket: id, Moment: moment(at), Limits: limits, Need: Amounts{Requests: 1}})
	if err != nil {
		t.Fatal(err)
	}
	return v.Admitted
}

// TestAClockThatIsNotSet, of 1970 or before, breaks nothing, and nobody waits for it.
func TestAClockThatIsNotSet(t *testing.T) {
	m := NewMemory(nil)
	for i, at := range []time.Time{{}, time.Unix(-1, 0), time.Unix(-61, 0), time.Unix(0, 0), time.Unix(59, 0), noon(), time.Unix(-1, 0), noon()} {
		if !admitted(t, m, strconv.Itoa(i), at, None()) {
			t.Fatalf("refused at %v", at)
		}
		m.Settle(&Settlement{Account: Account{"a", "gpt"}, Ticket: strconv.Itoa(i), Moment: moment(at), Spent: Amounts{Tokens: 1, Cost: 1}})
		if used := usedOf(t, m, moment(at), Account{"a", "gpt"}); used.Tokens[Minute] < 1 || used.Tokens[Day] < 1 {
			t.Errorf("at %v: %+v", at, used)
		}
	}
}

// TestAClockThatGoesAheadAndBack: for a moment it is another year, then what was used before still counts, and what was
// used then locks nobody out.
func TestAClockThatGoesAheadAndBack(t *testing.T) {
	m, limits := NewMemory(nil), None()
	limits.Tokens[Day], limits.Tokens[Month] = 100, 100
	use := func(at time.Time) {
		m.Settle(&Settlement{Account: Account{"a", "gpt"}, Moment: moment(at), Spent: Amounts{Tokens: 100}})
	}
	later := noon().AddDate(5, 0, 0)
	use(noon())
	if admitted(t, m, "1", noon(), limits) {
		t.Error("the day is over")
	}
	if !admitted(t, m, "2", later, limits) {
		t.Error("another year is locked")
	}
	use(later)
	if admitted(t, m, "3", noon().Add(time.Minute), limits) {
		t.Error("the clock that was ahead unlocked the day")
	}
	if next := noon().AddDate(0, 0, 1); !admitted(t, m, "4", next, limits) { // the first of October
		t.Error("the clock that was ahead locks the next month")
	}
}

// TestMemoryForgets callers that come once, when the last of their windows is over; and none of another window.
func TestMemoryForgets(t *testing.T) {
	m, at := NewMemory(nil), noon()
	count := func() (n int) {
		for i := range m.all {
			n += len(m.all[i].accounts) + len(m.all[i].callers)
		}
		return n
	}
	everybody := func() {
		for i := range 5000 {
			if _, err := m.Read(t.Context(), moment(at), []Account{{strconv.Itoa(i), "gpt"}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range 5000 {
		a := Account{strconv.Itoa(i), "gpt"}
		if _, err := m.Admit(t.Context(), &Admission{Account: a, Ticket: "t", Moment: moment(at), Limits: None(), Need: Amounts{10, 1, 10}}); err != nil {
			t.Fatal(err)
		}
		m.Settle(&Settlement{Account: a, Ticket: "t", Moment: moment(at), Reserved: Amounts{10, 0, 10}, Spent: Amounts{5, 0, 5}})
	}
	at = noon().AddDate(0, 0, 4)
	everybody()
	everybody()
	if n := count(); n != 10_000 {
		t.Errorf("%d of 10000 counts are there in the same week", n)
	}
	for at = noon().AddDate(0, 3, 0); at.Before(noon().AddDate(0, 3, 1)); at = at.Add(sweepEvery + time.Second) {
		everybody()
	}
	if n := count(); n != 0 {
		t.Errorf("%d counts are there of windows that are over", n)
	}
}

func BenchmarkMoment(b *testing.B) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		b.Fatal(err)
	}
	s := Schedule{Zone: berlin, WeekStart: time.Monday, Reset: 6 * time.Hour}
	b.Run("worked out", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = s.Moment(noon())
		}
	})
	b.Run("known", func(b *testing.B) {
		l := New(Options{Store: NewMemory(nil), Now: noon})
		l.Keep(s)
		b.ReportAllocs()
		for b.Loop() {
			_ = l.now()
		}
	})
}

func BenchmarkLimiter(b *testing.B) {
	l := New(Options{Store: NewMemory(nil)})
	ask := Ask{Account: Account{"Keys/a/", "gpt"}, Limits: None(), Estimate: Amounts{100, 1, 100}}
	ask.Limits.Tokens[Day] = 1 << 60
	b.ReportAllocs()
	for b.Loop() {
		ticket, err := l.Admit(b.Context(), &ask)
		if err != nil {
			b.Fatal(err)
		}
		ticket.Settle(Amounts{Tokens: 50, Cost: 50}, nil)
	}
}

// BenchmarkCallersThatComeOnce says how many bytes one of them takes, until the last of its windows is over.
func BenchmarkCallersThatComeOnce(b *testing.B) {
	m, at, n := NewMemory(nil), moment(noon()), 0
	b.ReportAllocs()
	for b.Loop() {
		n++
		m.Settle(&Settlement{Account: Account{"Users/" + strconv.Itoa(n) + "/", "gpt"}, Moment: at, Spent: Amounts{1, 1, 1}})
	}
}
