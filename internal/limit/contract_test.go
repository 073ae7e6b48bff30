package limit_test

import (
	"testing"

	"outcrop/internal/limit"
	"outcrop/internal/limit/limittest"
)

func TestMemoryIsAStore(t *testing.T) {
	limittest.TestStore(t, func(*testing.T) limit.Store { return limit.NewMemory(nil) }, func(limit.Store) {})
}

func TestDiskIsAStore(t *testing.T) {
	limittest.TestStore(t, func(t *testing.T) limit.Store {
		d, err := limit.OpenDisk(t.TempDir(), limit.DiskOptions{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := d.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
		return d
	}, func(limit.Store) {})
}
