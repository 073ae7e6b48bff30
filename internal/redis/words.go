package redis

import (
	"strconv"
	"strings"
	"time"

	"outcrop/internal/limit"
	"outcrop/internal/money"
)

// counted are the windows that a limit can have, in the order of the scripts.
type counted struct {
	tokens   [4]limit.Window
	requests [2]limit.Window
	cost     [4]limit.Window
}

func countedWindows() counted {
	return counted{
		tokens:   [4]limit.Window{limit.Minute, limit.Day, limit.Week, limit.Month},
		requests: [2]limit.Window{limit.Hour, limit.Day},
		cost:     [4]limit.Window{limit.Minute, limit.Day, limit.Week, limit.Month},
	}
}

// appendMoment adds the time and the starts of its windows, in seconds.
func appendMoment(b []byte, at *limit.Moment) []byte {
	b = appendWord(b, at.Now.Unix())
	for _, w := range [...]limit.Window{limit.Day, limit.Week, limit.Month} {
		b = appendWord(b, at.Start[w].Unix())
	}
	return b
}

// lifetime is how long counters have to live, in seconds: until the last of the windows is over (a week may be it), and
// a day for clocks that differ.
func lifetime(at *limit.Moment) int64 {
	const day, most = 24 * 60 * 60, 40 * 24 * 60 * 60
	now, left := at.Now.Unix(), int64(0)
	for _, w := range [...]limit.Window{limit.Day, limit.Week, limit.Month} {
		if end := at.End[w]; end.IsZero() {
			left = most
		} else {
			left = max(left, end.Unix()-now)
		}
	}
	return min(left, most) + day
}

// appendAdmission adds the numbers of an admission: see admit.lua.
func appendAdmission(b []byte, a *limit.Admission) []byte {
	b = appendMoment(b, &a.Moment)
	b = appendWord(b, lifetime(&a.Moment))
	loose := int64(0)
	if a.Loose {
		loose = 1
	}
	b = appendWord(b, loose)
	b = appendAmounts(b, &a.Need)
	b = appendWord(b, int64(a.Concurrent))
	windows := countedWindows()
	for _, w := range windows.tokens {
		b = appendLimit(b, a.Limits.Tokens[w])
	}
	for _, w := range windows.requests {
		b = appendLimit(b, a.Limits.Requests[w])
	}
	for _, w := range windows.cost {
		b = appendLimit(b, int64(a.Limits.Cost[w]))
	}
	return b
}

func appendAmounts(b []byte, a *limit.Amounts) []byte {
	b = appendWord(b, max(0, a.Tokens))
	b = appendWord(b, max(0, a.Requests))
	return appendWord(b, max(0, int64(a.Cost)))
}

func appendLimit(b []byte, n int64) []byte {
	if n == limit.Unlimited {
		return append(b, "- "...)
	}
	return appendWord(b, max(0, n))
}

func appendWord(b []byte, n int64) []byte { return append(strconv.AppendInt(b, n, 10), ' ') }

// appendRecord adds what is kept of an open ticket: what is reserved (settle.lua reads it), what counts if it is lost,
// when, whose it is, and its note.
func appendRecord(b []byte, a *limit.Admission) []byte {
	tokens, cost := max(0, a.Need.Tokens), max(0, int64(a.Need.Cost))
	if a.Loose {
		b = append(b, "0 0 "...)
	} else {
		b = appendWord(appendWord(b, tokens), cost)
	}
	b = appendWord(appendWord(b, tokens), cost)
	b = appendMoment(b, &a.Moment)
	b = appendWord(b, lifetime(&a.Moment))
	b = appendWord(appendWord(b, int64(len(a.Caller))), int64(len(a.Deployment)))
	b = append(append(b, a.Caller...), a.Deployment...)
	return append(b, a.Note...)
}

// record is what a replica can tell of another's ticket.
type record struct {
	limit.Account
	need limit.Amounts
	// moment are the words of appendMoment and the lifetime.
	moment string
	note   string
}

