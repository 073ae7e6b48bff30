package limit

import (
	"context"
	"hash/maphash"
	"sync"
	"time"

	"outcrop/internal/money"
)

// Appender takes the notes of settlements.
type Appender interface {
	Append(note []byte) error
}

// shards keep callers apart, so that one does not wait for another.
const shards = 64

// sweepEvery is how often a shard forgets the accounts that hold nothing any more.
const sweepEvery = 10 * time.Minute

// Memory is a Store of this process. What it holds goes with it. It is safe for concurrent use.
type Memory struct {
	seed  maphash.Seed
	notes Appender // nil for nobody
	all   [shards]shard
}

type shard struct {
	mu       sync.Mutex
	accounts map[Account]*accountUse
	callers  map[string]*callerUse
	swept    time.Time
}

// accountUse is what a caller uses of a deployment.
type accountUse struct {
	minute   rolling // tokens
	tokens   [Windows]calendar
	hour     rolling // requests
	requests calendar
	reserved int64
}

// callerUse is what a caller uses of all.
type callerUse struct {
	minute   rolling // cost
	cost     [Windows]calendar
	reserved int64
	running  int
}

// NewMemory returns a store without counts, whose notes go there, or nowhere.
func NewMemory(notes Appender) *Memory {
	m := &Memory{seed: maphash.MakeSeed(), notes: notes}
	for i := range m.all {
		m.all[i].accounts, m.all[i].callers = map[Account]*accountUse{}, map[string]*callerUse{}
	}
	return m
}

// lock is the caller's shard, locked.
func (m *Memory) lock(caller string, now time.Time) *shard {
	s := m.shardOf(caller)
	s.mu.Lock()
	if now.Sub(s.swept) > sweepEvery || s.swept.Sub(now) > sweepEvery {
		s.sweep(now)
	}
	return s
}

// shardOf is the caller's shard.
func (m *Memory) shardOf(caller string) *shard { return &m.all[maphash.String(m.seed, caller)%shards] }

// sweep forgets what holds nothing: a month is over at the latest 31 days after it began, its last week 7 days later.
// It takes the earlier of now and the sweep before, so that a clock which goes ahead for a moment forgets nothing.
func (s *shard) sweep(now time.Time) {
	over := now.Add(-39 * 24 * time.Hour).UnixMilli()
	if s.swept.Before(now) {
		over = s.swept.Add(-39 * 24 * time.Hour).UnixMilli()
	}
	s.swept = now
	for key, a := range s.accounts {
		a.roll(now)
		if a.reserved == 0 && a.minute.sum == 0 && a.hour.sum == 0 && !holds(&a.tokens, over) && !a.requests.holds(over) {
			delete(s.accounts, key)
		}
	}
	for key, c := range s.callers {
		c.minute.roll(now.Unix())
		if c.reserved == 0 && c.running == 0 && c.minute.sum == 0 && !holds(&c.cost, over) {
			delete(s.callers, key)
		}
	}
}

func (s *shard) account(key Account) *accountUse {
	a, ok := s.accounts[key]
	if !ok {
		a = &accountUse{}
		s.accounts[key] = a
	}
	return a
}

func (s *shard) caller(key string) *callerUse {
	c, ok := s.callers[key]
	if !ok {
		c = &callerUse{}
		s.callers[key] = c
	}
	return c
}

func (a *accountUse) roll(now time.Time) {
	a.minute.roll(now.Unix())
	a.hour.roll(now.Unix() / 60)
}

// used are the sums of the windows around the moment, with what is reserved.
func (s *shard) used(key Account, at *Moment) (u Used) {
	if a, ok := s.accounts[key]; ok {
		a.roll(at.Now)
		u.Tokens[Minute] = plus(a.minute.sum, a.reserved)
		for w := Day; w <= Month; w++ {
			u.Tokens[w] = plus(*a.tokens[w].in(at.Start[w]), a.reserved)
		}
		u.Requests[Hour], u.Requests[Day] = a.hour.sum, *a.requests.in(at.Start[Day])
	}
	if c, ok := s.callers[key.Caller]; ok {
		c.minute.roll(at.Now.Unix())
		u.Cost[Minute] = money.Amount(plus(c.minute.sum, c.reserved))
		for w := Day; w <= Month; w++ {
			u.Cost[w] = money.Amount(plus(*c.cost[w].in(at.Start[w]), c.reserved))
		}
	}
	return u
}

// Admit implements Store.
func (m *Memory) Admit(_ context.Context, a *Admission) (Verdict, error) {
	s := m.lock(a.Caller, a.Moment.Now)
	defer s.mu.Unlock()
	v := Verdict{Admitted: true, Used: s.used(a.Account, &a.Moment)}
	v.judge(a)
	if c := s.callers[a.Caller]; a.Concurrent > 0 && c != nil && c.running >= a.Concurrent {
		v.Admitted, v.Concurrent, v.RetryAfter = false, true, max(v.RetryAfter, soon)
	}
	if !v.Admitted {
		s.wait(a, &v)
		return v, nil
	}
	t := ticketOf(a)
	s.take(&t)
	return v, nil
}

// take counts a ticket's request and reserves what it needs.
func (s *shard) take(t *ticketRecord) {
	use, caller, held := s.account(t.account), s.caller(t.account.Caller), t.reserved()
	use.roll(t.moment.Now)
	use.hour.add(t.need.Requests)
	day := use.requests.in(t.moment.Start[Day])
	*day = plus(*day, t.need.Requests)
	use.reserved = plus(use.reserved, held.Tokens)
	caller.reserved = plus(caller.reserved, int64(held.Cost))
	caller.running++
}

