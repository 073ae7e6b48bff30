package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/catalog"
	"outcrop/internal/kv"
	"outcrop/internal/llm"
)

// faultyStore is what replicas share in a test: it counts, and may be away.
type faultyStore struct {
	*kv.Memory
	gets, takes atomic.Int32
	away        atomic.Bool
	before      func(key string) // each Get and Claim
}

var errStoreAway = errors.New("connection refused")

func newFaultyStore() *faultyStore { return &faultyStore{Memory: kv.NewMemory(kv.MemoryOptions{})} }

func (s *faultyStore) fail() error {
	if s.away.Load() {
		return errStoreAway
	}
	return nil
}

// meanwhile is what else goes on.
func (s *faultyStore) meanwhile(key string) {
	if s.before != nil {
		s.before(key)
	}
}

func (s *faultyStore) Get(ctx context.Context, key string) ([]byte, error) {
	s.gets.Add(1)
	s.meanwhile(key)
	if err := s.fail(); err != nil {
		return nil, err
	}
	return s.Memory.Get(ctx, key)
}

func (s *faultyStore) Put(ctx context.Context, key string, value []byte, lifetime time.Duration) error {
	if err := s.fail(); err != nil {
		return err
	}
	return s.Memory.Put(ctx, key, value, lifetime)
}

func (s *faultyStore) Claim(ctx context.Context, key string, value []byte, lifetime time.Duration) (bool, error) {
	s.meanwhile(key)
	if err := s.fail(); err != nil {
		return false, err
	}
	return s.Memory.Claim(ctx, key, value, lifetime)
}

func (s *faultyStore) Delete(ctx context.Context, key string) error {
	if err := s.fail(); err != nil {
		return err
	}
	return s.Memory.Delete(ctx, key)
}

func (s *faultyStore) Append(ctx context.Context, key string, value []byte, lifetime time.Duration) error {
	if err := s.fail(); err != nil {
		return err
	}
	return s.Memory.Append(ctx, key, value, lifetime)
}

func (s *faultyStore) Take(ctx context.Context, key string) ([][]byte, error) {
	s.takes.Add(1)
	if err := s.fail(); err != nil {
		return nil, err
	}
	return s.Memory.Take(ctx, key)
}

// replicaOver is a gateway that shares the store.
func replicaOver(t *testing.T, store *faultyStore, deployments ...*catalog.Deployment) *Gateway {
	t.Helper()
	g, _ := over(t, Options{Secret: []byte("of all replicas"), Shared: store, SharedLists: store, Bus: store}, deployments...)
	g.passes.Share(store, nil)
	return g
}

// TestReplicasNeedASecret: none could read what another keeps.
func TestReplicasNeedASecret(t *testing.T) {
	visible, err := catalog.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(Options{Deployments: Fixed(visible), Log: slog.New(slog.DiscardHandler), Shared: newFaultyStore()}); !errors.Is(err, errNoSecret) {
		t.Error(err)
	}
}

// TestTheLogIsToldOfAStoreOnceInAWhile: a store that is away does not fill the log.
func TestTheLogIsToldOfAStoreOnceInAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		s := &shared{log: slog.New(slog.NewTextHandler(&text, nil))}
		for range 1000 {
			s.failed("it is away", errStoreAway)
		}
		pass(tellEvery)
		s.failed("it is away", errStoreAway)
		if n := strings.Count(text.String(), "\n"); n != 2 || !strings.Contains(text.String(), "failures=1000") {
			t.Errorf("%d lines:\n%s", n, text.String())
		}
	})
}

// historyOf are an assistant's calls as a plain OpenAI client sends them back.
func historyOf(ids ...string) *llm.ChatRequest {
	m := llm.Message{Role: llm.RoleAssistant}
	for _, id := range ids {
		m.Parts = append(m.Parts, llm.ToolCall{ID: id})
	}
	return &llm.ChatRequest{Messages: []llm.Message{m}}
}

