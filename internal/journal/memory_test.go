package journal

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

func TestMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory()
		go func() {
			<-time.After(time.Second)
			for i := range 5 {
				if err := m.Append([]byte(strconv.Itoa(i))); err != nil {
					t.Error(err)
				}
			}
		}()
		notes, err := m.Read(t.Context(), "", 1) // waits for the first
		if err != nil || len(notes) != 1 || string(notes[0].Data) != "0" {
			t.Fatalf("%v, %v", notes, err)
		}
		synctest.Wait()
		rest, err := m.Read(t.Context(), notes[0].Position, 10)
		if err != nil || len(rest) != 4 || string(rest[3].Data) != "4" {
			t.Fatalf("%v, %v", rest, err)
		}
		if err := m.Trim(t.Context(), rest[1].Position); err != nil {
			t.Fatal(err)
		}
		if again, err := m.Read(t.Context(), "", 10); err != nil || len(again) != 2 || again[0].Position != rest[2].Position {
			t.Fatalf("%v, %v", again, err)
		}
		if err := m.Trim(t.Context(), rest[3].Position); err != nil || m.bytes != 0 {
			t.Fatal(err, m.bytes)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if none, err := m.Read(ctx, rest[3].Position, 10); err != nil || none != nil {
			t.Fatalf("%v, %v", none, err)
		}
	})
}

func TestMemoryIsBounded(t *testing.T) {
	m, note := NewMemory(), make([]byte, 64<<20)
	for i := range 4 {
		if err := m.Append(note); err != nil {
			t.Fatal(i, err)
		}
	}
	if err := m.Append(note); !errors.Is(err, ErrFull) {
		t.Error(err)
	}
}

// TestMemoriesDiffer: a ledger that outlives the process must not take the notes of the next for counted.
func TestMemoriesDiffer(t *testing.T) {
	if a, b := NewMemory().ID(), NewMemory().ID(); a == b {
		t.Errorf("both are %s", a)
	}
}
