package usage

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/llm"
	"outcrop/internal/money"
)

// filled is an entry every member of which says something, but for its Talk, which no note has.
func filled(t testing.TB) Entry {
	t.Helper()
	e := Entry{Began: time.UnixMicro(1_795_000_000_123_456), Operation: Rerank, Kind: llm.KindTimeout}
	n := int64(0)
	fill(reflect.ValueOf(&e).Elem(), &n)
	return e
}

func fill(v reflect.Value, n *int64) {
	for i := range v.NumField() {
		f := v.Field(i)
		*n++
		switch name := v.Type().Field(i).Name; {
		case name == "Began" || name == "Operation" || name == "Kind" || name == "Talk":
		case f.Kind() == reflect.Struct:
			fill(f, n)
		case f.Kind() == reflect.String:
			f.SetString(name)
		case f.Kind() == reflect.Bool:
			f.SetBool(true)
		default:
			f.SetInt(*n * int64(time.Millisecond))
		}
	}
}

// TestANoteHasAllOfAnEntry: a member that is added to Entry has to be added to notes, and their version raised.
func TestANoteHasAllOfAnEntry(t *testing.T) {
	want := filled(t)
	got, err := ReadNote(AppendNote(nil, &want))
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	empty := Entry{Began: time.UnixMicro(0)}
	if got, err := ReadNote(AppendNote([]byte("before")[6:], &empty)); err != nil || got != empty {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestLostNote(t *testing.T) {
	e := Entry{Began: time.UnixMicro(1), Usage: llm.Usage{Input: 3}, Cost: money.Dollar}
	note := AppendNote(nil, &e)
	got, err := ReadNote(LostNote(note))
	if e.Lost, e.Failed = true, true; err != nil || got != e {
		t.Errorf("%+v, %v", got, err)
	}
	if again, err := ReadNote(note); err != nil || again.Lost {
		t.Errorf("the note itself was changed: %+v, %v", again, err)
	}
}

func TestForeignNotes(t *testing.T) {
	e := filled(t)
	note := AppendNote(nil, &e)
	later := append([]byte{noteVersion + 1}, note[1:]...)
	if _, err := ReadNote(later); !errors.Is(err, ErrNewerNote) {
		t.Error(err)
	}
	for i := range note {
		if _, err := ReadNote(note[:i]); err == nil {
			t.Fatalf("the first %d bytes of %d are a note", i, len(note))
		}
	}
	if _, err := ReadNote(append(note, 0)); err == nil {
		t.Error("there is more than a note")
	}
}

func FuzzReadNote(f *testing.F) {
	e := filled(f)
	f.Add(AppendNote(nil, &e))
	f.Add([]byte{noteVersion, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, note []byte) {
		e, err := ReadNote(note)
		if err != nil {
			return
		}
		again, err := ReadNote(AppendNote(nil, &e))
		if err != nil || again != e {
			t.Errorf("%+v, then %+v, %v", e, again, err)
		}
	})
}

func BenchmarkAppendNote(b *testing.B) {
	e := filled(b)
	dst := make([]byte, 0, 1024)
	for b.Loop() {
		dst = AppendNote(dst[:0], &e)
	}
}
