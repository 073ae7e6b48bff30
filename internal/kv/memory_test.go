package kv_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"outcrop/internal/kv"
	"outcrop/internal/kv/kvtest"
)

func TestMemory(t *testing.T) {
	kvtest.Test(t, kvtest.Kind{Virtual: true, Open: func(*testing.T) kvtest.Shared {
		m := kv.NewMemory(kv.MemoryOptions{})
		return kvtest.Shared{Store: m, Lists: m, Bus: m}
	}})
}

func TestMemoryIsBounded(t *testing.T) {
	for name, o := range map[string]kv.MemoryOptions{
		"by entries": {Entries: 10},
		"by bytes":   {Bytes: 10 * (160 + 4 + 1000)},
	} {
		t.Run(name, func(t *testing.T) {
			m := kv.NewMemory(o)
			for i := range 100 {
				put(t, m, i, time.Hour)
			}
			if entries, _ := m.Size(); entries != 10 || m.Dropped() != 90 {
				t.Errorf("%d are kept and %d dropped, want 10 and 90", entries, m.Dropped())
			}
			for i := range 100 {
				_, err := m.Get(t.Context(), key(i))
				if lost := errors.Is(err, kv.ErrNone); lost != (i < 90) {
					t.Errorf("%d: %v; the newest should be there", i, err)
				}
			}
			if err := m.Put(t.Context(), "huge", make([]byte, 20000), time.Hour); err != nil {
				t.Error(err)
			}
		})
	}
}

// A value larger than all of the memory is not kept, and drives nothing else out.
func TestMemoryHuge(t *testing.T) {
	m := kv.NewMemory(kv.MemoryOptions{Bytes: 5000})
	put(t, m, 1, time.Hour)
	if err := m.Put(t.Context(), "huge", make([]byte, 20000), time.Hour); err != nil {
		t.Error(err)
	}
	if entries, size := m.Size(); entries != 1 || size > 5000 || m.Dropped() != 1 {
		t.Errorf("%d entries of %d bytes, %d dropped", entries, size, m.Dropped())
	}
}

// A list that grows beyond the bound goes as a whole: none of its values is given without those before it.
func TestMemoryListIsBounded(t *testing.T) {
	m := kv.NewMemory(kv.MemoryOptions{Bytes: 3000})
	for range 5 {
		if err := m.Append(t.Context(), "a", make([]byte, 1000), time.Hour); err != nil {
			t.Fatal(err)
		}
		if _, size := m.Size(); size > 3000 {
			t.Fatalf("%d bytes", size)
		}
	}
	if m.Dropped() == 0 {
		t.Error("nothing was dropped")
	}
}

// What has ended makes room before anything that lives, and frees its memory.
func TestMemoryForgetsWhatEnded(t *testing.T) {
	now := time.Unix(0, 0)
	m := kv.NewMemory(kv.MemoryOptions{Entries: 10, Now: func() time.Time { return now }})
	put(t, m, 0, time.Hour)
	for i := range 9 {
		put(t, m, 1+i, time.Second)
	}
	now = now.Add(time.Minute)
	put(t, m, 10, time.Hour)
	if entries, _ := m.Size(); entries != 2 || m.Dropped() != 0 {
		t.Errorf("%d are kept and %d dropped, want 2 and 0", entries, m.Dropped())
	}
	if _, err := m.Get(t.Context(), key(0)); err != nil {
		t.Errorf("the oldest that lives: %v", err)
	}
}

// A subscriber that is too slow does not hold up whoever publishes, and is told that it missed something.
func TestMemoryBusDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := kv.NewMemory(kv.MemoryOptions{})
		ctx, cancel := context.WithCancel(t.Context())
		missed, received := 0, 0
		go func() {
			_ = m.Subscribe(ctx, "a", func([]byte) {
				received++
				<-time.After(time.Second)
			}, func() { missed++ })
		}()
		synctest.Wait()
		for range 5000 {
			if err := m.Publish(t.Context(), "a", nil); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(2 * time.Hour)
		cancel()
		synctest.Wait()
		if missed != 1 || received < 1000 || received > 1100 {
			t.Errorf("%d were received, missed was called %d times", received, missed)
		}
	})
}

func BenchmarkMemory(b *testing.B) {
	m := kv.NewMemory(kv.MemoryOptions{})
	b.ReportAllocs()
	for b.Loop() {
		if err := m.Put(b.Context(), "key", nil, time.Hour); err != nil {
			b.Fatal(err)
		}
		if _, err := m.Get(b.Context(), "key"); err != nil {
			b.Fatal(err)
		}
	}
}

func key(i int) string { return fmt.Sprintf("%04d", i) }

func put(t *testing.T, m *kv.Memory, i int, lifetime time.Duration) {
	t.Helper()
	if err := m.Put(t.Context(), key(i), make([]byte, 1000), lifetime); err != nil {
		t.Fatal(err)
	}
}
