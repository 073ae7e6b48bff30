package limit

import (
	"context"
	"crypto/rand"
	"time"

	"outcrop/internal/money"
)

// Options make a Limiter.
type Options struct {
	Store    Store
	Schedule Schedule
	// Loose admits what is below its limits, as DIAL Core does, and reserves nothing: a burst may go beyond them.
	Loose bool
	// Slack is how far beyond a limit use may go, as a part of it: 0.1 is a tenth.
	Slack float64
	// AdmitWhenDown admits requests while the store cannot be asked; else they are refused.
	AdmitWhenDown bool
	// Now is the time; nil is time.Now.
	Now func() time.Time
}

// Limiter admits requests and counts what they use. A nil Limiter admits all and counts nothing.
type Limiter struct {
	options Options
}

// New returns a limiter.
func New(o Options) *Limiter { return &Limiter{o} }

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
}

// Admit gives a request its place. The error is a *Refusal, or tells why the store could not be asked.
func (l *Limiter) Admit(_ context.Context, a *Ask) (*Ticket, error) {
	if l == nil {
		return nil, nil //nolint:nilnil // no ticket is needed
	}
	return &Ticket{limiter: l, id: rand.Text(), account: a.Account, held: a.Estimate}, nil
}

// Settle counts what a request used, once: tokens and money. The note goes into the outbox in the same step. It does
// not wait. False is when the store can keep no more: what was used is then counted nowhere.
func (t *Ticket) Settle(spent Amounts, note []byte) bool {
	if t == nil {
		return true
	}
	return t.limiter.options.Store.Settle(&Settlement{Account: t.account, Ticket: t.id, Reserved: t.held, Spent: spent, Note: note})
}

// Count is Settle for what had no ticket: nothing limits it.
func (l *Limiter) Count(a Account, spent Amounts, note []byte) bool {
	if l == nil {
		return true
	}
	return l.options.Store.Settle(&Settlement{Account: a, Spent: spent, Note: note})
}

// Used is what accounts have used now, and when the windows end, in their order.
func (l *Limiter) Used(ctx context.Context, accounts ...Account) ([]Used, Moment, error) {
	at := l.options.Schedule.Moment(l.now())
	used, err := l.options.Store.Read(ctx, at, accounts)
	return used, at, err
}

func (l *Limiter) now() time.Time {
	if l.options.Now != nil {
		return l.options.Now()
	}
	return time.Now()
}

// Refusal is the error of a request that is over a limit.
type Refusal struct {
	// Denied says that a limit is 0 or below: nobody comes in (DIAL's 403). Else it is too much (429).
	Denied bool
	// Message is DIAL's, with the numbers; Display is for users, without.
	Message, Display string
	RetryAfter       time.Duration
	// Concurrent says that the caller has too many requests running.
	Concurrent bool
}

func (r *Refusal) Error() string { return r.Message }

// Schedule says when the calendar's windows begin.
type Schedule struct {
	Zone      *time.Location // nil is UTC
	WeekStart time.Weekday   // Sunday is the zero value: DIAL's default is Monday
	Reset     time.Duration  // of the day, after midnight
}

// Moment is that time in the windows of the schedule.
func (s Schedule) Moment(now time.Time) Moment { return Moment{Now: now} }

// Rules are the limits of roles. They never change.
type Rules struct {
	// Roles by name. "default" is of callers none of whose roles states anything for a deployment.
	Roles map[string]Role
}

// Role is what one role states. What it does not state is not in Deployments, or Unlimited there.
type Role struct {
	Deployments map[string]Limits // tokens and requests, by deployment or route
	Cost        [Windows]money.Amount
	// Concurrent is how many requests one caller may have running; 0 is not stated.
	Concurrent int
}

// For are the limits of a caller with these roles at a deployment that only some roles may use (nil: all): of each
// window the most generous of the roles.
func (r *Rules) For(_, _ []string, _ string) (Limits, int) { return None(), 0 }
