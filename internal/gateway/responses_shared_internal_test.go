package gateway

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"outcrop/internal/auth"
	"outcrop/internal/catalog"
	"outcrop/internal/llm"
)

// pair are two replicas over one store, of which the first's model is given.
func pair(t *testing.T, model llm.ChatModel) (*faultyStore, *Gateway, *Gateway) {
	t.Helper()
	store := newFaultyStore()
	return store, replicaOver(t, store, &catalog.Deployment{Name: "m", Chat: model}), replicaOver(t, store, &catalog.Deployment{Name: "m", Chat: said{}})
}

// kill ends a replica as far as others can tell: it says nothing any more.
func kill(g *Gateway) {
	s := g.responses
	s.mu.Lock()
	defer s.mu.Unlock()
	s.far.stop()
	clear(s.kept)
	s.order.Init()
}

// TestAResponseIsKeptForEveryReplica, whose caller alone gets and deletes it.
func TestAResponseIsKeptForEveryReplica(t *testing.T) {
	store, a, b := pair(t, said{})
	for _, body := range []string{`{"model":"m","input":"Hello"}`, `{"model":"m","input":"Hello","stream":true}`} {
		code, text := askResponses(t, a, http.MethodPost, "", body)
		if code != http.StatusOK {
			t.Fatal(text)
		}
		id := idIn(t, text)
		if code, text := askResponses(t, b, http.MethodGet, "/"+id, ""); code != http.StatusOK || !strings.Contains(text, "Hi.") {
			t.Errorf("%d %s", code, text)
		}
		if sealed := mustGet(t, store, farResponse(id)); strings.Contains(sealed, "Hi.") || strings.Contains(sealed, "Keys/p/") {
			t.Errorf("the store can read %q", sealed)
		}
		other := auth.Caller{Project: "other"}
		if _, err := b.responses.find(other, id); !errors.Is(err, errNotOwner) {
			t.Errorf("another caller gets it: %v", err)
		}
		if err := b.responses.remove(other, id); !errors.Is(err, errNotOwner) {
			t.Errorf("another caller deletes it: %v", err)
		}
		for name, value := range map[string]string{ // whoever writes to the store
			a.responses.newID(): "junk", a.responses.newID(): mustGet(t, store, farResponse(id)),
		} {
			if err := store.Put(t.Context(), farResponse(name), []byte(value), time.Hour); err != nil {
				t.Fatal(err)
			}
			if code, text := askResponses(t, b, http.MethodGet, "/"+name, ""); code != http.StatusNotFound {
				t.Errorf("%d %s", code, text)
			}
		}
		if code, text := askResponses(t, b, http.MethodDelete, "/"+id, ""); code != http.StatusOK {
			t.Errorf("%d %s", code, text)
		}
		for _, g := range []*Gateway{a, b} {
			if code, text := askResponses(t, g, http.MethodGet, "/"+id, ""); code != http.StatusNotFound {
				t.Errorf("it has been deleted: %d %s", code, text)
			}
		}
	}
	gets := store.gets.Load()
	for _, id := range []string{"resp_dial_" + strings.Repeat("x", 200), "resp_1", "resp_dial_"} {
		if code, text := askResponses(t, b, http.MethodGet, "/"+id, ""); code != http.StatusNotFound || store.gets.Load() != gets {
			t.Errorf("%s: %d %s", id, code, text)
		}
	}
}

// TestAJobIsKnownToEveryReplica from its beginning to its end, beyond the lease.
func TestAJobIsKnownToEveryReplica(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a, b := pair(t, &slow{takes: 5 * time.Minute})
		_, text := askResponses(t, a, http.MethodPost, "", inBackground)
		id := "/" + idIn(t, text)
		for range 4 {
			pass(time.Minute)
			for name, g := range map[string]*Gateway{"its own": a, "another": b} {
				if code, text := askResponses(t, g, http.MethodGet, id, ""); code != http.StatusOK || !strings.Contains(text, `"status":"queued"`) {
					t.Errorf("%s replica: %d %s", name, code, text)
				}
			}
		}
		pass(2 * time.Minute)
		for name, g := range map[string]*Gateway{"its own": a, "another": b} {
			if code, text := askResponses(t, g, http.MethodGet, id, ""); code != http.StatusOK || !strings.Contains(text, `"status":"completed"`) || !strings.Contains(text, "At last.") {
				t.Errorf("%s replica: %d %s", name, code, text)
			}
		}
		if code, text := askResponses(t, b, http.MethodPost, id+"/cancel", "{}"); code != http.StatusOK || !strings.Contains(text, `"status":"completed"`) {
			t.Errorf("what is made stays: %d %s", code, text)
		}
	})
}

