package limit

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"sync/atomic"
	"time"

	"outcrop/internal/money"
)

// Options make a Limiter.
type Options struct {
	Store Store
	// Loose admits what is below its limits, as DIAL Core does, and reserves nothing: a burst may go beyond them.
	Loose bool
	// Slack is how far beyond a limit use may go, as a part of it: 0.1 is a tenth.
	Slack float64
	// AdmitWhenDown admits requests while the store cannot be asked; else they are refused.
	AdmitWhenDown bool
	// Always gives requests without limits a place too, so that they are accounted for when the process is killed. They are
	// admitted whatever the store says.
	Always bool
	// ID is before the names of tickets, which are unique among all replicas then.
	ID string
	// Log is told when the store goes away and comes back; nil for nobody.
	Log *slog.Logger
	// Now is the time; nil is time.Now.
	Now func() time.Time
}

// Limiter admits requests and counts what they use. A nil Limiter admits all and counts nothing. It is safe for
// concurrent use.
type Limiter struct {
	options  Options
	schedule atomic.Pointer[Schedule]
	known    atomic.Pointer[knownMoment]
	tickets  atomic.Uint64
	down     atomic.Pointer[string] // why the store cannot be asked; nil while it can
	running  atomic.Int64
	// admitted and refused are requests without the store.
	admitted, refused atomic.Uint64
}

// New returns a limiter whose days begin at midnight UTC.
func New(o Options) *Limiter {
	l := &Limiter{options: o}
	l.Keep(Schedule{WeekStart: time.Monday})
	return l
}

// knownMoment is the last moment that was worked out, and by which schedule.
type knownMoment struct {
	Moment
	by *Schedule
}

// Keep puts a schedule in the place of the one before.
func (l *Limiter) Keep(s Schedule) {
	if l != nil {
		l.schedule.Store(&s)
	}
}

// State is how it stands with a limiter.
type State struct {
	Down    string // why the store cannot be asked, "" while it can
	Running int    // requests that are admitted and not settled
	// Admitted and Refused are how many requests were, without the store, while it could not be asked.
	Admitted, Refused uint64
}

// State is how it stands now.
func (l *Limiter) State() State {
	if l == nil {
		return State{}
	}
	s := State{Running: int(l.running.Load()), Admitted: l.admitted.Load(), Refused: l.refused.Load()}
	if why := l.down.Load(); why != nil {
		s.Down = *why
	}
	return s
}

// Always says whether requests without limits want a place too.
func (l *Limiter) Always() bool { return l != nil && l.options.Always }

// Ask is a request that wants to be admitted.
type Ask struct {
	Account
	// Limits are those of its caller's roles: see Rules.For.
	Limits Limits
	// Estimate is what it may use at most: the tokens of its prompt and of the longest answer, and their price.
	Estimate Amounts
	// Concurrent is how many requests the caller may have running; 0 is without bound.
	Concurrent int
	// Only asks whether there is room: nothing is counted or reserved (a translator's first hop).
	Only bool
	// Note is written down if the process is killed before the settlement.
	Note []byte
}

// Ticket is the place of a request that was admitted. A nil Ticket is of a request that needs none.
type Ticket struct {
	limiter *Limiter
	id      string
	account Account
	held    Amounts
	counted bool // its request has been
	settled atomic.Bool
}

// Admit gives a request its place. The error is a *Refusal or an *Unavailable.
func (l *Limiter) Admit(ctx context.Context, a *Ask) (*Ticket, error) {
	if l == nil {
		return nil, nil //nolint:nilnil // no ticket is needed
	}
	if a.Limits.closed() {
		return nil, &Refusal{Denied: true, Message: "Access denied"}
	}
	admission := Admission{
		Account: a.Account, Moment: l.now(), Limits: l.slack(a.Limits), Loose: l.options.Loose, Need: a.Estimate, Concurrent: a.Concurrent, Note: a.Note,
	}
	admission.Need = admission.Need.real()
	admission.Need.Requests = 1
	v, err := l.ask(ctx, &admission, a.Only)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil && (l.options.AdmitWhenDown || a.Limits == None() && a.Concurrent == 0):
		l.away(err)
		l.admitted.Add(1)
		if a.Only {
			return nil, nil //nolint:nilnil // no ticket is needed
		}
		l.running.Add(1)
		return &Ticket{limiter: l, account: a.Account}, nil
	case err != nil:
		l.refused.Add(1)
		l.away(err)
		return nil, &Unavailable{err}
	}
	l.back()
	if !v.Admitted {
		return nil, refusal(a, &admission, &v)
	}
	if a.Only {
		return nil, nil //nolint:nilnil // no ticket is needed
	}
	l.running.Add(1)
	t := &Ticket{limiter: l, id: admission.Ticket, account: a.Account, held: admission.Need, counted: true}
	if t.held.Requests = 0; l.options.Loose {
		t.held = Amounts{}
	}
	return t, nil
}

