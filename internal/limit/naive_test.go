package limit

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"outcrop/internal/money"
)

// naive counts as plainly as can be: it remembers all uses, and adds up those that are within a window.
type naive struct {
	schedule Schedule
	uses     []naiveUse
	open     []*Admission
}

type naiveUse struct {
	Account
	at    time.Time
	spent Amounts
}

// used is what an account has used at that time, with what is reserved.
func (n *naive) used(key Account, at time.Time) (u Used) {
	m := n.schedule.Moment(at)
	within := func(w Window, when time.Time) bool {
		switch w {
		case Minute:
			return when.Unix() > at.Unix()-buckets
		case Hour:
			return when.Unix()/60 > at.Unix()/60-buckets
		default:
			return !when.Before(m.Start[w])
		}
	}
	for w := range Windows {
		for _, use := range n.uses {
			if use.Caller != key.Caller || !within(Window(w), use.at) {
				continue
			}
			if u.Cost[w] += use.spent.Cost; use.Deployment == key.Deployment {
				u.Tokens[w], u.Requests[w] = u.Tokens[w]+use.spent.Tokens, u.Requests[w]+use.spent.Requests
			}
		}
		for _, a := range n.open {
			if a.Caller != key.Caller || a.Loose {
				continue
			}
			if u.Cost[w] += a.Need.Cost; a.Deployment == key.Deployment {
				u.Tokens[w] += a.Need.Tokens
			}
		}
	}
	// Tokens and costs know no hour, requests nothing but the hour and the day.
	u.Tokens[Hour], u.Cost[Hour] = 0, 0
	u.Requests[Minute], u.Requests[Week], u.Requests[Month] = 0, 0, 0
	return u
}

// admits says whether there is room at that time.
func (n *naive) admits(a *Admission, at time.Time) bool {
	fits := func(used, need, limit int64) bool {
		return limit == Unlimited || used < limit && (a.Loose || used+need <= limit)
	}
	u, running := n.used(a.Account, at), 0
	for _, other := range n.open {
		if other.Caller == a.Caller {
			running++
		}
	}
	ok := a.Concurrent == 0 || running < a.Concurrent
	for w := range Windows {
		ok = ok && fits(u.Tokens[w], a.Need.Tokens, a.Limits.Tokens[w]) && fits(u.Requests[w], a.Need.Requests, a.Limits.Requests[w]) &&
			fits(int64(u.Cost[w]), int64(a.Need.Cost), int64(a.Limits.Cost[w]))
	}
	return ok
}

// possible says whether there is ever room.
func possible(a *Admission) bool {
	for w := range Windows {
		if !a.Loose && (a.Need.Tokens > a.Limits.Tokens[w] || a.Need.Cost > a.Limits.Cost[w]) {
			return false
		}
	}
	return true
}

// player does the same to the memory and to the naive count.
type player struct {
	t       *testing.T
	memory  *Memory
	naive   naive
	now     time.Time
	moves   []byte
	tickets int
}

// pick is one of so many, as the moves say.
func (p *player) pick(n int) int {
	if len(p.moves) == 0 {
		return 0
	}
	b := int(p.moves[0])
	p.moves = p.moves[1:]
	return b % n
}

func (p *player) play() {
	zones := [...]string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"}
	p.naive.schedule = Schedule{Zone: zone(p.t, zones[p.pick(len(zones))]), WeekStart: time.Weekday(p.pick(7)), Reset: time.Duration(p.pick(48)) * 30 * time.Minute}
	p.memory = NewMemory(nil)
	p.now = time.Date(2028, time.Month(1+p.pick(12)), 1+p.pick(28), p.pick(24), p.pick(60), p.pick(60), 0, time.UTC)
	for len(p.moves) > 0 && !p.t.Failed() {
		switch p.pick(4) {
		case 0:
			p.admit()
		case 1:
			p.settle()
		case 2:
			s := Settlement{Account: p.account(), Moment: p.naive.schedule.Moment(p.now), Spent: p.amounts()}
			p.memory.Settle(&s)
			p.naive.uses = append(p.naive.uses, naiveUse{s.Account, p.now, s.Spent})
		default:
			p.now = p.now.Add([...]time.Duration{
				0, 400 * time.Millisecond, time.Second, 29 * time.Second, time.Minute, time.Minute + time.Second, 10 * time.Minute,
				59*time.Minute + 59*time.Second, time.Hour, 11 * time.Hour, 24 * time.Hour, 6 * 24 * time.Hour, 30 * 24 * time.Hour, 100 * 24 * time.Hour,
			}[p.pick(14)])
		}
		p.compare()
	}
}

func (p *player) account() Account {
	return Account{Caller: strconv.Itoa(p.pick(2)), Deployment: strconv.Itoa(p.pick(2))}
}

