package balance

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"outcrop/internal/kv"
	"outcrop/internal/llm"
)

func replicas(t *testing.T, memory *kv.Memory, o Options) (a, b *Group) {
	t.Helper()
	var groups []*Group
	for range 2 {
		r := NewRegistry(RegistryOptions{Bus: memory, Affinity: memory})
		t.Cleanup(r.Close)
		groups = append(groups, r.Group(o))
	}
	synctest.Wait()
	return groups[0], groups[1]
}

// TestReplicasTellEachOther how upstreams are, one that starts later among them.
func TestReplicasTellEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := kv.NewMemory(kv.MemoryOptions{})
		o := Options{Name: "model:m", Attempts: 1, Upstreams: []Upstream{{ID: "a", Weight: 1}, {ID: "b", Weight: 1, Tier: 1}}}
		a, b := replicas(t, memory, o)
		turn := begin(t, a, Ask{})
		next(turn)
		turn.Fail(Failure{Status: 429})
		synctest.Wait()
		if s := b.State()[0]; s.Available || s.Class != Throttled || time.Until(s.Until) != 30*time.Second {
			t.Errorf("the other one thinks %+v", s)
		}
		late := NewRegistry(RegistryOptions{Bus: memory})
		t.Cleanup(late.Close)
		g := late.Group(o)
		synctest.Wait()
		if s := g.State()[0]; s.Available {
			t.Errorf("the one that came later thinks %+v", s)
		}
		time.Sleep(30 * time.Second) // the bubble's clock
		turn = begin(t, b, Ask{})
		next(turn)
		turn.Fail(Failure{Status: 503})
		synctest.Wait()
		turn = begin(t, b, Ask{Wish: llm.Wish{Upstream: "a"}})
		next(turn)
		turn.First()
		synctest.Wait()
		if s := a.State()[0]; !s.Available {
			t.Errorf("it answers, and another one thinks %+v", s)
		}
	})
}

// TestReplicasShareQuotas: what one takes another does not believe to be there.
func TestReplicasShareQuotas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := kv.NewMemory(kv.MemoryOptions{})
		a, b := replicas(t, memory, Options{Name: "model:m", Attempts: 1, Upstreams: []Upstream{{ID: "a", Weight: 1, Quota: Quota{TokensPerMinute: 60_000}}}})
		turn := begin(t, a, Ask{Need: Need{Prompt: 10_000, Output: 20_000}})
		next(turn)
		time.Sleep(useEvery + time.Millisecond) // the bubble's clock
		synctest.Wait()
		if left := b.State()[0].Left; left < 29_000 || left > 31_000 {
			t.Errorf("after 30000 of 60000 the other one believes in %.0f", left)
		}
		turn.Done(&llm.Usage{Input: 10_000})
		time.Sleep(useEvery + time.Millisecond)
		synctest.Wait()
		if left := b.State()[0].Left; left < 49_000 || left > 51_000 {
			t.Errorf("after the settlement the other one believes in %.0f", left)
		}
	})
}

// TestStateOutlivesAConfiguration whose upstreams are the same, and no other.
func TestStateOutlivesAConfiguration(t *testing.T) {
	r := NewRegistry(RegistryOptions{})
	defer r.Close()
	o := Options{Name: "model:m", Attempts: 2, Upstreams: []Upstream{{ID: "a", Weight: 1}, {ID: "b", Weight: 1}}}
	g := r.Group(o)
	o.Upstreams = []Upstream{{ID: "a", Weight: 1}, {ID: "b", Weight: 1}}
	if r.Group(o) != g {
		t.Error("an equal list gets another group")
	}
	for _, change := range []func(){
		func() { o.Upstreams[0].Weight = 2 }, func() { o.Upstreams[0].Mark = "other" }, func() { o.Attempts = 1 }, func() { o.Name = "model:n" },
	} {
		change()
		if other := r.Group(o); other == g {
			t.Errorf("%+v gets the same group", o)
		}
	}
}

// TestIdleGroupsAreForgotten after an hour.
func TestIdleGroupsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry(RegistryOptions{})
		defer r.Close()
		r.Group(Options{Name: "a", Upstreams: []Upstream{{Weight: 1}}})
		time.Sleep(idleTime + time.Second) // the bubble's clock
		r.Group(Options{Name: "b", Upstreams: []Upstream{{Weight: 1}}})
		if groups := r.Groups(); len(groups) != 1 || groups[0].Name() != "b" {
			t.Errorf("%d groups", len(groups))
		}
	})
}

// deaf is a bus that nobody can be reached by.
type deaf struct{}

func (deaf) Publish(ctx context.Context, _ string, _ []byte) error {
	<-ctx.Done()
	return ctx.Err()
}

func (deaf) Subscribe(context.Context, string, func([]byte), func()) error {
	return context.DeadlineExceeded
}

// TestNobodyWaitsForABus that does not answer, and closing it ends all that runs.
func TestNobodyWaitsForABus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry(RegistryOptions{Bus: deaf{}})
		g := r.Group(Options{Name: "model:m", Attempts: 1, Upstreams: []Upstream{{Weight: 1}, {Weight: 1}}})
		began := time.Now()
		for range 5 * queueSize {
			turn := begin(t, g, Ask{})
			next(turn)
			turn.Fail(Failure{Status: 503})
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("they waited for %v", took)
		}
		r.Close()
	})
}

// TestTheLatestOfAName is the group that was asked for last: others of the name are of configurations that are no more.
func TestTheLatestOfAName(t *testing.T) {
	r := NewRegistry(RegistryOptions{})
	defer r.Close()
	one, two := []Upstream{{ID: "a", Weight: 1}}, []Upstream{{ID: "a", Weight: 1}, {ID: "b", Weight: 1}}
	first := r.Group(Options{Name: "model:m", Upstreams: one})
	second := r.Group(Options{Name: "model:m", Upstreams: two})
	if all := r.Latest(); len(r.Groups()) != 2 || len(all) != 1 || all[0] != second {
		t.Errorf("latest are %v", all)
	}
	if again := r.Group(Options{Name: "model:m", Upstreams: one}); again != first {
		t.Error("the one that there was is not the one that there is")
	}
	if all := r.Latest(); len(all) != 1 || all[0] != first {
		t.Errorf("after the way back latest are %v", all)
	}
}
