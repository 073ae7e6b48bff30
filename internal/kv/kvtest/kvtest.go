package kvtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"outcrop/internal/kv"
)

// Kind is one implementation. What Open returns is empty, and closed by the test's cleanup.
type Kind struct {
	Open func(t *testing.T) Shared
	// Virtual runs each test in a bubble of testing/synctest.
	Virtual bool
}

// Shared is what replicas share.
type Shared struct {
	Store kv.Store
	Lists kv.Lists
	Bus   kv.Bus
}

// Lifetimes that a test waits for, and that end in no test.
const (
	short = 50 * time.Millisecond
	long  = time.Hour
)

// Test checks all that Open's values promise.
func Test(t *testing.T, k Kind) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(t *testing.T, s Shared)
	}{
		{"values", testValues},
		{"values end", testValuesEnd},
		{"claims", testClaims},
		{"one of many claims", testManyClaims},
		{"lists", testLists},
		{"lists end", testListsEnd},
		{"lists under many hands", testListsShared},
		{"messages", testMessages},
		{"messages reach all", testMessagesReachAll},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !k.Virtual {
				c.test(t, k.Open(t))
				return
			}
			synctest.Test(t, func(t *testing.T) { c.test(t, k.Open(t)) })
		})
	}
}

func testValues(t *testing.T, s Shared) {
	want(t, s.Store, "a", "")
	for _, v := range []string{"1", "", "\x00\xff\r\n", string(bytes.Repeat([]byte("x"), 1<<20)), "2"} {
		value := []byte(v)
		ok(t, s.Store.Put(t.Context(), "a", value, long))
		clear(value)
		got, err := s.Store.Get(t.Context(), "a")
		if err != nil || got == nil || string(got) != v {
			t.Fatalf("Get = %.20q (nil: %t), %v; want %.20q", got, got == nil, err, v)
		}
	}
	want(t, s.Store, "b", "")
	ok(t, s.Store.Put(t.Context(), "b", []byte("3"), long))
	ok(t, s.Store.Delete(t.Context(), "a"))
	ok(t, s.Store.Delete(t.Context(), "a"))
	want(t, s.Store, "a", "")
	want(t, s.Store, "b", "3")
}

func testValuesEnd(t *testing.T, s Shared) {
	ok(t, s.Store.Put(t.Context(), "a", []byte("1"), short))
	ok(t, s.Store.Put(t.Context(), "b", []byte("1"), short))
	ok(t, s.Store.Put(t.Context(), "b", []byte("2"), long))
	wait(t, 2*short)
	want(t, s.Store, "a", "")
	want(t, s.Store, "b", "2")
	// Shorter than a server's clock can tell is still a lifetime.
	ok(t, s.Store.Put(t.Context(), "b", []byte("3"), time.Nanosecond))
	wait(t, short)
	want(t, s.Store, "b", "")
}

func testClaims(t *testing.T, s Shared) {
	claim := func(value string, lifetime time.Duration, mine bool) {
		t.Helper()
		got, err := s.Store.Claim(t.Context(), "a", []byte(value), lifetime)
		if err != nil || got != mine {
			t.Fatalf("Claim = %t, %v; want %t", got, err, mine)
		}
	}
	claim("1", short, true)
	claim("2", long, false)
	want(t, s.Store, "a", "1")
	wait(t, 2*short)
	claim("3", long, true)
	want(t, s.Store, "a", "3")
	ok(t, s.Store.Delete(t.Context(), "a"))
	claim("4", long, true)
}

func testManyClaims(t *testing.T, s Shared) {
	var mine sync.Map
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if got, err := s.Store.Claim(t.Context(), "a", fmt.Appendf(nil, "%d", i), long); err != nil {
				t.Error(err)
			} else if got {
				mine.Store(i, true)
			}
		})
	}
	all.Wait()
	n := 0
	mine.Range(func(i, _ any) bool {
		n++
		want(t, s.Store, "a", fmt.Sprint(i))
		return true
	})
	if n != 1 {
		t.Errorf("%d of 20 claims were the first", n)
	}
}

func testLists(t *testing.T, s Shared) {
	wantList(t, s.Lists, "a")
	for _, v := range []string{"1", "", "\x00\xff", "1"} {
		value := []byte(v)
		ok(t, s.Lists.Append(t.Context(), "a", value, long))
		clear(value)
	}
	ok(t, s.Lists.Append(t.Context(), "b", []byte("2"), long))
	wantList(t, s.Lists, "a", "1", "", "\x00\xff", "1")
	wantList(t, s.Lists, "a")
	wantList(t, s.Lists, "b", "2")
}

