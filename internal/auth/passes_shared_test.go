package auth_test

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/auth"
	"outcrop/internal/kv"
)

// counted is a store that counts, and may be away.
type counted struct {
	kv.Store
	gets atomic.Int32
	away atomic.Bool

	mu     sync.Mutex
	values map[string][]byte // all that were ever put
}

var errAway = errors.New("connection refused")

func sharedStore() *counted {
	return &counted{Store: kv.NewMemory(kv.MemoryOptions{}), values: map[string][]byte{}}
}

func (c *counted) Get(ctx context.Context, key string) ([]byte, error) {
	if c.gets.Add(1); c.away.Load() {
		return nil, errAway
	}
	return c.Store.Get(ctx, key)
}

func (c *counted) Put(ctx context.Context, key string, value []byte, lifetime time.Duration) error {
	if c.away.Load() {
		return errAway
	}
	c.mu.Lock()
	c.values[key] = value
	c.mu.Unlock()
	return c.Store.Put(ctx, key, value, lifetime)
}

func (c *counted) Delete(ctx context.Context, key string) error {
	if c.away.Load() {
		return errAway
	}
	return c.Store.Delete(ctx, key)
}

// replica is a process with passes of its own, and what failed there.
type replica struct {
	passes *auth.Passes
	auth   *auth.Authenticator
	failed []error
}

func replicaOf(t *testing.T, store kv.Store) *replica {
	t.Helper()
	r := &replica{passes: auth.NewPasses(time.Minute)}
	r.passes.Share(store, func(err error) { r.failed = append(r.failed, err) })
	r.auth = newAuthenticator(t, auth.Options{
		Keys: []auth.Key{{Digest: auth.Digest("k"), Project: "team"}}, Passes: r.passes,
	})
	return r
}

// filled is a pass with every field that another process has to know, so that a new one cannot be forgotten.
func filled(t *testing.T) *auth.Pass {
	t.Helper()
	pass := &auth.Pass{}
	var fill func(v reflect.Value, name string)
	fill = func(v reflect.Value, name string) {
		switch v.Interface().(type) {
		case string:
			v.SetString(name + " \"é\u2028")
		case bool:
			v.SetBool(true)
		case int:
			v.SetInt(7)
		case []string:
			v.Set(reflect.ValueOf([]string{name, ""}))
		case map[string][]string:
			v.Set(reflect.ValueOf(map[string][]string{"sub": {name}, "empty": {}, "none": nil}))
		case auth.Caller:
			for i := range v.NumField() {
				fill(v.Field(i), v.Type().Field(i).Name)
			}
		case *auth.Pass: // the first caller has none
		default:
			t.Fatalf("a field of type %s: can another process know it?", v.Type())
		}
	}
	all := reflect.ValueOf(pass).Elem()
	for i := range all.NumField() {
		fill(all.Field(i), all.Type().Field(i).Name)
	}
	return pass
}

// TestAKeyIsGoodAtEveryReplica with all that the first request's caller is, but never as an admin, until it is taken
// back.
func TestAKeyIsGoodAtEveryReplica(t *testing.T) {
	store := sharedStore()
	home, other := replicaOf(t, store), replicaOf(t, store)
	pass := filled(t)
	key := home.passes.Issue(pass)
	for name, header := range map[string]http.Header{
		"Api-Key": {"Api-Key": {key}}, "Bearer": {"Authorization": {"Bearer " + key}},
		"beside a user's token": {"Api-Key": {key}, "Authorization": {"Bearer of-the-user"}},
	} {
		got, err := other.auth.Authenticate(&http.Request{Header: header})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(pass, got.Pass); diff != "" {
			t.Errorf("%s (-issued +got):\n%s", name, diff)
		}
		if got.Admin || !got.Pass.Caller.Admin || !got.Pass.Elsewhere || got.User != pass.Caller.User || !got.Secured {
			t.Errorf("%s: %+v", name, got)
		}
	}
	asked := store.gets.Load()
	if _, err := byPass(home.auth, key); err != nil || store.gets.Load() != asked {
		t.Errorf("the process that gave the key asked the store: %v", err)
	}
	home.passes.Revoke(key)
	for _, r := range []*replica{home, other} {
		if _, err := byPass(r.auth, key); reasonOf(err) != auth.Unknown {
			t.Errorf("a key that was taken back: %v", err)
		}
	}
	if len(home.failed)+len(other.failed) != 0 {
		t.Error(home.failed, other.failed)
	}
}

// TestAStoreTellsNothingOfAKey: neither it nor whose it is, and a pass is good for its own key alone.
func TestAStoreTellsNothingOfAKey(t *testing.T) {
	store := sharedStore()
	home, other := replicaOf(t, store), replicaOf(t, store)
	mine := home.passes.Issue(auth.Caller{User: "alice", Claims: map[string][]string{"sub": {"alice"}}}.Next("app"))
	names := make([]string, 0, 2)
	for name, value := range store.values {
		if text := name + string(value); strings.Contains(text, mine) || strings.Contains(text, "alice") || strings.Contains(text, "app") {
			t.Errorf("%q: %q", name, value)
		}
		names = append(names, name)
	}
	theirs := home.passes.Issue(auth.Caller{User: "bob"}.Next("app"))
	for name, value := range store.values {
		if name == names[0] {
			continue
		}
		if err := store.Store.Put(t.Context(), names[0], value, time.Minute); err != nil { // who writes there gets no other's rights
			t.Fatal(err)
		}
	}
	if caller, err := byPass(other.auth, mine); reasonOf(err) != auth.Unknown || len(other.failed) != 1 {
		t.Errorf("%+v, %v, %v", caller, err, other.failed)
	}
	if caller, err := byPass(other.auth, theirs); err != nil || caller.User != "bob" {
		t.Errorf("%+v, %v", caller, err)
	}
	for _, junk := range []string{"", "\x01", "\x02" + strings.Repeat("x", 60), strings.Repeat("x", 60)} {
		if err := store.Store.Put(t.Context(), names[0], []byte(junk), time.Minute); err != nil {
			t.Fatal(err)
		}
		if _, err := byPass(other.auth, mine); reasonOf(err) != auth.Unknown {
			t.Errorf("%q: %v", junk, err)
		}
	}
}