// slow is a thinker of any time. With begun, it goes on when that is closed, and does not mind that it is left.
type slow struct {
	takes time.Duration
	goOn  chan struct{}
	left  atomic.Int32
}

// Chat implements llm.ChatModel.
func (m *slow) Chat(ctx context.Context, _ *llm.ChatRequest) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		done := ctx.Done()
		if m.goOn != nil {
			done = nil
		}
		timer := time.NewTimer(m.takes)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-m.goOn:
		case <-done:
			m.left.Add(1)
			yield(nil, gone(ctx))
			return
		}
		if yield(llm.Start{Model: "m-1"}, nil) && yield(&llm.TextDelta{Text: "At last."}, nil) {
			yield(llm.Finish{Reason: llm.FinishStop, Usage: llm.Usage{Input: 5, Output: 2}}, nil)
		}
	}
}

// TestAJobIsEndedFromAnyReplica: at once by the bus, and without one when its replica looks.
func TestAJobIsEndedFromAnyReplica(t *testing.T) {
	for _, tt := range []struct {
		name, method, path, then string
		bus                      bool
		within                   time.Duration
	}{
		{"cancelled", http.MethodPost, "/cancel", `"status":"cancelled"`, true, 0},
		{"deleted", http.MethodDelete, "", "There is no response", true, 0},
		{"cancelled, and the bus is lost", http.MethodPost, "/cancel", `"status":"cancelled"`, false, renewEvery},
		{"deleted, and the bus is lost", http.MethodDelete, "", "There is no response", false, renewEvery},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				model := &slow{takes: time.Hour}
				_, a, b := pair(t, model)
				if !tt.bus {
					b.responses.far.bus = nil
				}
				_, text := askResponses(t, a, http.MethodPost, "", inBackground)
				id := "/" + idIn(t, text)
				pass(time.Second)
				if code, text := askResponses(t, b, tt.method, id+tt.path, "{}"); code != http.StatusOK {
					t.Errorf("%d %s", code, text)
				}
				pass(tt.within)
				if model.left.Load() != 1 || len(a.responses.jobs) != 0 {
					t.Errorf("left %d times, %v", model.left.Load(), a.responses.jobs)
				}
				for _, g := range []*Gateway{a, b} {
					if _, text := askResponses(t, g, http.MethodGet, id, ""); !strings.Contains(text, tt.then) {
						t.Error(text)
					}
				}
			})
		})
	}
}

// TestAJobEndsOnce: it has its response or has been cancelled, whoever asks and whatever comes later; of one replica
// and of two.
func TestAJobEndsOnce(t *testing.T) {
	const completed, cancelled = `"status":"completed"`, `"status":"cancelled"`
	for _, alone := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			model := &slow{takes: time.Hour, goOn: make(chan struct{})}
			var home, other *Gateway
			if alone {
				home, _ = over(t, Options{}, &catalog.Deployment{Name: "m", Chat: model})
				other = home
			} else {
				_, home, other = pair(t, model)
			}
			_, text := askResponses(t, home, http.MethodPost, "", inBackground)
			first := "/" + idIn(t, text)
			k, err := other.responses.find(auth.Caller{Project: "p"}, first[1:]) // a cancel that has got this far
			if err != nil {
				t.Fatal(err)
			}
			close(model.goOn)
			synctest.Wait()
			object, err := other.responses.cancel(auth.Caller{Project: "p"}, k, []byte(`{`+cancelled+`}`))
			if err != nil || !strings.Contains(string(object), completed) {
				t.Errorf("a cancel that comes too late: %s, %v", object, err)
			}
			if _, text := askResponses(t, home, http.MethodGet, first, ""); !strings.Contains(text, completed) {
				t.Error(text)
			}

			model.goOn = make(chan struct{})
			_, text = askResponses(t, home, http.MethodPost, "", inBackground)
			second := "/" + idIn(t, text)
			if _, text := askResponses(t, other, http.MethodPost, second+"/cancel", "{}"); !strings.Contains(text, cancelled) {
				t.Error(text)
			}
			close(model.goOn) // it does not hear
			synctest.Wait()
			if _, text := askResponses(t, home, http.MethodGet, second, ""); !strings.Contains(text, cancelled) {
				t.Errorf("a job that ends too late: %s", text)
			}
		})
	}
}

