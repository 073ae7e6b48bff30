package auth_test

import (
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"outcrop/internal/auth"
)

// byPass asks with a per-request key.
func byPass(a *auth.Authenticator, key string) (auth.Caller, error) {
	return a.Authenticate(&http.Request{Header: http.Header{"Api-Key": {key}}})
}

func TestAPassStandsForTheFirstCaller(t *testing.T) {
	passes := auth.NewPasses(time.Minute)
	a := newAuthenticator(t, auth.Options{Passes: passes})
	alice := auth.Caller{User: "alice", LogName: "hash", Roles: []string{"user"}, Admin: true, Secured: true, Claims: map[string][]string{"sub": {"alice"}}}
	first := alice.Next("app")
	first.Trace = "trace-1"
	key := passes.Issue(first)
	if len(key) != 32 {
		t.Errorf("a key of %d characters", len(key))
	}
	caller, err := byPass(a, key)
	if err != nil || caller.User != "alice" || !caller.HasAny([]string{"user"}) || !caller.Secured || caller.Pass != first {
		t.Errorf("got %+v, %v", caller, err)
	}
	if caller.Admin || !caller.Pass.Caller.Admin {
		t.Error("who comes with a key is an admin, or it is not known that the first request was an admin's")
	}
	second := caller.Next("model")
	if !slices.Equal(second.Path, []string{"app", "model"}) || second.Trace != "trace-1" || second.Caller.Pass != nil || !second.Caller.Admin || second.Holder != "model" {
		t.Errorf("got %+v", second)
	}
	if other := caller.Next("other"); !slices.Equal(other.Path, []string{"app", "other"}) || !slices.Equal(second.Path, []string{"app", "model"}) {
		t.Errorf("two calls of one app share their paths: %v, %v", other.Path, second.Path)
	}
	if got := second.Execution(); !slices.Equal(got, []string{"hash", "app", "model"}) || second.Location() != "Keys/model/" {
		t.Errorf("got %v, %v", got, second.Location())
	}
	passes.Revoke(key)
	if _, err := byPass(a, key); reasonOf(err) != auth.Unknown {
		t.Errorf("a key that was taken back: %v", err)
	}
	passes.Revoke(key)
}

func TestAPassEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		passes := auth.NewPasses(time.Minute)
		a := newAuthenticator(t, auth.Options{Passes: passes})
		forgotten := passes.Issue(auth.Caller{Project: "p"}.Next("app"))
		after(time.Minute - 1)
		if _, err := byPass(a, forgotten); err != nil {
			t.Error(err)
		}
		after(1)
		if _, err := byPass(a, forgotten); reasonOf(err) != auth.Unknown {
			t.Errorf("got %v", err)
		}
		passes.Issue(auth.Caller{Project: "p"}.Next("app"))
		if n := passes.Len(); n != 1 {
			t.Errorf("%d keys are kept", n)
		}
	})
}

func TestPassesOfManyAtATime(t *testing.T) {
	passes := auth.NewPasses(time.Minute)
	a := newAuthenticator(t, auth.Options{Passes: passes})
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 500 {
				pass := auth.Caller{Project: "p"}.Next("app")
				key := passes.Issue(pass)
				if caller, err := byPass(a, key); err != nil || caller.Pass != pass {
					t.Errorf("got %+v, %v", caller, err)
				}
				passes.Revoke(key)
			}
		})
	}
	all.Wait()
	if n := passes.Len(); n != 0 {
		t.Errorf("%d keys are left", n)
	}
}

// TestAPassMayBeExtended beyond the others' time, and is taken back like them.
func TestAPassMayBeExtended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		passes := auth.NewPasses(time.Minute)
		a := newAuthenticator(t, auth.Options{Passes: passes})
		short, long := passes.Issue(&auth.Pass{Holder: "a"}), passes.Issue(&auth.Pass{Holder: "b"})
		passes.Extend(long, time.Hour)
		passes.Extend("no key", time.Hour)
		good := func(key string) bool {
			_, err := a.Authenticate(&http.Request{Header: http.Header{"Api-Key": {key}}})
			return err == nil
		}
		after(2 * time.Minute)
		passes.Issue(&auth.Pass{})
		if good(short) || !good(long) || passes.Len() != 2 {
			t.Errorf("after two minutes: short %v, long %v, %d held", good(short), good(long), passes.Len())
		}
		after(time.Hour)
		passes.Issue(&auth.Pass{})
		if good(long) || passes.Len() != 1 {
			t.Errorf("after an hour: %d held", passes.Len())
		}
		passes.Extend(short, time.Hour) // which is forgotten
		again := passes.Issue(&auth.Pass{})
		passes.Extend(again, time.Hour)
		passes.Revoke(again)
		if good(again) {
			t.Error("a key that was taken back is good")
		}
	})
}
