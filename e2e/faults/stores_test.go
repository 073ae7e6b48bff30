//go:build faults

package faults

import (
	"fmt"
	"net/url"
	"sync"
	"testing"
	"time"

	"outcrop/internal/ledger/ledgertest"
	"outcrop/internal/redis/redistest"
)

// storeFaults are what may be wrong with a store; each is on the way to it.
func storeFaults() []struct {
	name   string
	broken breakage
} {
	return []struct {
		name   string
		broken breakage
	}{
		{"away", breakage{instead: (*end).rst}},
		{"stalled", breakage{instead: (*end).swallow}},
		{"slow, within its timeout", breakage{pace: 30 * time.Millisecond, stretch: 1 << 20}},
	}
}

// stores is a process with a Redis and a PostgreSQL behind wires.
type stores struct {
	lab             *lab
	program         *program
	redis, postgres *wire
	database        string // without a wire
}

func (s *stores) start(t *testing.T, models object, policy string) {
	t.Helper()
	r := redistest.Start(t)
	p := ledgertest.Start(t)
	s.database = p.Database()
	u, err := url.Parse(s.database)
	if err != nil {
		t.Fatal(err)
	}
	s.redis, s.postgres = newWire(t, r.Address, nil), newWire(t, u.Host, nil)
	u.Host = s.postgres.address
	s.program = start(t, setup{
		configuration: configured(models),
		settings:      object{"encryption": object{"secret": "one-secret", "key": "one-key"}, "limits": object{"whenStoreDown": policy, "storeTimeout": 500}},
		env:           []string{"OUTCROP_REDIS_URL=redis://" + s.redis.address, "OUTCROP_POSTGRES_URL=" + u.String()},
	})
}

// ask sends a chat's stream.
func (s *stores) ask(t *testing.T, model string) seen {
	got, err := chatStream.send(t.Context(), s.lab.client, s.program.url, model)
	if err != nil {
		t.Error(err)
	}
	return got
}

// breaks breaks a way, so that what is open on it ends too.
func (w *wire) breaks(b breakage) {
	w.broken.Store(&b)
	if b.instead != nil {
		w.hangUp()
	}
}

// heals lets a way carry again.
func (w *wire) heals() {
	w.broken.Store(nil)
	w.hangUp()
}

// TestStores: Redis and PostgreSQL are away, stalled or slow, before a request and at its end.
func TestStores(t *testing.T) {
	l := &lab{t: t, bedrock: newBedrock(t), client: newClient()}
	l.clear = serve(t, l.bedrock, nil).Listener.Addr().String()
	drip := newWire(t, l.clear, &breakage{pace: 10 * time.Millisecond, stretch: 1500})
	var got []record
	for _, policy := range []string{"refuse", "admit"} {
		models := object{"well": l.model(chatStream, "http://"+l.clear)}
		for i := range storeFaults() {
			for _, moment := range []string{"before", "end", "postgres"} {
				models[fmt.Sprintf("%s-%d", moment, i)] = l.model(chatStream, "http://"+drip.address)
			}
		}
		s := &stores{lab: l}
		s.start(t, models, policy)
		if a := s.ask(t, "well"); !a.whole() {
			t.Fatalf("without a fault: %s: %s", a, a.raw)
		}
		for i, f := range storeFaults() {
			got = append(got, s.before(t, i, f.name, policy, f.broken), s.atEnd(t, i, f.name, policy, f.broken))
			if policy == "refuse" {
				got = append(got, s.noLedger(t, i, f.name, f.broken))
			}
		}
	}
	checkRecords(t, "stores", got)
}

func (s *stores) before(t *testing.T, i int, name, policy string, b breakage) record {
	model := fmt.Sprintf("before-%d", i)
	s.redis.breaks(b)
	a := s.ask(t, model)
	s.program.health(t)
	s.redis.heals()
	s.again(t)
	return record{"Redis " + name, "before a request, `whenStoreDown: " + policy + "`", a.String(), s.accounted(t, model)}
}

func (s *stores) atEnd(t *testing.T, i int, name, policy string, b breakage) record {
	model := fmt.Sprintf("end-%d", i)
	var a seen
	var done sync.WaitGroup
	done.Go(func() { a = s.ask(t, model) })
	<-time.After(300 * time.Millisecond) // it takes more than half a second
	s.redis.breaks(b)
	done.Wait()
	s.program.health(t)
	s.redis.heals()
	s.again(t)
	return record{"Redis " + name, "at the end of a request, `whenStoreDown: " + policy + "`", a.String(), s.accounted(t, model)}
}

func (s *stores) noLedger(t *testing.T, i int, name string, b breakage) record {
	model := fmt.Sprintf("postgres-%d", i)
	s.postgres.breaks(b)
	a := s.ask(t, model)
	s.program.health(t)
	s.postgres.heals()
	return record{"PostgreSQL " + name, "during a request", a.String(), s.accounted(t, model)}
}

// again waits until requests are answered again.
func (s *stores) again(t *testing.T) {
	t.Helper()
	until(t, "a whole answer", func() bool { return s.ask(t, "well").whole() })
}

// accounted is what the ledger has of a deployment, once it has something.
func (s *stores) accounted(t *testing.T, model string) string {
	t.Helper()
	var r row
	until(t, "the ledger has "+model, func() bool {
		r = ledger(t, "--postgres", s.database)[model]
		return r.Requests > 0
	})
	return r.String()
}

// String says what a row has, of one request.
func (r row) String() string {
	text := "once"
	if r.Requests != 1 {
		text = fmt.Sprintf("%d TIMES", r.Requests)
	}
	switch {
	case r.Canceled > 0:
		text += ", canceled"
	case r.Errors > 0:
		text += ", an error"
	}
	if r.Lost > 0 {
		text += ", lost"
	}
	if r.Output+r.Input == 0 {
		return text + ", no tokens"
	}
	if r.Output == words || r.Output == 0 { // of embeddings there are none
		return text + ", the tokens that the upstream told"
	}
	return text + ", tokens by length"
}
