package limit

import (
	"context"
	"math"
	"time"

	"outcrop/internal/money"
)

// Window is a span of time in which use is limited.
type Window uint8

// The windows. A minute and an hour go with the time (60 buckets of a second, of a minute), a day, a week and a month
// are of the calendar: see Schedule.
const (
	Minute Window = iota
	Hour
	Day
	Week
	Month
	Windows int = iota // how many there are
)

// Unlimited is the limit of a window that has none.
const Unlimited = math.MaxInt64

// Limits bound what one caller uses of one deployment, by window. Tokens know no hour, Requests only the hour and the
// day, and Cost, which is over all deployments, no hour. What is not bounded is Unlimited (of Cost: money.Max).
type Limits struct {
	Tokens, Requests [Windows]int64
	Cost             [Windows]money.Amount
}

// None bounds nothing.
func None() Limits {
	var l Limits
	for w := range Windows {
		l.Tokens[w], l.Requests[w], l.Cost[w] = Unlimited, Unlimited, money.Max
	}
	return l
}

// Amounts are what a request uses.
type Amounts struct {
	Tokens, Requests int64
	Cost             money.Amount
}

// Account is whose use is counted: tokens and requests by caller and deployment, cost and running requests by caller.
type Account struct{ Caller, Deployment string }

// Moment is a time, and when the calendar's windows around it began and end. Fixed windows of minutes and hours have
// no bounds there.
type Moment struct {
	Now   time.Time
	Start [Windows]time.Time
	End   [Windows]time.Time
}

// Admission asks for a place for a request.
type Admission struct {
	Account
	Ticket string // unique
	Moment Moment
	// Limits are those that count, any slack included: a request is admitted if what is used, what is reserved and
	// Need together are within all of them. With Loose it is if what is used is below all of them (DIAL's rule), and
	// nothing is reserved.
	Limits Limits
	Loose  bool
	// Need is reserved until the settlement, but for its Requests, which count at once and stay.
	Need Amounts
	// Concurrent is how many tickets the caller may hold at a time; 0 is without bound.
	Concurrent int
	// Note is written down as a settlement's, if whoever has the ticket is lost without one. What was needed counts
	// as used then.
	Note []byte
}

// Verdict is the answer.
type Verdict struct {
	Admitted bool
	// Over are the windows that have no room, by what they count.
	Tokens, Requests, Cost [Windows]bool
	Concurrent             bool // too many at a time
	// Used is what is used and reserved in each window, without this request.
	Used Used
	// RetryAfter is when the latest of those windows has room for Need, or for anything if Need is beyond its limit;
	// of tickets that are too many, a second.
	RetryAfter time.Duration
}

// Used is what is used, by window.
type Used struct {
	Tokens, Requests [Windows]int64
	Cost             [Windows]money.Amount
}

// Settlement ends a ticket, or counts what needed none.
type Settlement struct {
	Account
	Ticket   string // "" for none
	Moment   Moment
	Reserved Amounts // the Need of its admission; zero with Loose
	// Spent are tokens and money, and requests that were not counted at an admission.
	Spent Amounts
	// Note goes into the outbox in the same step; nil is none.
	Note []byte
}

// Store keeps the counters. limittest checks that all stores count alike.
type Store interface {
	// Admit decides and reserves in one step. An error means that the store could not be asked.
	Admit(ctx context.Context, a *Admission) (Verdict, error)
	// Settle counts. It does not wait: the store keeps what it is given, until it is counted, over a failure of
	// what is behind it. It says false when it can keep no more, or is closed: that settlement is lost.
	Settle(s *Settlement) bool
	// Read is what the accounts have used now, in their order.
	Read(ctx context.Context, at Moment, accounts []Account) ([]Used, error)
	// Close counts what it still holds, as long as the context lasts.
	Close(ctx context.Context) error
}
