package adapter

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestCacheHoldsTheLatestUsed(t *testing.T) {
	c := newCache[string, string](2)
	calls := 0
	get := func(key string) string {
		v, err := c.get(t.Context(), key, func() (made[string], error) {
			calls++
			return made[string]{value: key + "!"}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, key := range []string{"a", "b", "a", "c", "a"} { // b goes, a was used after it
		if got := get(key); got != key+"!" {
			t.Errorf("%s: got %s", key, got)
		}
	}
	if calls != 3 || c.len() != 2 {
		t.Errorf("%d were made, %d are kept", calls, c.len())
	}
	if get("b"); calls != 4 {
		t.Errorf("%d were made", calls)
	}
}

func TestCacheMakesOneOfAKeyAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache[int, *int](4)
		var calls atomic.Int64
		var all sync.WaitGroup
		got := make([]*int, 100)
		for i := range got {
			all.Go(func() {
				got[i], _ = c.get(t.Context(), 1, func() (made[*int], error) {
					calls.Add(1)
					<-time.After(time.Second)
					return made[*int]{value: new(int)}, nil
				})
			})
		}
		all.Wait()
		for _, v := range got {
			if v == nil || v != got[0] {
				t.Fatal("not all got the same")
			}
		}
		if n := calls.Load(); n != 1 {
			t.Errorf("it was made %d times", n)
		}
	})
}

func TestCacheKeepsNoErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache[int, int](4)
		broken, value := errors.New("broken"), 0
		create := func() (made[int], error) {
			if value == 0 {
				return made[int]{}, broken
			}
			return made[int]{value: value}, nil
		}
		if _, err := c.get(t.Context(), 1, create); !errors.Is(err, broken) {
			t.Errorf("got %v", err)
		}
		value = 7
		if got, err := c.get(t.Context(), 1, create); got != 7 || err != nil {
			t.Errorf("got %d, %v", got, err)
		}
	})
}

func TestCacheForgetsAfterItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache[int, int](4)
		calls := 0
		create := func() (made[int], error) { calls++; return made[int]{calls, time.Minute}, nil }
		for _, wait := range []time.Duration{0, 59 * time.Second, 2 * time.Second, time.Hour} {
			<-time.After(wait)
			if _, err := c.get(t.Context(), 1, create); err != nil {
				t.Fatal(err)
			}
		}
		if calls != 3 {
			t.Errorf("it was made %d times", calls)
		}
	})
}

// Who waits may leave, and one that panics leaves nobody waiting.
func TestCacheLetsWaitersGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache[int, int](4)
		go func() {
			defer func() { _ = recover() }()
			_, _ = c.get(t.Context(), 1, func() (made[int], error) {
				<-time.After(time.Minute)
				panic("broken")
			})
		}()
		synctest.Wait()
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.get(short, 1, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if _, err := c.get(t.Context(), 1, nil); !errors.Is(err, errUnmade) {
			t.Errorf("got %v", err)
		}
		if got, err := c.get(t.Context(), 1, func() (made[int], error) { return made[int]{value: 3}, nil }); got != 3 || err != nil {
			t.Errorf("got %d, %v", got, err)
		}
	})
}

// An entry that has been pushed out while it was made is still told to who asked for it.
func TestCacheEvictsWhatIsBeingMade(t *testing.T) {
	c := newCache[int, int](1)
	got, err := c.get(t.Context(), 1, func() (made[int], error) {
		inner, err := c.get(t.Context(), 2, func() (made[int], error) { return made[int]{value: 2}, nil })
		return made[int]{value: inner + 1}, err
	})
	if got != 3 || err != nil || c.len() != 1 {
		t.Errorf("got %d, %v, %d are kept", got, err, c.len())
	}
}

// Whoever holds something for a value is told when the cache gives it up: once, and not while it is kept.
func TestCacheTellsWhatItDrops(t *testing.T) {
	var dropped []int
	c := newCache[int, int](2)
	c.drop = func(v int) { dropped = append(dropped, v) }
	get := func(key int) {
		if _, err := c.get(t.Context(), key, func() (made[int], error) { return made[int]{value: key}, nil }); err != nil {
			t.Fatal(err)
		}
	}
	get(1)
	get(2)
	c.touch(1)
	get(3)                                                      // drops 2
	_, err := c.get(t.Context(), 4, func() (made[int], error) { // drops 1
		get(5) // drops 3
		get(6) // drops 4, which is not there yet
		return made[int]{value: 4}, nil
	})
	_, failed := c.get(t.Context(), 7, func() (made[int], error) { return made[int]{}, errUnmade }) // drops 5
	if err != nil || failed == nil || !slices.Equal(dropped, []int{2, 1, 3, 4, 5}) {
		t.Errorf("dropped %v, %v", dropped, err)
	}
}
