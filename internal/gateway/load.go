package gateway

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"outcrop/internal/auth"
	"outcrop/internal/llm"
)

// LoadOptions bound what a process has in work at once. What is beyond is refused, fast: 429 or 503 with Retry-After.
type LoadOptions struct {
	// Places are how many requests may be in work at once, their answers included; 0 is without bound.
	Places int
	// Share is how many places one caller may have; 0 is all but a tenth, and but two of a few.
	Share int
	// Queue is how many requests may wait for a place, their bodies unread, and Wait how long each.
	Queue int
	Wait  time.Duration
	// Bodies are how many bytes the bodies of all requests that are in work may have together; 0 is without bound. One
	// caller may have half of that. Of bodies that are longer than such a half there is one at a time, beside the others.
	Bodies int64
}

// Load is what a process has in work. Gateways that come one after another share it. A nil Load has no bounds.
//
// A request that another one in work asks for (an application's, by its per-request key, or what DIAL Core asks this
// server back for) has places of its own, as many again: else those that wait for it could have taken all there are.
type Load struct {
	first, inner gate
	refused      [causes]atomic.Uint64
	told         atomic.Int64  // when the log was told last, in Unix nanoseconds
	untold       atomic.Uint64 // requests refused since
}

// NewLoad returns the bounds.
func NewLoad(o LoadOptions) *Load {
	if o.Share <= 0 || o.Share > o.Places {
		o.Share = max(1, o.Places-max(1, o.Places/10, min(2, o.Places/4)))
	}
	l := &Load{}
	for _, g := range [...]*gate{&l.first, &l.inner} {
		g.o, g.parties, g.refused = o, map[party]*share{}, &l.refused
	}
	return l
}

// LoadState is how a Load is now.
type LoadState struct {
	Places, Running, Waiting int
	Bodies                   int64             // bytes
	Refused                  map[string]uint64 // requests since the start, by what was used up
}

// State is how it is now, of both kinds of places together.
func (l *Load) State() LoadState {
	s := LoadState{Places: l.first.o.Places, Refused: make(map[string]uint64, int(causes))}
	for _, g := range [...]*gate{&l.first, &l.inner} {
		g.mu.Lock()
		s.Running, s.Waiting, s.Bodies = s.Running+g.running, s.Waiting+g.waiting, s.Bodies+g.bodies+g.long
		g.mu.Unlock()
	}
	for c := range causes {
		s.Refused[c.String()] = l.refused[c].Load()
	}
	return s
}

// cause is what was used up when a request was refused.
type cause uint8

const (
	causePlaces cause = iota // all places, and the queue or the time in it
	causeCaller              // the caller's share of the places
	causeBodies              // what the bodies of requests may have of the memory
	causes
)

func (c cause) String() string { return [...]string{"places", "caller", "bodies"}[c] }

// party is who shares places with others: a user, or the project of a key.
type party struct{ user, project string }

// share is what a party has. It exists as long as a request of the party does.
type share struct {
	party    party
	requests int // that run, wait, or are just looked at
	running  int
	bodies   int64
	waiting  []*waiter
	turn     uint64 // the gate's, when it last got a place by waiting, or began to wait
}

// gate gives requests their places.
type gate struct {
	o       LoadOptions
	refused *[causes]atomic.Uint64

	mu      sync.Mutex
	running int
	waiting int
	bodies  int64 // bytes, but for those of the long one
	long    int64 // bytes of the one body that is longer than a caller's half; 0 is none
	parties map[party]*share
	spare   []*share // to be used again
	queued  []*share // those that wait
	turn    uint64
	pace    pace
}

// place is a request's, until it leaves. The zero place is none.
type place struct {
	gate   *gate
	share  *share
	bodies int64
	long   bool // its body is the long one
}

// enter finds a place for a request whose body has so many bytes. The refusal is for the client.
func (g *gate) enter(ctx context.Context, who party, body int64) (place, error) {
	g.mu.Lock()
	s := g.shareOf(who)
	p := place{gate: g, share: s}
	if !p.fits(body) {
		return g.refuse(s, causeBodies)
	}
	if g.o.Places <= 0 || g.running < g.o.Places && s.running < g.o.Share {
		g.take(s)
		p.add(body)
		g.mu.Unlock()
		return p, nil
	}
	w, ok := g.queue(s)
	if !ok {
		return g.refuse(s, g.lacking(s))
	}
	p.add(body)
	g.mu.Unlock()
	return g.await(ctx, w, p)
}

// refuse ends what enter began, with the lock.
func (g *gate) refuse(s *share, c cause) (place, error) {
	after := g.pace.expect(g.waiting + 1)
	g.drop(s)
	g.mu.Unlock()
	g.refused[c].Add(1)
	return place{}, refusedByLoad(c, after)
}

// lacking is why there is no place for the share's party.
func (g *gate) lacking(s *share) cause {
	if s.running >= g.o.Share && g.running < g.o.Places {
		return causeCaller
	}
	return causePlaces
}

// shareOf is the party's share, with one request more.
func (g *gate) shareOf(who party) *share {
	s, ok := g.parties[who]
	if ok {
		s.requests++
		return s
	}
	if n := len(g.spare); n > 0 {
		s, g.spare = g.spare[n-1], g.spare[:n-1]
	} else {
		s = &share{}
	}
	s.party, s.requests = who, 1
	g.parties[who] = s
	return s
}

