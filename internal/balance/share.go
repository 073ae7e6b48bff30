package balance

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"sync"
	"time"

	"outcrop/internal/kv"
)

// topic is where replicas tell each other of upstreams.
const topic = "upstreams"

const (
	// queueSize is how much may wait to be told. What finds no room is not told: it was a hint.
	queueSize = 1024
	// useEvery is how often use of quotas is told.
	useEvery = 250 * time.Millisecond
	// tellTime bounds one message, and a pause after one that failed.
	tellTime = time.Second
)

// message is what replicas tell each other.
type message struct {
	From   string   `json:"from"`
	Ask    bool     `json:"ask,omitempty"` // who is down?
	Health []health `json:"health,omitempty"`
	Uses   []use    `json:"uses,omitempty"`
}

// health is how an upstream is: for how long it is not to be asked, 0 for not at all. Clocks of replicas differ, so it
// is no time of day.
type health struct {
	Group    string        `json:"g"`
	Upstream int           `json:"u"`
	Rest     time.Duration `json:"rest,omitempty"`
	Class    Class         `json:"class,omitempty"`
	Errors   int           `json:"errors,omitempty"`
}

// use is what was taken of an upstream's quota.
type use struct {
	Group    string  `json:"g"`
	Upstream int     `json:"u"`
	Tokens   float64 `json:"t"`
	Requests float64 `json:"r"`
}

// sharing is what a registry has to do with other replicas. Its goroutines are the registry's.
type sharing struct {
	registry *Registry
	bus      kv.Bus // nil for none
	self     string
	news     chan health
	puts     chan keeping
	asked    chan struct{} // somebody wants to know who is down
	cancel   context.CancelFunc
	running  sync.WaitGroup
}

func newSharing(r *Registry, bus kv.Bus) *sharing {
	ctx, cancel := context.WithCancel(context.Background())
	s := &sharing{
		registry: r, bus: bus, self: rand.Text(), news: make(chan health, queueSize), puts: make(chan keeping, queueSize),
		asked: make(chan struct{}, 1), cancel: cancel,
	}
	if bus != nil {
		s.running.Go(func() { s.listen(ctx) })
		s.running.Go(func() { s.speak(ctx) })
	}
	if r.homes.all != nil {
		s.running.Go(func() { s.keep(ctx) })
	}
	return s
}

func (s *sharing) close() {
	s.cancel()
	s.running.Wait()
}

// say puts news into the queue; it never waits.
func (s *sharing) say(h health) {
	if s.bus == nil {
		return
	}
	select {
	case s.news <- h:
	default:
	}
}

// listen takes what others say until the context ends.
func (s *sharing) listen(ctx context.Context) {
	for ctx.Err() == nil {
		err := s.bus.Subscribe(ctx, topic, s.got, func() { s.publish(ctx, message{Ask: true}) })
		if err == nil || ctx.Err() != nil {
			return
		}
		s.registry.log.Warn("the health of upstreams is not heard of from other replicas now", "error", err)
		wait(ctx, tellTime)
	}
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (s *sharing) got(data []byte) {
	var m message
	if json.Unmarshal(data, &m) != nil || m.From == s.self {
		return
	}
	if m.Ask {
		select {
		case s.asked <- struct{}{}:
		default:
		}
	}
	for _, h := range m.Health {
		if g := s.registry.find(h.Group); g != nil {
			g.hear(h)
		}
	}
	for _, u := range m.Uses {
		if g := s.registry.find(u.Group); g != nil {
			g.hearUse(u)
		}
	}
}

// speak tells the others what there is to tell until the context ends.
func (s *sharing) speak(ctx context.Context) {
	s.publish(ctx, message{Ask: true})
	tick := time.NewTicker(useEvery)
	defer tick.Stop()
	for {
		var m message
		select {
		case <-ctx.Done():
			return
		case h := <-s.news:
			m.Health = append(m.Health, h)
			for len(s.news) > 0 && len(m.Health) < queueSize {
				m.Health = append(m.Health, <-s.news)
			}
		case <-s.asked:
			for _, g := range s.registry.Groups() {
				m.Health = append(m.Health, g.resting()...)
			}
		case <-tick.C:
			for _, g := range s.registry.Groups() {
				m.Uses = append(m.Uses, g.takeUses()...)
			}
		}
		if len(m.Health) > 0 || len(m.Uses) > 0 {
			s.publish(ctx, m)
		}
	}
}

// publish tells the others; when nobody can be reached they find out themselves.
func (s *sharing) publish(ctx context.Context, m message) {
	m.From = s.self
	data, err := json.Marshal(m)
	if err != nil {
		s.registry.log.Error("the health of upstreams cannot be written", "error", err)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, tellTime)
	defer cancel()
	if err := s.bus.Publish(ctx, topic, data); err != nil {
		s.registry.log.Debug("the health of upstreams could not be told to other replicas", "error", err)
	}
}

// put has it kept for all replicas; it never waits.
func (s *sharing) put(k keeping) {
	select {
	case s.puts <- k:
	default:
	}
}

// keep writes what is to be remembered until the context ends.
func (s *sharing) keep(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case k := <-s.puts:
			within, cancel := context.WithTimeout(ctx, tellTime)
			if err := s.registry.homes.all.Put(within, k.key, k.value, k.until); err != nil {
				s.registry.log.Debug("who has a prompt in its cache could not be told to other replicas", "error", err)
			}
			cancel()
		}
	}
}