// take is that of a ticket that was admitted before.
func (m *Memory) take(t *ticketRecord) {
	s := m.lock(t.account.Caller, t.moment.Now)
	defer s.mu.Unlock()
	s.take(t)
}

// giveBack undoes an admission that could not be written down.
func (m *Memory) giveBack(t *ticketRecord) {
	m.count(&Settlement{Account: t.account, Ticket: t.id, Moment: t.moment, Reserved: t.reserved()})
	s := m.lock(t.account.Caller, t.moment.Now)
	defer s.mu.Unlock()
	use := s.account(t.account)
	use.hour.remove(t.need.Requests)
	day := use.requests.in(t.moment.Start[Day])
	*day = max(0, *day-t.need.Requests)
}

// last is the latest time that something was counted at, to the second.
func (m *Memory) last() time.Time {
	second := int64(0)
	for i := range m.all {
		s := &m.all[i]
		s.mu.Lock()
		for _, a := range s.accounts {
			second = max(second, a.minute.last)
		}
		for _, c := range s.callers {
			second = max(second, c.minute.last)
		}
		s.mu.Unlock()
	}
	return time.Unix(second, 0)
}

// judge says which windows have no room.
func (v *Verdict) judge(a *Admission) {
	full := func(used, need, limit int64) bool {
		over := limit != Unlimited && (a.Loose && used >= limit || !a.Loose && need > limit-min(used, limit) || used >= limit)
		v.Admitted = v.Admitted && !over
		return over
	}
	for w := range Windows {
		v.Tokens[w] = full(v.Used.Tokens[w], a.Need.Tokens, a.Limits.Tokens[w])
		v.Requests[w] = full(v.Used.Requests[w], a.Need.Requests, a.Limits.Requests[w])
		v.Cost[w] = full(int64(v.Used.Cost[w]), int64(a.Need.Cost), int64(a.Limits.Cost[w]))
	}
}

// soon is when requests that run now may have ended.
const soon = time.Second

// wait says when the windows that are over have room.
func (s *shard) wait(a *Admission, v *Verdict) {
	until := func(d time.Duration) { v.RetryAfter = max(v.RetryAfter, d, soon) }
	use, caller := s.account(a.Account), s.caller(a.Caller)
	for w := Day; w <= Month; w++ {
		left := a.Moment.End[w].Sub(a.Moment.Now)
		if v.Tokens[w] && !fits(*use.tokens[w].in(a.Moment.Start[w]), a.Need.Tokens, a.Limits.Tokens[w], a.Loose) {
			until(left)
		}
		if v.Cost[w] && !fits(*caller.cost[w].in(a.Moment.Start[w]), int64(a.Need.Cost), int64(a.Limits.Cost[w]), a.Loose) {
			until(left)
		}
	}
	if v.Requests[Day] {
		until(a.Moment.End[Day].Sub(a.Moment.Now))
	}
	if v.Tokens[Minute] {
		until(use.minute.room(a.Need.Tokens, a.Limits.Tokens[Minute], a.Moment.Now, time.Second))
	}
	if v.Requests[Hour] {
		until(use.hour.room(a.Need.Requests, a.Limits.Requests[Hour], a.Moment.Now, time.Minute))
	}
	if v.Cost[Minute] {
		until(caller.minute.room(int64(a.Need.Cost), int64(a.Limits.Cost[Minute]), a.Moment.Now, time.Second))
	}
	until(soon)
}

// fits says whether there is room without what is reserved: that may be given back at any time.
func fits(used, need, limit int64, loose bool) bool {
	return used < limit && (loose || need <= limit-used)
}

// room is after how long a rolling window has room for so many, or for anything when they are more than it ever has.
func (r *rolling) room(need, limit int64, now time.Time, interval time.Duration) time.Duration {
	over := r.sum - limit + min(max(need, 1), limit)
	if over <= 0 {
		return soon // reservations are in the way
	}
	free := time.Unix(0, 0).Add(time.Duration(r.last+r.frees(over)) * interval)
	return free.Sub(now)
}

// Settle implements Store.
func (m *Memory) Settle(t *Settlement) bool {
	m.count(t)
	return t.Note == nil || m.notes == nil || m.notes.Append(t.Note) == nil
}

// count counts a settlement.
func (m *Memory) count(t *Settlement) {
	s := m.lock(t.Caller, t.Moment.Now)
	defer s.mu.Unlock()
	use, caller := s.account(t.Account), s.caller(t.Caller)
	if t.Ticket != "" {
		use.reserved = max(0, use.reserved-t.Reserved.Tokens)
		caller.reserved = max(0, caller.reserved-int64(t.Reserved.Cost))
		caller.running = max(0, caller.running-1)
	}
	use.roll(t.Moment.Now)
	use.minute.add(t.Spent.Tokens)
	use.hour.add(t.Spent.Requests)
	caller.minute.roll(t.Moment.Now.Unix())
	caller.minute.add(int64(t.Spent.Cost))
	day := use.requests.in(t.Moment.Start[Day])
	*day = plus(*day, max(0, t.Spent.Requests))
	for w := Day; w <= Month; w++ {
		tokens, cost := use.tokens[w].in(t.Moment.Start[w]), caller.cost[w].in(t.Moment.Start[w])
		*tokens, *cost = plus(*tokens, max(0, t.Spent.Tokens)), plus(*cost, max(0, int64(t.Spent.Cost)))
	}
}

// Read implements Store.
func (m *Memory) Read(_ context.Context, at Moment, accounts []Account) ([]Used, error) {
	out := make([]Used, len(accounts))
	for i, key := range accounts {
		s := m.lock(key.Caller, at.Now)
		out[i] = s.used(key, &at)
		s.mu.Unlock()
	}
	return out, nil
}

// Close implements Store.
func (m *Memory) Close(context.Context) error { return nil }