// maxSpare is how many shares are kept for parties to come.
const maxSpare = 64

// drop ends a request of a share. The last ends the share.
func (g *gate) drop(s *share) {
	if s.requests--; s.requests > 0 {
		return
	}
	delete(g.parties, s.party)
	if *s = (share{waiting: s.waiting[:0]}); len(g.spare) < maxSpare {
		g.spare = append(g.spare, s)
	}
}

func (g *gate) take(s *share) {
	s.running++
	g.running++
}

// fits says whether so many bytes more of a body may be read, with the lock.
func (p *place) fits(n int64) bool {
	g, half := p.gate, p.gate.o.Bodies/2
	switch {
	case n <= 0 || half <= 0 || p.long:
		return true
	case p.bodies+n > half:
		return g.long == 0
	default:
		return g.bodies+n <= g.o.Bodies && p.share.bodies+n <= half
	}
}

// add counts bytes that fit.
func (p *place) add(n int64) {
	g, half := p.gate, p.gate.o.Bodies/2
	if n <= 0 {
		return
	}
	p.bodies += n
	switch {
	case p.long:
		g.long += n
	case half > 0 && p.bodies > half:
		p.share.bodies, g.bodies = p.share.bodies-(p.bodies-n), g.bodies-(p.bodies-n)
		p.long, g.long = true, p.bodies
	default:
		p.share.bodies, g.bodies = p.share.bodies+n, g.bodies+n
	}
}

// hold counts so many bytes more of the request's body. The refusal is for the client.
func (p *place) hold(n int64) error {
	g := p.gate
	if g == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !p.fits(n) {
		g.refused[causeBodies].Add(1)
		return refusedByLoad(causeBodies, 0)
	}
	p.add(n)
	return nil
}

// leave gives the place back, to whoever waits for it.
func (p *place) leave() {
	g := p.gate
	if g == nil {
		return
	}
	g.mu.Lock()
	if g.running == g.o.Places || g.waiting > 0 {
		g.pace.left(time.Now())
	} else {
		g.pace.pause()
	}
	p.share.running--
	g.running--
	p.giveUp()
	for given := true; given && g.running < g.o.Places; {
		given = g.next()
	}
	g.mu.Unlock()
	*p = place{}
}

// giveUp lets go of the bytes and of the share, with the lock.
func (p *place) giveUp() {
	if p.long {
		p.gate.long = 0
	} else {
		p.share.bodies, p.gate.bodies = p.share.bodies-p.bodies, p.gate.bodies-p.bodies
	}
	p.gate.drop(p.share)
}

// refusedByLoad is the error of a request for which there is no room.
func refusedByLoad(c cause, after time.Duration) *llm.Error {
	e := &llm.Error{Kind: llm.KindServerUnavailable, RetryAfter: min(max(after, time.Second), longestRetry), Err: errFull}
	switch c {
	case causeCaller:
		e.Kind = llm.KindRateLimited
		e.Message = "The server is answering as many requests of yours as one caller may have. Try again when one has ended."
	case causeBodies:
		e.Message = "The server holds as many bytes of requests as it may. Try again later, or send less."
	default:
		e.Message = "The server is answering as many requests as it can. Try again later."
	}
	return e
}

// longestRetry is the longest time after which a refused client is asked to try again.
const longestRetry = 30 * time.Second

// work is how a route's requests count.
type work uint8

const (
	workFirst work = iota
	workInner      // it waits for another request to this server: the places of the others are for that
	workFree       // it is an operator's, who must be let in when the server is full
)

// workOf is how the requests of a route count.
func workOf(pattern string) work {
	switch {
	case strings.Contains(pattern, " /v1/ops/"), strings.Contains(pattern, " /v1/admin/"):
		return workFree
	case strings.Contains(pattern, translatorTree):
		return workInner
	}
	return workFirst
}

// enter gives a request its place, before its body is read. It leaves when it is finished.
func (g *Gateway) enter(x *exchange, r *http.Request, caller auth.Caller, kind work) (err error) {
	if g.load == nil || kind == workFree || x.place.gate != nil { // it may have been looked at as another route's
		return nil
	}
	at := &g.load.first
	if kind == workInner || caller.Pass != nil {
		at = &g.load.inner
	}
	who := party{user: caller.User}
	if who.user == "" {
		who.project = caller.Project
	}
	if x.place, err = at.enter(r.Context(), who, min(r.ContentLength, x.most)); err != nil {
		x.shed = true
	}
	return err
}

// logShed tells of refused requests, at most once a second: a line for each would be load of its own.
func (g *Gateway) logShed(x *exchange) {
	l := g.load
	l.untold.Add(1)
	now, last := time.Now().UnixNano(), l.told.Load()
	if now-last < int64(time.Second) || !l.told.CompareAndSwap(last, now) {
		return
	}
	s := l.State()
	g.log.Warn("requests are refused: there is no room for more", "refused", l.untold.Swap(0), "last_project", cmp.Or(x.project, x.user),
		"running", s.Running, "places", s.Places, "waiting", s.Waiting, "body_bytes", s.Bodies)
}
