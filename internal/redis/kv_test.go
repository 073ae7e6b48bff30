package redis_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"outcrop/internal/kv"
	"outcrop/internal/kv/kvtest"
	"outcrop/internal/redis"
	"outcrop/internal/redis/redistest"
)

func TestKV(t *testing.T) {
	server := redistest.Start(t)
	kvtest.Test(t, kvtest.Kind{Open: func(t *testing.T) kvtest.Shared {
		c := open(t, redis.Options{URL: server.URL(), Prefix: t.Name()})
		return kvtest.Shared{Store: c, Lists: c, Bus: c}
	}})
}

// Installations that share a server do not see each other's keys.
func TestPrefix(t *testing.T) {
	server := redistest.Start(t)
	one := open(t, redis.Options{URL: server.URL(), Prefix: "one"})
	two := open(t, redis.Options{URL: server.URL(), Prefix: "two"})
	if err := one.Put(t.Context(), "a", []byte("1"), time.Hour); err != nil {
		t.Fatal(err)
	}
	if v, err := two.Get(t.Context(), "a"); err != kv.ErrNone { //nolint:errorlint // as it is promised
		t.Errorf("Get = %q, %v", v, err)
	}
}

// A subscription goes on after a restart of the server, and tells that something may have been missed.
func TestBusAfterRestart(t *testing.T) {
	server := redistest.Start(t)
	c := open(t, redis.Options{URL: server.URL()})
	var got, missed atomic.Int32
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- c.Subscribe(ctx, "a", func([]byte) { got.Add(1) }, func() { missed.Add(1) })
	}()
	received := func() bool {
		before := got.Load()
		_ = c.Publish(t.Context(), "a", nil)
		return eventuallyOnce(func() bool { return got.Load() > before })
	}
	eventually(t, "the first message", received)
	if n := missed.Load(); n != 0 {
		t.Errorf("missed was called %d times at first", n)
	}
	server.Kill()
	eventually(t, "that Redis is away", func() bool { _, _ = c.Get(t.Context(), "a"); return !c.Up() })
	server.Restart()
	eventually(t, "a message after the restart", received)
	if n := missed.Load(); n != 1 {
		t.Errorf("missed was called %d times", n)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func open(t testing.TB, o redis.Options) *redis.Client {
	t.Helper()
	c, err := redis.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// eventually waits until the condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); {
		if holds() {
			return
		}
		<-time.After(time.Millisecond)
	}
	t.Fatalf("waited in vain for %s", what)
}

// eventuallyOnce is whether it holds within a tenth of a second.
func eventuallyOnce(holds func() bool) bool {
	for range 50 {
		if holds() {
			return true
		}
		<-time.After(2 * time.Millisecond)
	}
	return false
}
