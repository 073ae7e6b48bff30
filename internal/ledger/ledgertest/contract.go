package ledgertest

import (
	"context"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/ledger"
	"outcrop/internal/llm"
	"outcrop/internal/money"
	"outcrop/internal/usage"
)

// Options of a contract's ledger: made once for each part, of which each may open them several times.
type Options func(t *testing.T) ledger.Options

// TestLedger is what every ledger promises.
func TestLedger(t *testing.T, options Options) {
	t.Run("the sums are those of the notes", func(t *testing.T) { testSums(t, options(t)) })
	t.Run("rows are told apart by their groups", func(t *testing.T) { testGroups(t, options(t)) })
	t.Run("what is counted stays so", func(t *testing.T) { testPrices(t, options(t)) })
	t.Run("sums are beyond an amount", func(t *testing.T) { testMillions(t, options(t)) })
	t.Run("notes of a later version are kept", func(t *testing.T) { testAside(t, options(t)) })
	t.Run("names are whatever", func(t *testing.T) { testNames(t, options(t)) })
}

// TestShared is what ledgers promise that several processes open.
func TestShared(t *testing.T, options Options) {
	t.Run("several followers count each note once", func(t *testing.T) { testFollowers(t, options(t)) })
}

// Open opens a ledger for a test.
func Open(t testing.TB, o ledger.Options) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// Report is the answer to a query about all entries.
func Report(t testing.TB, l *ledger.Ledger, by ...usage.Group) usage.Report {
	t.Helper()
	r, err := l.Usage(context.WithoutCancel(t.Context()), usage.Query{From: Begin(), To: Begin().Add(Hours * time.Hour), By: by})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Total is the sum of the first entries, added up one by one; latencies are left out.
func Total(notes int) (total usage.Row) {
	cost, saved := new(big.Int), new(big.Int)
	for i := range notes {
		e := Entry(i)
		total.Requests++
		switch {
		case e.Limited:
			total.Limited++
		case e.Failed && e.Kind == llm.KindCanceled:
			total.Canceled++
		case e.Failed:
			total.Errors++
		}
		if e.Throttled {
			total.Throttled++
		}
		if e.Lost {
			total.Lost++
		}
		if !e.Priced {
			total.Unpriced++
		}
		total.Input += int64(e.Usage.Input)
		total.Output += int64(e.Usage.Output)
		total.CacheRead += int64(e.Usage.CacheRead)
		total.CacheWrite += int64(e.Usage.CacheWrite)
		total.CacheWrite1h += int64(e.Usage.CacheWrite1h)
		total.Reasoning += int64(e.Usage.Reasoning)
		total.Images += int64(e.Usage.Images)
		total.Queries += int64(e.Terms.Queries)
		cost.Add(cost, big.NewInt(int64(e.Cost)))
		saved.Add(saved, big.NewInt(int64(e.Saved)))
	}
	total.Cost, total.Saved = moneyOf(cost), moneyOf(saved)
	return total
}

func moneyOf(picos *big.Int) usage.Money {
	micros, rest := new(big.Int).QuoRem(picos, big.NewInt(1_000_000), new(big.Int))
	return usage.Money{Micros: micros.Int64(), Picos: rest.Int64()}
}

// Same says whether a report's total is the sum of the first entries.
func Same(t testing.TB, notes int, got usage.Row) {
	t.Helper()
	got.CachedShare, got.Latency = 0, usage.Latency{}
	if diff := cmp.Diff(Total(notes), got, cmp.Transformer("money", usage.Money.String)); diff != "" {
		t.Error(diff)
	}
}

// notesOfSums is how many notes are summed.
const notesOfSums = 100_000

func testSums(t *testing.T, o ledger.Options) {
	l := Open(t, o)
	outbox := &Outbox{Name: "sums", Notes: notesOfSums}
	if err := l.CatchUp(t.Context(), outbox); err != nil {
		t.Fatal(err)
	}
	if err := l.CatchUp(t.Context(), outbox); err != nil { // again: nothing is left
		t.Fatal(err)
	}
	r := Report(t, l)
	Same(t, notesOfSums, r.Total)
	if outbox.Trimmed.Load() != notesOfSums || l.State().Counted != notesOfSums {
		t.Errorf("%d may be forgotten, %+v", outbox.Trimmed.Load(), l.State())
	}
	if lat := r.Total.Latency; lat.Average < 9900 || lat.Average > 10100 || lat.P50 < 9700 || lat.P50 > 10300 || lat.P95 < 18500 || lat.P95 > 19500 || lat.Own < 0.9 || lat.Own > 1.1 || lat.FirstToken < 2400 || lat.FirstToken > 2600 {
		t.Errorf("of latencies even up to 20 s: %+v", lat)
	}
	if share := r.Total.CachedShare; share < 0.2 || share > 0.3 {
		t.Errorf("the share of the cache is %v", share)
	}
}

func testGroups(t *testing.T, o ledger.Options) {
	l := Open(t, o)
	if empty := Report(t, l, usage.ByDay); len(empty.Rows) != 0 || empty.Total.Requests != 0 {
		t.Errorf("a new ledger has %+v", empty)
	}
	if err := l.CatchUp(t.Context(), &Outbox{Name: "groups", Notes: 3000}); err != nil {
		t.Fatal(err)
	}
	for g := range usage.Groups {
		r := Report(t, l, g)
		sum := int64(0)
		for _, row := range r.Rows {
			sum += row.Requests
		}
		if sum != 3000 || r.Total.Requests != 3000 {
			t.Errorf("%s: %d, %d", g, sum, r.Total.Requests)
		}
	}
	r := Report(t, l, usage.ByMonth, usage.ByDay, usage.ByProject)
	if len(r.Rows) != 6 || r.Rows[0].Keys[0] != "2026-11" || r.Rows[0].Keys[1] != "2026-11-22" || r.Rows[5].Keys[1] != "2026-11-23" {
		t.Errorf("%+v", r.Rows)
	}
	if hours := Report(t, l, usage.ByHour); len(hours.Rows) != Hours || hours.Rows[3].Keys[0] != "2026-11-23T00:00:00Z" {
		t.Errorf("%+v", hours.Rows)
	}
	q := usage.Query{From: Begin(), To: Begin().Add(Hours * time.Hour), By: []usage.Group{usage.ByProject, usage.ByModel}, Rows: 1}
	q.Filters = []usage.Filter{{Group: usage.ByProject, Is: "team-1"}}
	one, err := l.Usage(t.Context(), q)
	if err != nil || len(one.Rows) != 1 || !one.More || one.Rows[0].Keys[0] != "team-1" || one.Total.Requests <= one.Rows[0].Requests {
		t.Errorf("%+v, %v", one, err)
	}
	q.From, q.Filters, q.By = Begin().Add(3*time.Hour+time.Minute), nil, nil // its hour, and those after it
	late, err := l.Usage(t.Context(), q)
	if err != nil || late.Total.Requests < 1300 || late.Total.Requests > 1700 || !late.From.Equal(Begin().Add(3*time.Hour)) {
		t.Errorf("%+v, %v", late.Total, err)
	}
	if _, err := l.Usage(t.Context(), usage.Query{Filters: []usage.Filter{{Group: usage.ByDay}}}); err == nil {
		t.Error("a day is no filter")
	}
}

// testPrices: what is counted has the price of its day.
func testPrices(t *testing.T, o ledger.Options) {
	l := Open(t, o)
	u := llm.Usage{Input: 1000, Output: 100}
	cost := func(day int, price *usage.Price, sum string) {
		t.Helper()
		e := usage.Entry{Began: Begin().Add(time.Duration(day) * time.Hour), Deployment: "m", Operation: usage.Chat, Usage: u}
		e.Cost, e.Saved, e.Priced = price.Cost(u, usage.Terms{})
		if err := l.CatchUp(t.Context(), one("prices", day+1, &e)); err != nil {
			t.Fatal(err)
		}
		if r := Report(t, l); r.Total.Cost.String() != sum {
			t.Errorf("after %d: %s, want %s", day+1, r.Total.Cost, sum)
		}
	}
	cost(0, &usage.Price{Prompt: 3_000_000, Completion: 15_000_000}, "0.0045")
	cost(1, &usage.Price{Prompt: 1_000_000, Completion: 5_000_000}, "0.006")
	if r := Report(t, l, usage.ByHour); len(r.Rows) != 2 || r.Rows[0].Cost.String() != "0.0045" || r.Rows[1].Cost.String() != "0.0015" {
		t.Errorf("%+v", r.Rows)
	}
}

func testMillions(t *testing.T, o ledger.Options) {
	l := Open(t, o)
	for i := range 3 {
		e := usage.Entry{Began: Begin(), Deployment: "m", Operation: usage.Chat, Cost: money.Max, Saved: -money.Max, Priced: true}
		if err := l.CatchUp(t.Context(), one("millions", i+1, &e)); err != nil {
			t.Fatal(err)
		}
	}
	if r := Report(t, l); r.Total.Cost.String() != "27670116.110564327421" || r.Total.Saved.String() != "-27670116.110564327421" {
		t.Errorf("%s, %s", r.Total.Cost, r.Total.Saved)
	}
}

func testAside(t *testing.T, o ledger.Options) {
	l := Open(t, o)
	outbox := &Outbox{Name: "aside", Notes: 10, Mangle: func(i int, note []byte) []byte {
		switch i {
		case 3:
			note[0] = 99
		case 7:
			return note[:20]
		}
		return note
	}}
	if err := l.CatchUp(t.Context(), outbox); err != nil {
		t.Fatal(err)
	}
	if state := l.State(); Report(t, l).Total.Requests != 8 || state.Counted != 8 || state.Aside != 2 {
		t.Errorf("%+v", state)
	}
}

func testNames(t *testing.T, o ledger.Options) {
	l := Open(t, o)
	long := string(make([]byte, 5000)) // zeros
	for i, name := range []string{"", "\x00", "a\xffb", "'; DROP TABLE usage_hours; --", "Ωñ漢?$1", long, long + "x"} {
		e := usage.Entry{
			Began: Begin(), Deployment: name, Instead: name, Model: name, Project: name, User: name, Upstream: name, Region: name, Terms: usage.Terms{Tier: name},
		}
		if err := l.CatchUp(t.Context(), one("names", i+1, &e)); err != nil {
			t.Fatalf("%d: %v", i, err)
		}
		r, err := l.Usage(t.Context(), usage.Query{
			From: Begin(), To: Begin().Add(time.Hour), Filters: []usage.Filter{{Group: usage.ByUser, Is: name}, {Group: usage.ByTier, Is: name}},
		})
		if err != nil || r.Total.Requests != 1 {
			t.Errorf("%d: %+v, %v", i, r.Total, err)
		}
	}
	for _, began := range []time.Time{{}, time.Unix(1<<50, 0)} {
		e := usage.Entry{Began: began, Usage: llm.Usage{Input: -5, Output: 1 << 62}}
		if err := l.CatchUp(t.Context(), one("times "+began.String()[:4], 1, &e)); err != nil {
			t.Error(err)
		}
	}
}

func testFollowers(t *testing.T, o ledger.Options) {
	const notes = 3_000
	outbox := &Outbox{Name: "shared", Notes: notes, Few: true}
	var all sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	ledgers := []*ledger.Ledger{Open(t, o), Open(t, o), Open(t, o)}
	for _, l := range ledgers {
		all.Go(func() {
			for outbox.Trimmed.Load() < notes && ctx.Err() == nil { // without the rests of Follow
				if err := l.CatchUp(ctx, outbox); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			}
			l.Follow(ctx, outbox)
		})
	}
	for outbox.Trimmed.Load() < notes {
		<-time.After(20 * time.Millisecond)
	}
	stop()
	all.Wait()
	Same(t, notes, Report(t, ledgers[0]).Total)
	counted := uint64(0)
	for _, l := range ledgers {
		counted += l.State().Counted
		if err := l.State().Err; err != nil {
			t.Error(err)
		}
	}
	if counted != notes {
		t.Errorf("%d were counted", counted)
	}
}