func testListsEnd(t *testing.T, s Shared) {
	ok(t, s.Lists.Append(t.Context(), "a", []byte("1"), short))
	ok(t, s.Lists.Append(t.Context(), "b", []byte("1"), short))
	ok(t, s.Lists.Append(t.Context(), "b", []byte("2"), long))
	wait(t, 2*short)
	wantList(t, s.Lists, "a")
	wantList(t, s.Lists, "b", "1", "2")
	ok(t, s.Lists.Append(t.Context(), "a", []byte("3"), long))
	wantList(t, s.Lists, "a", "3")
}

// testListsShared takes while others add: nothing is lost or given twice.
func testListsShared(t *testing.T, s Shared) {
	const writers, each = 4, 50
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				if err := s.Lists.Append(t.Context(), "a", fmt.Appendf(nil, "%d/%d", w, i), long); err != nil {
					t.Error(err)
				}
			}
		})
	}
	got := map[string]int{}
	take := func() {
		values, err := s.Lists.Take(t.Context(), "a")
		ok(t, err)
		for _, v := range values {
			got[string(v)]++
		}
	}
	for range 20 {
		take()
	}
	all.Wait()
	take()
	for v, n := range got {
		if n != 1 {
			t.Errorf("%s was given %d times", v, n)
		}
	}
	if len(got) != writers*each {
		t.Errorf("%d of %d values were given", len(got), writers*each)
	}
}

func testMessages(t *testing.T, s Shared) {
	got := subscribe(t, s.Bus, "a")
	other := subscribe(t, s.Bus, "b")
	for i := range 100 {
		ok(t, s.Bus.Publish(t.Context(), "a", fmt.Appendf(nil, "%d", i)))
	}
	ok(t, s.Bus.Publish(t.Context(), "b", nil))
	for i := range 100 {
		if m := receive(t, got); m != fmt.Sprint(i) {
			t.Fatalf("message %q, want %d", m, i)
		}
	}
	if m := receive(t, other); m != "" {
		t.Errorf("message %q of another topic", m)
	}
	ok(t, s.Bus.Publish(t.Context(), "nobody", []byte("lost")))
}

func testMessagesReachAll(t *testing.T, s Shared) {
	one, two := subscribe(t, s.Bus, "a"), subscribe(t, s.Bus, "a")
	ok(t, s.Bus.Publish(t.Context(), "a", []byte("hello")))
	for _, c := range []<-chan string{one, two} {
		if m := receive(t, c); m != "hello" {
			t.Errorf("message %q", m)
		}
	}
}

// subscribe gives the messages of a topic that are published from now on, until the test ends.
func subscribe(t *testing.T, bus kv.Bus, topic string) <-chan string {
	t.Helper()
	const probe = "is anybody there?"
	messages, there := make(chan string, 1000), make(chan struct{})
	var once sync.Once
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- bus.Subscribe(ctx, topic, func(m []byte) {
			if string(m) == probe {
				once.Do(func() { close(there) })
				return
			}
			messages <- string(m)
		}, func() { t.Error("messages were missed") })
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Subscribe: %v", err)
		}
	})
	for {
		ok(t, bus.Publish(t.Context(), topic, []byte(probe)))
		select {
		case <-there:
			return messages
		case <-time.After(short):
		}
	}
}

func receive(t *testing.T, c <-chan string) string {
	t.Helper()
	select {
	case m := <-c:
		return m
	case <-time.After(100 * short):
		t.Fatal("no message")
		return ""
	}
}

// want checks a key's value, "" for none.
func want(t *testing.T, s kv.Store, key, value string) {
	t.Helper()
	got, err := s.Get(t.Context(), key)
	switch {
	case value == "" && !errors.Is(err, kv.ErrNone):
		t.Fatalf("Get(%s) = %q, %v; want ErrNone", key, got, err)
	case value != "" && (err != nil || string(got) != value):
		t.Fatalf("Get(%s) = %q, %v; want %q", key, got, err, value)
	}
}

func wantList(t *testing.T, l kv.Lists, key string, values ...string) {
	t.Helper()
	got, err := l.Take(t.Context(), key)
	ok(t, err)
	if len(got) != len(values) {
		t.Fatalf("Take(%s) = %q, want %q", key, got, values)
	}
	for i := range got {
		if string(got[i]) != values[i] {
			t.Fatalf("Take(%s) = %q, want %q", key, got, values)
		}
	}
}

func wait(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
