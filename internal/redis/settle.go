package redis

import (
	"context"
	"errors"
	"time"

	"github.com/redis/rueidis"

	"outcrop/internal/limit"
)

const (
	batchMost  = 256                    // settlements in one round trip
	flushEvery = 100 * time.Millisecond // while Redis is away
	triesMost  = 5                      // of a settlement that Redis has an error for
)

// Settle is limit.Store's: the settlement is counted when Redis has answered, in the order in which they came.
func (l *Limits) Settle(s *limit.Settlement) bool {
	rest := appendMoment(make([]byte, 0, 128), &s.Moment)
	rest = appendWord(rest, lifetime(&s.Moment))
	note := s.Note
	if l.options.Unnoted {
		note = nil
	}
	return l.queue.add(&settlement{
		kind: settled, account: s.Account, ticket: s.Ticket, owner: l.replica, rest: appendAmounts(rest, &s.Spent), note: note,
	})
}

// Pending is how many settlements wait for Redis.
func (l *Limits) Pending() int { return l.queue.length() }

// Close is limit.Store's. Tickets that are still open are for other replicas to settle.
func (l *Limits) Close(ctx context.Context) error {
	l.queue.close()
	ended := make(chan struct{})
	go func() {
		l.work.Wait()
		close(ended)
	}()
	stop := context.AfterFunc(ctx, l.leave)
	defer stop()
	<-ended
	l.goodbye()
	l.leave()
	if l.queue.length() > 0 {
		return context.Cause(ctx)
	}
	return nil
}

// flush counts settlements until there are no more and none will come.
func (l *Limits) flush(ctx context.Context) {
	defer l.leave()
	for {
		some := l.queue.some(batchMost)
		switch {
		case len(some) > 0:
			if n := l.count(ctx, some); n > 0 {
				l.queue.done(n)
				continue
			}
			if !pause(ctx, flushEvery) {
				return
			}
		case l.queue.isClosed():
			return
		default:
			select {
			case <-l.queue.more:
			case <-ctx.Done():
				return
			}
		}
	}
}

// pause waits; false is when the context ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// count asks Redis to count some settlements, in one round trip, and says how many of the first it need not be asked
// for again.
func (l *Limits) count(ctx context.Context, some []settlement) int {
	if !l.client.Up() {
		return 0
	}
	commands := make(rueidis.Commands, len(some))
	for i := range some {
		commands[i] = l.settling(&some[i], some[0].number)
	}
	bounded, cancel := context.WithTimeout(ctx, max(4*l.client.timeout, time.Second))
	defer cancel()
	for i, r := range l.client.redis.DoMulti(bounded, commands...) {
		err := r.Error()
		if unknown(err) {
			_ = l.client.load(bounded, &l.settle) // the next try tells
			return i
		}
		if err = l.client.judge(ctx, err); err == nil {
			continue
		}
		if i == 0 && l.hopeless(&some[0], err) {
			return 1
		}
		return i
	}
	return len(some)
}

// hopeless gives a settlement up that Redis has an error for, again and again, while it is fine.
func (l *Limits) hopeless(s *settlement, err error) bool {
	var d *Down
	if !errors.As(err, &d) || !d.answered {
		return false
	}
	if l.failing != s.number {
		l.failing, l.failures = s.number, 0
	}
	l.failures++
	if l.failures < triesMost {
		return false
	}
	l.client.log.Error("a settlement cannot be counted", "error", d.Error())
	return true
}

func (l *Limits) settling(s *settlement, first int64) rueidis.Completed {
	numbers := make([]byte, 0, 32+len(s.rest))
	numbers = appendWord(appendWord(appendWord(numbers, s.kind), s.number), first)
	numbers = append(numbers, s.rest...)
	return l.client.redis.B().Evalsha().Sha1(l.settle.hash).Numkeys(6).
		Key(l.accountKey(s.account), l.callerKey(s.account.Caller), l.tickets).
		Key(l.ticketsOf(s.owner), l.lostOf(s.owner), l.client.notesKey()).
		Arg(rueidis.BinaryString(numbers), s.ticket, rueidis.BinaryString(s.note)).Build()
}