// TestAJobThatEndsWhileItIsLookedAt is never told as lost, and never twice in two ways.
func TestAJobThatEndsWhileItIsLookedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		model := &slow{takes: time.Hour, goOn: make(chan struct{})}
		store, a, b := pair(t, model)
		_, text := askResponses(t, a, http.MethodPost, "", inBackground)
		id := idIn(t, text)
		store.before = func(key string) {
			if key == farLease(id) { // the other replica has read that it is being made
				store.before = nil
				close(model.goOn)
				synctest.Wait()
			}
		}
		if _, text := askResponses(t, b, http.MethodGet, "/"+id, ""); !strings.Contains(text, `"status":"completed"`) {
			t.Error(text)
		}

		model.goOn = make(chan struct{})
		_, text = askResponses(t, a, http.MethodPost, "", inBackground)
		id = idIn(t, text)
		var cancelled string
		store.before = func(key string) {
			if key == farEnd(id) { // it has its response, and cannot tell
				store.before = nil
				_, cancelled = askResponses(t, a, http.MethodPost, "/"+id+"/cancel", "{}")
			}
		}
		store.away.Store(true)
		close(model.goOn)
		synctest.Wait()
		if _, text := askResponses(t, a, http.MethodGet, "/"+id, ""); !strings.Contains(text, `"status":"completed"`) || strings.Contains(cancelled, "cancelled") {
			t.Errorf("%s, after %s", text, cancelled)
		}
	})
}

// TestAJobWhoseReplicaIsKilled has failed when its lease has lapsed, and stays so.
func TestAJobWhoseReplicaIsKilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, a, b := pair(t, &slow{takes: time.Hour})
		_, text := askResponses(t, a, http.MethodPost, "", inBackground)
		id := "/" + idIn(t, text)
		pass(25 * time.Second)
		kill(a)
		pass(50 * time.Second) // since the last renewal 55
		if _, text := askResponses(t, b, http.MethodGet, id, ""); !strings.Contains(text, `"status":"queued"`) {
			t.Error(text)
		}
		pass(10 * time.Second)
		for range 2 {
			code, text := askResponses(t, b, http.MethodGet, id, "")
			if code != http.StatusOK || !strings.Contains(text, `"status":"failed"`) || !strings.Contains(text, "ended before it was done") {
				t.Errorf("%d %s", code, text)
			}
		}
		if won, err := store.Claim(t.Context(), farEnd(id[1:]), nil, time.Hour); won || err != nil {
			t.Errorf("its replica, were it alive, could still end it: %v", err)
		}
		pass(2 * time.Hour)
	})
}

// TestResponsesWithoutTheStore: what a replica makes it keeps itself, and of others' nobody can tell.
func TestResponsesWithoutTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, a, b := pair(t, &slow{takes: 30 * time.Minute})
		_, before := askResponses(t, a, http.MethodPost, "", inBackground)
		store.away.Store(true)
		_, during := askResponses(t, a, http.MethodPost, "", inBackground)
		ids := []string{"/" + idIn(t, before), "/" + idIn(t, during)}
		for _, id := range ids {
			for _, method := range []string{http.MethodGet, http.MethodDelete} {
				if code, text := askResponses(t, b, method, id, ""); code != http.StatusServiceUnavailable || !strings.Contains(text, "try again later") {
					t.Errorf("%d %s", code, text)
				}
			}
			if code, text := askResponses(t, b, http.MethodPost, id+"/cancel", "{}"); code != http.StatusServiceUnavailable {
				t.Errorf("%d %s", code, text)
			}
		}
		pass(time.Hour)
		for range 2 {
			for _, id := range ids {
				if _, text := askResponses(t, a, http.MethodGet, id, ""); !strings.Contains(text, "At last.") {
					t.Error(text)
				}
			}
			store.away.Store(false)
		}
		if code, text := askResponses(t, a, http.MethodPost, "", `{"model":"m","input":"Hello"}`); code != http.StatusOK {
			t.Errorf("%d %s", code, text)
		}
	})
}

// TestAPanicFreesTheKeyOfAJob that another server was to make, and its place.
func TestAPanicFreesTheKeyOfAJob(t *testing.T) {
	d := &catalog.Deployment{Name: "m", Beside: catalog.Beside{GetResponse: remoteOf(t, "http://there/responses/{id}", panics{})}}
	d.Remotes[catalog.Responses] = remoteOf(t, "http://there/responses", panics{})
	g, _ := over(t, Options{}, d)
	code, _ := askResponses(t, g, http.MethodPost, "", inBackground)
	if code != http.StatusInternalServerError || g.passes.Len() != 0 || len(g.responses.jobs) != 0 {
		t.Errorf("%d: %d keys, %v", code, g.passes.Len(), g.responses.jobs)
	}
}

type panics struct{}

// RoundTrip implements http.RoundTripper.
func (panics) RoundTrip(*http.Request) (*http.Response, error) { panic("a bug") }
