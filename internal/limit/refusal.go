package limit

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"outcrop/internal/money"
)

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

// refusal is what a request is told that was not admitted: of tokens first, then of requests, then of costs, as DIAL
// Core looks at them.
func refusal(a *Ask, asked *Admission, v *Verdict) *Refusal {
	r := &Refusal{RetryAfter: max(v.RetryAfter, never(a, asked, v))}
	var over [Windows]bool
	what, used := "token", v.Used
	switch {
	case v.Tokens != over:
		over = v.Tokens
		r.Message = "Hit token rate limit." + each(used.Tokens, a.Limits.Tokens, " tokens", plain, Minute, Day, Week, Month)
		if need := asked.Need.Tokens; !asked.Loose && short(over, used.Tokens, a.Limits.Tokens) {
			r.Message += fmt.Sprintf(" This request may use %d tokens, the longest answer included: a lower max_tokens needs less.", need)
		}
	case v.Requests != over:
		what, over = "request", v.Requests
		r.Message = "Hit request rate limit." + each(used.Requests, a.Limits.Requests, " requests", plain, Hour, Day)
	case v.Cost != over:
		what, over = "cost", v.Cost
		r.Message = "Hit cost rate limit." + each(used.Cost, a.Limits.Cost, "", dollars, Minute, Day, Week, Month)
		if need := asked.Need.Cost; !asked.Loose && short(over, used.Cost, a.Limits.Cost) {
			r.Message += fmt.Sprintf(" This request may cost $%s, the longest answer included: a lower max_tokens costs less.", need)
		}
	default:
		r.Concurrent = true
		r.Message = fmt.Sprintf("Too many requests at a time: %d are running, as many as may. Wait for one to end.", a.Concurrent)
		r.Display = "You've too many requests running"
		return r
	}
	r.Display = "You've exceeded your " + windowsOf(over) + " " + what + " limit"
	return r
}

// never is when to come back with a request that needs more than a window ever has, and may need less then: when the
// window is another one. At once it would be refused again.
func never(a *Ask, asked *Admission, v *Verdict) (after time.Duration) {
	for w := range Windows {
		tokens := v.Tokens[w] && asked.Need.Tokens > a.Limits.Tokens[w]
		if cost := v.Cost[w] && asked.Need.Cost > a.Limits.Cost[w]; !tokens && !cost || asked.Loose {
			continue
		}
		left := time.Minute
		if Window(w) >= Day {
			left = asked.Moment.End[w].Sub(asked.Moment.Now)
		}
		after = max(after, left)
	}
	return after
}

// short says whether there is room left in each window that is over: for a request that needs less.
func short[N int64 | money.Amount](over [Windows]bool, used, limits [Windows]N) bool {
	for w := range Windows {
		if over[w] && used[w] >= limits[w] {
			return false
		}
	}
	return true
}

// each tells windows as DIAL Core does: " Minute limit: 120 / 100 tokens. Day limit: …".
func each[N int64 | money.Amount](used, limits [Windows]N, unit string, show func(N) string, windows ...Window) string {
	var b strings.Builder
	for _, w := range windows {
		fmt.Fprintf(&b, " %s limit: %s / %s%s.", [...]string{"Minute", "Hour", "Day", "Week", "Month"}[w], show(used[w]), show(limits[w]), unit)
	}
	return b.String()
}

func plain(n int64) string { return strconv.FormatInt(n, 10) }

// dollars is an amount in American currency format, to the cent: $1,234.56.
func dollars(a money.Amount) string {
	if a == money.Max {
		return "$9,223,372,036,854,775,807.00" // what DIAL Core writes of no limit
	}
	cents := int64(a.Part(100, 1) / money.Dollar)
	if a > money.Max/100 {
		cents = int64(a / (money.Dollar / 100))
	}
	whole := strconv.FormatInt(cents/100, 10)
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	return fmt.Sprintf("$%s.%02d", whole, cents%100)
}

// windowsOf names windows for users, the longest first.
func windowsOf(over [Windows]bool) string {
	var names []string
	for w := Month + 1; w > 0; w-- {
		if over[w-1] {
			names = append(names, [...]string{"minute", "hourly", "daily", "weekly", "monthly"}[w-1])
		}
	}
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