func (p *player) amounts() Amounts {
	sizes := [...]int64{0, 1, 2, 10, 49, 50, 51, 1<<53 + 1}
	return Amounts{Tokens: sizes[p.pick(len(sizes))], Requests: int64(p.pick(2)), Cost: money.Amount(sizes[p.pick(len(sizes))])}
}

func (p *player) admit() {
	limits, windows := None(), p.pick(64)
	sizes := [...]int64{1, 50, 100, 1 << 54, Unlimited - 1}
	for i, limit := range [...]*int64{&limits.Tokens[Minute], &limits.Tokens[Day], &limits.Tokens[Month], &limits.Requests[Hour], &limits.Requests[Day]} {
		if windows>>i&1 == 1 {
			*limit = sizes[p.pick(len(sizes))]
		}
	}
	if windows>>5 == 1 {
		limits.Cost[[...]Window{Minute, Day, Week, Month}[p.pick(4)]] = money.Amount(sizes[p.pick(len(sizes))])
	}
	p.tickets++
	a := &Admission{
		Account: p.account(), Ticket: strconv.Itoa(p.tickets), Moment: p.naive.schedule.Moment(p.now), Limits: limits, Need: p.amounts(),
		Loose: p.pick(4) == 0, Concurrent: p.pick(4),
	}
	a.Need.Requests = 1
	used, want := p.naive.used(a.Account, p.now), p.naive.admits(a, p.now)
	v, err := p.memory.Admit(p.t.Context(), a)
	if err != nil || v.Admitted != want || v.Used != used {
		p.t.Fatalf("at %v %+v\ngot  %+v, %v\nwant %v, %+v", p.now, a, v, err, want, used)
	}
	if want {
		p.naive.uses = append(p.naive.uses, naiveUse{a.Account, p.now, Amounts{Requests: 1}})
		p.naive.open = append(p.naive.open, a)
		return
	}
	p.wait(a, &v)
}

// wait checks when it may come back: when there is room if nothing else happens, and not long before. Loose is
// told of room for all it needs as well, though it comes in with less.
func (p *player) wait(a *Admission, v *Verdict) {
	if v.RetryAfter < soon {
		p.t.Fatalf("%+v: come back after %v", a, v.RetryAfter)
	}
	idle := p.naive
	idle.open = nil
	if possible(a) && !idle.admits(a, p.now.Add(v.RetryAfter)) {
		p.t.Fatalf("at %v %+v\nno room after %v: %+v", p.now, a, v.RetryAfter, idle.used(a.Account, p.now.Add(v.RetryAfter)))
	}
	if possible(a) && !a.Loose && v.RetryAfter > soon && idle.admits(a, p.now.Add(v.RetryAfter-time.Second)) {
		p.t.Fatalf("at %v %+v\nthere is room a second before %v", p.now, a, v.RetryAfter)
	}
}

func (p *player) settle() {
	if len(p.naive.open) == 0 {
		return
	}
	i := p.pick(len(p.naive.open))
	a, spent := p.naive.open[i], p.amounts()
	p.naive.open = append(append([]*Admission(nil), p.naive.open[:i]...), p.naive.open[i+1:]...)
	s := Settlement{Account: a.Account, Ticket: a.Ticket, Moment: p.naive.schedule.Moment(p.now), Spent: spent}
	if !a.Loose {
		s.Reserved = Amounts{Tokens: a.Need.Tokens, Cost: a.Need.Cost}
	}
	s.Spent.Requests = 0
	p.memory.Settle(&s)
	p.naive.uses = append(p.naive.uses, naiveUse{a.Account, p.now, s.Spent})
}

func (p *player) compare() {
	for i := range 4 {
		key := Account{strconv.Itoa(i / 2), strconv.Itoa(i % 2)}
		if got, want := usedOf(p.t, p.memory, p.naive.schedule.Moment(p.now), key), p.naive.used(key, p.now); got != want {
			p.t.Fatalf("at %v %v\ngot  %+v\nwant %+v", p.now, key, got, want)
		}
	}
}

// TestMemoryIsNaive: whatever is asked, admitted and settled, the memory counts as one does who remembers every use.
func TestMemoryIsNaive(t *testing.T) {
	for seed := range uint64(300) {
		random, moves := rand.New(rand.NewPCG(seed, 2)), make([]byte, 2000)
		for i := range moves {
			moves[i] = byte(random.Uint32())
		}
		t.Run(fmt.Sprint(seed), func(t *testing.T) { (&player{t: t, moves: moves}).play() })
	}
}

func FuzzMemoryIsNaive(f *testing.F) {
	f.Add([]byte("what is asked, admitted and settled, one after the other and at once"))
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8, 0, 63, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 0, 1, 2, 0, 0, 1, 3, 12, 2, 0, 0, 1, 1, 1})
	f.Fuzz(func(t *testing.T, moves []byte) { (&player{t: t, moves: moves[:min(len(moves), 3000)]}).play() })
}
