package redis

import (
	"context"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"outcrop/internal/limit"
)

// unsure are admissions whose answers did not come: Redis may have counted them, or may do so later.
type unsure struct {
	mu      sync.Mutex
	tickets []doubtful
}

type doubtful struct {
	settlement settlement
	since      time.Time
}

// doubtsMost is how many doubtful admissions are remembered.
const doubtsMost = 100_000

// doubt takes an admission back whose answer did not come, now and once more when Redis cannot have it before it any
// longer. A settlement of it counts all the same.
func (l *Limits) doubt(a *limit.Admission) {
	rest := appendWord(appendMoment(nil, &a.Moment), lifetime(&a.Moment))
	s := settlement{kind: answered, account: a.Account, ticket: a.Ticket, owner: l.replica, rest: appendAmounts(rest, &limit.Amounts{})}
	l.queue.add(&s)
	l.unsure.mu.Lock()
	defer l.unsure.mu.Unlock()
	if len(l.unsure.tickets) < doubtsMost {
		l.unsure.tickets = append(l.unsure.tickets, doubtful{s, time.Now()})
	}
}

// redoubt takes those back again that are old enough.
func (l *Limits) redoubt() {
	l.unsure.mu.Lock()
	defer l.unsure.mu.Unlock()
	kept := l.unsure.tickets[:0]
	for i := range l.unsure.tickets {
		d := &l.unsure.tickets[i]
		if time.Since(d.since) < 3*l.options.Heartbeat || !l.queue.add(&d.settlement) {
			kept = append(kept, *d)
		}
	}
	clear(l.unsure.tickets[len(kept):])
	l.unsure.tickets = kept
}

// begin makes the scripts known and says that this replica lives, if Redis is there: the first requests find it so.
func (l *Limits) begin(ctx context.Context) {
	if !l.client.Up() {
		return
	}
	bounded, cancel := context.WithTimeout(ctx, max(l.client.timeout, time.Second))
	defer cancel()
	for _, s := range []*script{&l.admit, &l.settle, &l.read} {
		if l.client.load(bounded, s) != nil {
			return
		}
	}
	l.beat(bounded)
}

// live says that this replica lives, and settles for those that do not.
func (l *Limits) live(ctx context.Context) {
	dead := map[string]time.Time{}
	for pause(ctx, l.options.Heartbeat) {
		if !l.client.Up() {
			clear(dead) // while Redis was away nobody could say that they live
			continue
		}
		l.redoubt()
		gone, ok := l.beat(ctx)
		if !ok {
			clear(dead)
			continue
		}
		for id := range dead {
			if _, still := gone[id]; !still {
				delete(dead, id)
			}
		}
		for id := range gone {
			if _, known := dead[id]; !known {
				dead[id] = time.Now()
			} else if time.Since(dead[id]) >= 3*l.options.Heartbeat {
				l.sweep(ctx, id)
			}
		}
	}
}

// beat says that this replica lives, and finds those that do not say so.
func (l *Limits) beat(ctx context.Context) (gone map[string]struct{}, ok bool) {
	c, b := l.client, l.client.redis.B
	bounded, cancel := context.WithTimeout(ctx, max(c.timeout, time.Second))
	defer cancel()
	answers := c.redis.DoMulti(bounded,
		b().Set().Key(l.aliveOf(l.replica)).Value("1").PxMilliseconds(milliseconds(3*l.options.Heartbeat)).Build(),
		b().Sadd().Key(c.base+"replicas").Member(l.replica).Build(),
		b().Expire().Key(l.tickets).Seconds(7*24*60*60).Build(),
		b().Smembers().Key(c.base+"replicas").Build())
	for _, r := range answers {
		if r.Error() != nil {
			return nil, false
		}
	}
	ids, err := answers[3].AsStrSlice()
	if err != nil {
		return nil, false
	}
	asked := make(rueidis.Commands, len(ids))
	for i, id := range ids {
		asked[i] = b().Exists().Key(l.aliveOf(id)).Build()
	}
	gone = map[string]struct{}{}
	for i, r := range c.redis.DoMulti(bounded, asked...) {
		n, err := r.AsInt64()
		if err != nil {
			return nil, false
		}
		if n == 0 {
			gone[ids[i]] = struct{}{}
		}
	}
	l.replicas.Store(int32(len(ids) - len(gone)))
	return gone, true
}

// sweep settles the tickets of a replica that is dead: what they needed counts as used.
func (l *Limits) sweep(ctx context.Context, id string) {
	c := l.client
	bounded, cancel := context.WithTimeout(ctx, max(c.timeout, time.Second))
	defer cancel()
	scan, err := c.redis.Do(bounded, c.redis.B().Hscan().Key(l.ticketsOf(id)).Cursor(0).Count(batchMost).Build()).AsScanEntry()
	if err != nil {
		return
	}
	open := 0
	for i := 0; i+1 < len(scan.Elements); i += 2 {
		ticket, text := scan.Elements[i], scan.Elements[i+1]
		if ticket == "#" {
			continue
		}
		open++
		l.inherit(id, ticket, text)
	}
	if open == 0 && scan.Cursor == 0 {
		c.redis.Do(bounded, c.redis.B().Srem().Key(c.base+"replicas").Member(id).Build())
		c.log.Info("the requests of a replica that is gone are settled", "replica", id)
	}
}

// inherit settles one ticket of another replica. If several do, the first counts.
func (l *Limits) inherit(id, ticket, text string) {
	s := settlement{kind: lost, ticket: ticket, owner: id}
	if r, ok := readRecord(text); ok {
		s.account = r.Account
		s.rest = appendAmounts([]byte(r.moment), &r.need)
		s.note = []byte(r.note)
		if l.options.Lost != nil && len(s.note) > 0 {
			s.note = l.options.Lost(s.note)
		}
	} else {
		l.client.log.Error("a ticket of a replica that is gone cannot be read", "replica", id)
		var at limit.Moment
		at.Now = time.Now()
		s.rest = appendAmounts(appendWord(appendMoment(nil, &at), lifetime(&at)), &limit.Amounts{})
	}
	l.queue.add(&s)
}

// goodbye leaves nothing behind for others to settle, if nothing is open.
func (l *Limits) goodbye() {
	c, b := l.client, l.client.redis.B
	if !c.Up() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), max(c.timeout, time.Second))
	defer cancel()
	c.redis.Do(ctx, b().Del().Key(l.aliveOf(l.replica)).Build())
	if open, err := c.redis.Do(ctx, b().Hkeys().Key(l.tickets).Build()).AsStrSlice(); err == nil && (len(open) == 0 || len(open) == 1 && open[0] == "#") {
		c.redis.DoMulti(ctx, b().Del().Key(l.tickets).Build(), b().Srem().Key(c.base+"replicas").Member(l.replica).Build())
	}
}