// ask asks the store: whether there is room alone, or for a place.
func (l *Limiter) ask(ctx context.Context, a *Admission, only bool) (v Verdict, err error) {
	if !only {
		a.Ticket = l.options.ID + strconv.FormatUint(l.tickets.Add(1), 36)
		return l.options.Store.Admit(ctx, a)
	}
	used, err := l.options.Store.Read(ctx, a.Moment, []Account{a.Account})
	if err != nil {
		return v, err
	}
	v = Verdict{Admitted: true, Used: used[0], RetryAfter: soon}
	v.judge(a)
	for w := Day; w <= Month; w++ {
		if v.Tokens[w] || v.Requests[w] || v.Cost[w] {
			v.RetryAfter = max(v.RetryAfter, a.Moment.End[w].Sub(a.Moment.Now)) // a month may end before its week
		}
	}
	return v, nil
}

// closed says whether a limit admits nothing.
func (l *Limits) closed() bool {
	for w := range Windows {
		if l.Tokens[w] <= 0 || l.Requests[w] <= 0 || l.Cost[w] <= 0 {
			return true
		}
	}
	return false
}

// slack are the limits with what use may go beyond them.
func (l *Limiter) slack(limits Limits) Limits {
	if !(l.options.Slack > 0) { // nor if it is no number
		return limits
	}
	more := func(n int64) int64 {
		part := float64(n) * l.options.Slack
		if part >= math.MaxInt64 {
			return Unlimited
		}
		return plus(n, int64(part))
	}
	for w := range Windows {
		limits.Tokens[w], limits.Requests[w] = more(limits.Tokens[w]), more(limits.Requests[w])
		limits.Cost[w] = money.Amount(more(int64(limits.Cost[w])))
	}
	return limits
}

// away notes that the store cannot be asked.
func (l *Limiter) away(err error) {
	why := err.Error()
	if l.down.CompareAndSwap(nil, &why) && l.options.Log != nil {
		policy := "refused"
		if l.options.AdmitWhenDown {
			policy = "admitted"
		}
		l.options.Log.Error("the store of limits cannot be asked: until it can, limits.whenStoreDown says what becomes of requests with limits", "they_are", policy, "error", err)
	}
}

// back notes that the store answers.
func (l *Limiter) back() {
	if l.down.Load() == nil {
		return
	}
	if l.down.Swap(nil) != nil && l.options.Log != nil {
		l.options.Log.Info("the store of limits answers again")
	}
}

// Settle counts what a request used, once: tokens and money. The note goes into the outbox in the same step. It does
// not wait. False is when the store can keep no more: what was used is then counted nowhere.
func (t *Ticket) Settle(spent Amounts, note []byte) bool {
	if t == nil || !t.settled.CompareAndSwap(false, true) {
		return true
	}
	t.limiter.running.Add(-1)
	spent = spent.real()
	spent.Requests = 0
	if !t.counted { // it was admitted while the store was away
		spent.Requests = 1
	}
	return t.limiter.options.Store.Settle(&Settlement{
		Account: t.account, Ticket: t.id, Moment: t.limiter.now(), Reserved: t.held, Spent: spent, Note: note,
	})
}

// Count is Settle for what had no ticket: nothing limits it.
func (l *Limiter) Count(a Account, spent Amounts, note []byte) bool {
	if l == nil {
		return true
	}
	return l.options.Store.Settle(&Settlement{Account: a, Moment: l.now(), Spent: spent.real(), Note: note})
}

// real is the amounts without what is below zero, which no request uses: it would give its caller room.
func (a Amounts) real() Amounts {
	return Amounts{max(a.Tokens, 0), max(a.Requests, 0), max(a.Cost, 0)}
}

// Used is what accounts have used now, and when the windows end, in their order.
func (l *Limiter) Used(ctx context.Context, accounts ...Account) ([]Used, Moment, error) {
	if l == nil {
		return make([]Used, len(accounts)), Schedule{WeekStart: time.Monday}.Moment(time.Now()), nil
	}
	at := l.now()
	used, err := l.options.Store.Read(ctx, at, accounts)
	if err != nil {
		return nil, at, &Unavailable{err}
	}
	return used, at, nil
}

// now is the moment. The windows are worked out anew when one of them ends.
func (l *Limiter) now() Moment {
	now := time.Now()
	if l.options.Now != nil {
		now = l.options.Now()
	}
	by := l.schedule.Load()
	if known := l.known.Load(); known != nil && known.by == by && !now.Before(known.Start[Day]) && now.Before(known.End[Day]) {
		m := known.Moment
		m.Now = now
		return m
	}
	m := by.Moment(now)
	l.known.Store(&knownMoment{m, by})
	return m
}

// Unavailable is the error of a store that cannot be asked, while the policy is to refuse.
type Unavailable struct{ Err error }

func (u *Unavailable) Error() string {
	return fmt.Sprintf("the store of limits cannot be asked: %v", u.Err)
}

func (u *Unavailable) Unwrap() error { return u.Err }
