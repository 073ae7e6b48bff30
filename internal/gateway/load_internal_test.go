package gateway

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"outcrop/internal/llm"
)

// entering is a request that asks a gate for a place in a goroutine of its own.
type entering struct {
	place place
	err   error
	done  chan struct{}
	took  time.Duration
}

func enterLater(ctx context.Context, g *gate, who string, body int64) *entering {
	e, began := &entering{done: make(chan struct{})}, time.Now()
	go func() {
		defer close(e.done)
		e.place, e.err = g.enter(ctx, party{project: who}, body)
		e.took = time.Since(began)
	}()
	synctest.Wait()
	return e
}

func (e *entering) waits() bool {
	select {
	case <-e.done:
		return false
	default:
		return true
	}
}

// leave ends a request that has to have a place.
func (e *entering) leave(t *testing.T) {
	t.Helper()
	<-e.done
	if e.err != nil {
		t.Fatal(e.err)
	}
	e.place.leave()
	synctest.Wait()
}

// refused is how a request was, that has to have been.
func (e *entering) refused(t *testing.T) *llm.Error {
	t.Helper()
	<-e.done
	refusal, ok := errors.AsType[*llm.Error](e.err)
	if !ok {
		t.Fatalf("the request was not refused: %v", e.err)
	}
	return refusal
}

// Fill uses up the places, a caller's share of them, or the bodies' memory but for some, for the tests of whole exchanges.
func (l *Load) Fill(what, project string) error {
	who, body := []party{{project: project}, {project: project}}, int64(0) // of three places
	switch what {
	case "places":
		who = append(who, party{project: "another"})
	case "bodies":
		who, body = []party{{project: "another"}, {project: "a third"}}, l.first.o.Bodies/2
	}
	for _, p := range who {
		if _, err := l.first.enter(context.Background(), p, body); err != nil {
			return err
		}
	}
	return nil
}

func nothingLeft(t *testing.T, l *Load) {
	t.Helper()
	for _, g := range [...]*gate{&l.first, &l.inner} {
		if g.running != 0 || g.waiting != 0 || g.bodies != 0 || g.long != 0 || len(g.parties) != 0 || len(g.queued) != 0 {
			t.Errorf("the end: %d run, %d wait, %d bytes, %d parties, %d of them wait", g.running, g.waiting, g.bodies, len(g.parties), len(g.queued))
		}
	}
}

func TestAPlaceThatComesFreeGoesToWhoHasFewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLoad(LoadOptions{Places: 4, Share: 3, Queue: 10, Wait: time.Minute})
		var flood, waiting []*entering
		for range 3 {
			flood = append(flood, enterLater(t.Context(), &l.first, "flood", 0))
		}
		for range 4 {
			waiting = append(waiting, enterLater(t.Context(), &l.first, "flood", 0))
		}
		if !waiting[0].waits() {
			t.Fatal("one caller has more than its share")
		}
		other := enterLater(t.Context(), &l.first, "other", 0)
		if other.waits() {
			t.Fatal("a caller waits although another one has no more than its share")
		}
		second, third := enterLater(t.Context(), &l.first, "other", 0), enterLater(t.Context(), &l.first, "third", 0)
		flood[0].leave(t)
		if third.waits() || !second.waits() || !waiting[0].waits() {
			t.Error("the place did not go to the caller who has none")
		}
		flood[1].leave(t)
		if waiting[0].waits() || !second.waits() {
			t.Error("of two with one place each it did not go to the one who waits longer")
		}
		flood[2].leave(t)
		if second.waits() || !waiting[1].waits() {
			t.Error("of two with one place each it did not go to the one whose turn it is")
		}
		for _, e := range append([]*entering{other, second, third}, waiting...) {
			e.leave(t)
		}
		nothingLeft(t, l)
	})
}

func TestAFullQueueTurnsAwayWhoHasMostInIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLoad(LoadOptions{Places: 1, Queue: 3, Wait: 2 * time.Second})
		running := enterLater(t.Context(), &l.first, "flood", 0)
		waiting := []*entering{enterLater(t.Context(), &l.first, "flood", 0), enterLater(t.Context(), &l.first, "flood", 0), enterLater(t.Context(), &l.first, "flood", 0)}
		if e := enterLater(t.Context(), &l.first, "flood", 0).refused(t); e.Kind != llm.KindServerUnavailable || e.RetryAfter < time.Second {
			t.Errorf("the one too many: %v, after %v", e, e.RetryAfter)
		}
		other := enterLater(t.Context(), &l.first, "other", 0)
		if waiting[2].waits() || !waiting[1].waits() || !other.waits() {
			t.Fatal("the caller with most requests in the queue did not give way to one with none")
		}
		if e := waiting[2].refused(t); e.Kind != llm.KindServerUnavailable {
			t.Errorf("the one that gave way: %v", e)
		}
		running.leave(t)
		if waiting[0].waits() || !other.waits() {
			t.Error("the first of the queue has no place")
		}
		waiting[0].leave(t)
		if other.waits() || !waiting[1].waits() {
			t.Error("the callers do not take turns")
		}
		if e := waiting[1].refused(t); waiting[1].took != 2*time.Second {
			t.Errorf("it waited %v in vain: %v", waiting[1].took, e)
		}
		other.leave(t)
		nothingLeft(t, l)
		if s := l.State(); s.Refused["places"] != 3 || s.Running != 0 {
			t.Errorf("state %+v", s)
		}
	})
}