// TestKeysThatNobodyGave ask the store once in a while, and what is no key of ours never does.
func TestKeysThatNobodyGave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := sharedStore()
		r := replicaOf(t, store)
		guess := strings.Repeat("GUESS234", 4)
		for _, wait := range []time.Duration{0, time.Second, 8 * time.Second} {
			after(wait)
			if _, err := byPass(r.auth, guess); reasonOf(err) != auth.Unknown {
				t.Error(err)
			}
		}
		for _, key := range []string{"short", strings.Repeat("guess234", 4), strings.Repeat("GUESS019", 4), strings.Repeat("GUESS234", 5), strings.Repeat("é", 16)} {
			if _, err := byPass(r.auth, key); reasonOf(err) != auth.Unknown {
				t.Error(err)
			}
		}
		if n := store.gets.Load(); n != 1 {
			t.Errorf("asked %d times", n)
		}
		after(10 * time.Second)
		if _, err := byPass(r.auth, guess); reasonOf(err) != auth.Unknown || store.gets.Load() != 2 {
			t.Errorf("%v after %d", err, store.gets.Load())
		}
	})
}

// TestASharedPassEnds with its lifetime, which may be extended from where it was given.
func TestASharedPassEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := sharedStore()
		home, other := replicaOf(t, store), replicaOf(t, store)
		short, long := home.passes.Issue(&auth.Pass{Holder: "a"}), home.passes.Issue(&auth.Pass{Holder: "b"})
		home.passes.Extend(long, time.Hour)
		after(2 * time.Minute)
		if _, err := byPass(other.auth, short); reasonOf(err) != auth.Unknown {
			t.Error(err)
		}
		if caller, err := byPass(other.auth, long); err != nil || caller.Pass.Holder != "b" {
			t.Errorf("%+v, %v", caller, err)
		}
		after(time.Hour)
		if _, err := byPass(other.auth, long); reasonOf(err) != auth.Unknown {
			t.Error(err)
		}
	})
}

// TestAStoreThatIsAway leaves what one process knows alone, and nobody is told that a good key is bad.
func TestAStoreThatIsAway(t *testing.T) {
	store := sharedStore()
	home, other := replicaOf(t, store), replicaOf(t, store)
	before := home.passes.Issue(&auth.Pass{Holder: "a"})
	store.away.Store(true)
	key := home.passes.Issue(&auth.Pass{Holder: "b"})
	if _, err := byPass(home.auth, key); err != nil {
		t.Error(err)
	}
	for _, k := range []string{before, key, strings.Repeat("GUESS234", 4)} {
		if _, err := byPass(other.auth, k); reasonOf(err) != auth.Unreachable || !strings.Contains(err.Error(), "try again later") {
			t.Error(err)
		}
	}
	if _, err := byPass(other.auth, "k"); err != nil {
		t.Errorf("a key of the configuration: %v", err)
	}
	home.passes.Revoke(before)
	if _, err := byPass(home.auth, before); reasonOf(err) != auth.Unreachable { // it may be another's, for all that is known
		t.Error(err)
	}
	if len(home.failed) != 3 || len(other.failed) != 3 || !errors.Is(home.failed[0], errAway) {
		t.Error(home.failed, other.failed)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	r := (&http.Request{Header: http.Header{"Api-Key": {key}}}).WithContext(gone)
	if _, err := other.auth.Authenticate(r); reasonOf(err) != auth.Unreachable || len(other.failed) != 3 {
		t.Errorf("who has left: %v, %v", err, other.failed)
	}
	store.away.Store(false)
	if _, err := byPass(other.auth, before); err != nil {
		t.Errorf("when it is back: %v", err)
	}
}

func BenchmarkSharedPass(b *testing.B) {
	store := kv.NewMemory(kv.MemoryOptions{})
	home, other := auth.NewPasses(time.Hour), auth.NewPasses(time.Hour)
	home.Share(store, nil)
	other.Share(store, nil)
	benchmark(b, newAuthenticator(b, auth.Options{Passes: other}), "Api-Key", home.Issue(auth.Caller{Project: "p"}.Next("app")))
}

func BenchmarkIssueShared(b *testing.B) {
	passes := auth.NewPasses(time.Hour)
	passes.Share(kv.NewMemory(kv.MemoryOptions{}), nil)
	pass := auth.Caller{User: "alice", Roles: []string{"user"}, Claims: map[string][]string{"sub": {"alice"}}}.Next("app")
	b.ReportAllocs()
	for b.Loop() {
		passes.Revoke(passes.Issue(pass))
	}
}