// TestThinkingIsRecalledByEveryReplica, for its owner alone; what nobody thought costs no second look.
func TestThinkingIsRecalledByEveryReplica(t *testing.T) {
	store := newFaultyStore()
	a, b := replicaOver(t, store), replicaOver(t, store)
	mine := owner{"Keys/team-a/", "m"}
	a.vault.keep(mine, []recordedCall{{"call-1", lead("first")}, {"call-2", thinking{}}})
	for _, o := range []owner{{"Keys/team-b/", "m"}, {"Keys/team-a/", "n"}} {
		req := historyOf("call-1")
		if b.vault.recall(o, req); len(req.Messages[0].Parts) != 1 {
			t.Errorf("%v has %v", o, req.Messages[0].Parts)
		}
	}
	store.gets.Store(0)
	for range 3 {
		req := historyOf("call-1", "call-2", "call-3")
		b.vault.recall(mine, req)
		want := []llm.Part{lead("first").Lead[0], lead("first").Lead[1], llm.ToolCall{ID: "call-1"}, llm.ToolCall{ID: "call-2"}, llm.ToolCall{ID: "call-3"}}
		if diff := cmp.Diff(want, req.Messages[0].Parts); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	if n := store.gets.Load(); n != 3 {
		t.Errorf("%d looks for 3 calls", n)
	}
	if a.vault.recall(mine, historyOf("call-1", "call-2")); store.gets.Load() != 3 {
		t.Error("who made the calls looks for them")
	}
	many := make([]string, 2*maxRecalled)
	for i := range many {
		many[i] = "many-" + strings.Repeat("x", i)
	}
	store.gets.Store(0)
	if b.vault.recall(mine, historyOf(many...)); store.gets.Load() != maxRecalled {
		t.Errorf("%d looks for a history", store.gets.Load())
	}
}

// TestThinkingWithoutTheStore stays with the replica that has it, and comes back with the store.
func TestThinkingWithoutTheStore(t *testing.T) {
	store := newFaultyStore()
	a, b := replicaOver(t, store), replicaOver(t, store)
	mine := owner{"Keys/team-a/", "m"}
	a.vault.put(mine, "shared", lead("x"))
	store.away.Store(true)
	a.vault.put(mine, "alone", lead("y"))
	parts := func(g *Gateway, id string) int {
		req := historyOf(id)
		g.vault.recall(mine, req)
		return len(req.Messages[0].Parts)
	}
	if parts(a, "alone") != 3 || parts(b, "alone") != 1 || parts(b, "shared") != 1 {
		t.Error("away")
	}
	store.away.Store(false)
	if parts(b, "shared") != 3 || parts(b, "alone") != 1 {
		t.Error("back")
	}
	for name, value := range map[string]string{farName(mine.key("junk")): "junk", farName(mine.key("moved")): mustGet(t, store, farName(mine.key("shared")))} {
		if err := store.Put(t.Context(), name, []byte(value), time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if parts(b, "junk") != 1 || parts(b, "moved") != 1 {
		t.Error("what was written by others is believed")
	}
}

func mustGet(t *testing.T, store kv.Store, key string) string {
	t.Helper()
	value, err := store.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(value)
}

// said is a chat model that says one word and used five tokens and two.
type said struct{}

// Chat implements llm.ChatModel.
func (said) Chat(context.Context, *llm.ChatRequest) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		if yield(llm.Start{Model: "m-1"}, nil) && yield(&llm.TextDelta{Text: "Hi."}, nil) {
			yield(llm.Finish{Reason: llm.FinishStop, Usage: llm.Usage{Input: 5, Output: 2}}, nil)
		}
	}
}

// application answers a chat after it has asked a model of the gateway, at another replica, with its key.
type application struct {
	t     *testing.T
	asks  *Gateway
	model string
	code  int
	told  string
}

// RoundTrip implements http.RoundTripper.
func (a *application) RoundTrip(r *http.Request) (*http.Response, error) {
	nested := httptest.NewRequestWithContext(a.t.Context(), http.MethodPost, "/openai/deployments/"+a.model+"/chat/completions", strings.NewReader(`{"messages":[{"role":"user","content":"x"}]}`))
	nested.Header = http.Header{"Api-Key": r.Header["Api-Key"], "Content-Type": {"application/json"}}
	w := httptest.NewRecorder()
	a.asks.ServeHTTP(w, nested)
	a.code, a.told = w.Code, w.Body.String()
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
		Body: io.NopCloser(strings.NewReader(`{"choices":[{"index":0,"message":{"role":"assistant","content":"x"}}]}`)),
	}, nil
}