// readRecord reads appendRecord's.
func readRecord(text string) (r record, ok bool) {
	var n [11]int64
	rest := text
	for i := range n {
		if i == 4 {
			r.moment = rest
		}
		if i == 9 {
			r.moment = r.moment[:len(r.moment)-len(rest)]
		}
		if !readWord(&rest, &n[i]) {
			return r, false
		}
	}
	if n[9] < 0 || n[10] < 0 || n[9] > int64(len(rest)) || n[10] > int64(len(rest))-n[9] {
		return r, false
	}
	r.need.Tokens, r.need.Cost = n[2], money.Amount(n[3])
	r.Caller, r.Deployment, r.note = rest[:n[9]], rest[n[9]:n[9]+n[10]], rest[n[9]+n[10]:]
	return r, true
}

// verdict reads the answer of admit.lua.
func verdict(answer string, a *limit.Admission) (v limit.Verdict, ok bool) {
	var admitted, concurrent int64
	if !readWord(&answer, &admitted) || !readWord(&answer, &concurrent) {
		return v, false
	}
	marks, answer, _ := strings.Cut(answer, " ")
	if len(marks) != 10 || !readUsed(&answer, &v.Used) {
		return v, false
	}
	v.Admitted, v.Concurrent = admitted == 1, concurrent == 1
	if v.Admitted {
		return v, true
	}
	var rooms [3]int64
	for i := range rooms {
		if !readWord(&answer, &rooms[i]) {
			return v, false
		}
	}
	apart(&v, marks)
	v.RetryAfter = retryAfter(marks, &a.Moment, rooms)
	return v, true
}

// apart tells which limits have no room.
func apart(v *limit.Verdict, marks string) {
	windows := countedWindows()
	for i, w := range windows.tokens {
		v.Tokens[w] = marks[i] != '.'
	}
	for i, w := range windows.requests {
		v.Requests[w] = marks[4+i] != '.'
	}
	for i, w := range windows.cost {
		v.Cost[w] = marks[6+i] != '.'
	}
}

// soon is when requests that run now may have ended.
const soon = time.Second

// retryAfter is when the latest of the windows has room, were it not for what is reserved: that may be given back at
// any time. The rooms are when the minute of tokens (s), the hour of requests (min) and the minute of cost (s) have.
func retryAfter(marks string, at *limit.Moment, rooms [3]int64) time.Duration {
	latest := soon
	until := func(t time.Time) { latest = max(latest, t.Sub(at.Now)) }
	for i, unit := range [...]int64{1, 60, 1} {
		if rooms[i] > 0 {
			until(time.Unix(unit*rooms[i], 0))
		}
	}
	windows := countedWindows()
	for i, w := range windows.tokens {
		if w != limit.Minute && (marks[i] == 'x' || marks[6+i] == 'x') {
			until(at.End[w])
		}
	}
	if marks[5] == 'x' {
		until(at.End[limit.Day])
	}
	return latest
}

// readUsed reads what used of common.lua wrote, and leaves what follows.
func readUsed(text *string, u *limit.Used) bool {
	windows := countedWindows()
	for _, w := range windows.tokens {
		if !readWord(text, &u.Tokens[w]) {
			return false
		}
	}
	for _, w := range windows.requests {
		if !readWord(text, &u.Requests[w]) {
			return false
		}
	}
	for _, w := range windows.cost {
		if !readWord(text, (*int64)(&u.Cost[w])) {
			return false
		}
	}
	return true
}

// readWord reads a number and the space after it. One that does not fit is the largest.
func readWord(text *string, n *int64) bool {
	word, rest, _ := strings.Cut(*text, " ")
	*text = rest
	parsed, err := strconv.ParseInt(word, 10, 64)
	*n = parsed // the largest, if it is out of range
	return err == nil || word != "" && strings.Trim(word, "0123456789") == ""
}