// TestAWaitInVainIsRefusedAtOnce when it is known how slowly places come free; Retry-After says how slowly.
func TestAWaitInVainIsRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLoad(LoadOptions{Places: 1, Queue: 10, Wait: 2 * time.Second})
		for range 3 {
			e := enterLater(t.Context(), &l.first, "a", 0)
			time.Sleep(1500 * time.Millisecond)
			next := enterLater(t.Context(), &l.first, "a", 0)
			e.leave(t)
			time.Sleep(1500 * time.Millisecond)
			next.leave(t)
		}
		running, waiting := enterLater(t.Context(), &l.first, "a", 0), enterLater(t.Context(), &l.first, "a", 0)
		if !waiting.waits() {
			t.Fatal("a place is to be had in 1.5 s, and 2 s may be waited")
		}
		hopeless := enterLater(t.Context(), &l.first, "a", 0)
		if e := hopeless.refused(t); hopeless.took != 0 || e.RetryAfter != 3*time.Second {
			t.Errorf("refused after %v, to come again after %v", hopeless.took, e.RetryAfter)
		}
		running.leave(t)
		waiting.leave(t)
		nothingLeft(t, l)
	})
}

func TestBodiesShareTheMemory(t *testing.T) {
	l := NewLoad(LoadOptions{Places: 100, Bodies: 1000})
	enter := func(who string, body int64) (place, error) {
		return l.first.enter(t.Context(), party{project: who}, body)
	}
	held := make([]place, 0, 10)
	for _, step := range []struct {
		who  string
		body int64
		ok   bool
	}{
		{"a", 300, true}, {"a", 200, true}, {"a", 1, false}, // half is for others
		{"b", 499, true}, {"c", 2, false}, {"c", 1, true},
		{"d", 600, true}, {"a", 501, false}, // of those that are longer than half one at a time, beside the others
		{"d", 0, true}, {"d", -1, true},
	} {
		p, err := enter(step.who, step.body)
		if (err == nil) != step.ok {
			t.Errorf("%+v: %v", step, err)
		}
		if err != nil && llm.AsError(err).RetryAfter < time.Second {
			t.Errorf("%+v: %v has no time to try again", step, err)
		}
		held = append(held, p)
	}
	for i := range held {
		held[i].leave()
	}
	growing, err := enter("a", -1)
	if err != nil || growing.hold(400) != nil || growing.hold(100) != nil || growing.hold(100) != nil || growing.hold(5000) != nil {
		t.Errorf("a body that grows alone is refused: %v", err)
	}
	other, err := enter("a", 500)
	if err != nil || other.hold(1) == nil || l.State().Bodies != 6100 {
		t.Errorf("beside the long one: %v, %+v", err, l.State())
	}
	growing.leave()
	if other.hold(1) != nil || l.State().Bodies != 501 {
		t.Errorf("after the long one: %+v", l.State())
	}
	other.leave()
	nothingLeft(t, l)
}

// TestWhoLeavesTheQueueLeavesNothingBehind, whatever happens at once.
func TestWhoLeavesTheQueueLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLoad(LoadOptions{Places: 5, Queue: 8, Wait: 20 * time.Millisecond, Bodies: 5000})
		most := make(chan int, 1)
		most <- 0
		done := make(chan struct{})
		const requests = 3000
		for i := range requests {
			chance := rand.New(rand.NewPCG(1, uint64(i)))
			go func() {
				defer func() { done <- struct{}{} }()
				time.Sleep(time.Duration(chance.IntN(1000)) * time.Millisecond)
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(chance.IntN(30))*time.Millisecond)
				defer cancel()
				p, err := l.first.enter(ctx, party{project: fmt.Sprint(chance.IntN(6))}, int64(chance.IntN(300)))
				if err != nil {
					return
				}
				most <- max(<-most, l.State().Running)
				time.Sleep(time.Duration(chance.IntN(10)) * time.Millisecond)
				p.leave()
			}()
		}
		for range requests {
			<-done
		}
		if n := <-most; n != 5 {
			t.Errorf("%d were in work at once, with 5 places", n)
		}
		nothingLeft(t, l)
	})
}

func BenchmarkPlace(b *testing.B) {
	l, who := NewLoad(LoadOptions{Places: 1000, Queue: 100, Wait: time.Second, Bodies: 1 << 30}), party{project: "team"}
	b.ReportAllocs()
	for b.Loop() {
		p, err := l.first.enter(b.Context(), who, 2048)
		if err != nil {
			b.Fatal(err)
		}
		p.leave()
	}
}

func BenchmarkPlaceParallel(b *testing.B) {
	l := NewLoad(LoadOptions{Places: 1000, Queue: 100, Wait: time.Second, Bodies: 1 << 30})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		who := party{project: fmt.Sprint(rand.Int())}
		for pb.Next() {
			p, err := l.first.enter(b.Context(), who, 2048)
			if err != nil {
				b.Error(err)
				return
			}
			p.leave()
		}
	})
}

func BenchmarkRefusal(b *testing.B) {
	l, who := NewLoad(LoadOptions{Places: 1}), party{project: "team"}
	if _, err := l.first.enter(b.Context(), who, 2048); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.first.enter(b.Context(), who, 2048); err == nil {
			b.Fatal("there was a place")
		}
	}
}