func applicationOf(t *testing.T, name string, s http.RoundTripper) *catalog.Deployment {
	t.Helper()
	d := &catalog.Deployment{Name: name, Kind: catalog.Application}
	d.Remotes[catalog.Chats] = remoteOf(t, "http://there/chat", s)
	return d
}

func askChat(t *testing.T, g *Gateway, name string) (int, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/openai/deployments/"+name+"/chat/completions", strings.NewReader(`{"messages":[{"role":"user","content":"x"}]}`))
	r.Header = http.Header{"Api-Key": {"k"}, "Content-Type": {"application/json"}}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// TestAnApplicationMayAskAnyReplica with the key of its request, and what that costs is told with the answer: also
// when what it asks asks a third.
func TestAnApplicationMayAskAnyReplica(t *testing.T) {
	store := newFaultyStore()
	model := &catalog.Deployment{Name: "m", Chat: said{}}
	inner, outer := &application{t: t, model: "m"}, &application{t: t, model: "inner"}
	all := []*catalog.Deployment{model, applicationOf(t, "inner", inner), applicationOf(t, "outer", outer)}
	first, second, third := replicaOver(t, store, all...), replicaOver(t, store, all...), replicaOver(t, store, all...)
	outer.asks, inner.asks = second, third
	code, text := askChat(t, first, "outer")
	if code != http.StatusOK || outer.code != http.StatusOK || inner.code != http.StatusOK {
		t.Fatalf("%d %s\n%d %s\n%d %s", code, text, outer.code, outer.told, inner.code, inner.told)
	}
	const line = `"usage_per_model":[{"model":"m","prompt_tokens":5,"completion_tokens":2,"total_tokens":7`
	if !strings.Contains(text, line) || !strings.Contains(outer.told, line) {
		t.Errorf("outer: %s\ninner: %s", text, outer.told)
	}
	if n := store.takes.Load(); n != 2 {
		t.Errorf("%d looks for two applications", n)
	}
	if entries, _ := store.Size(); entries != 0 {
		t.Errorf("%d keys are left in the store", entries)
	}
	if code, _ := askChat(t, first, "m"); code != http.StatusOK || store.takes.Load() != 2 {
		t.Error("a model asked nobody, and is looked for")
	}
}

// TestAnApplicationWithoutTheStore is served by the replica that it came from, and told by others to come again.
func TestAnApplicationWithoutTheStore(t *testing.T) {
	store := newFaultyStore()
	app := &application{t: t, model: "m"}
	all := []*catalog.Deployment{{Name: "m", Chat: said{}}, applicationOf(t, "app", app)}
	home, other := replicaOver(t, store, all...), replicaOver(t, store, all...)
	store.away.Store(true)
	app.asks = home
	if code, text := askChat(t, home, "app"); code != http.StatusOK || app.code != http.StatusOK || !strings.Contains(text, `"model":"m"`) {
		t.Errorf("%d %s, %d %s", code, text, app.code, app.told)
	}
	app.asks = other
	if code, _ := askChat(t, home, "app"); code != http.StatusOK || app.code != http.StatusServiceUnavailable || !strings.Contains(app.told, "try again later") {
		t.Errorf("%d, %d %s", code, app.code, app.told)
	}
}
