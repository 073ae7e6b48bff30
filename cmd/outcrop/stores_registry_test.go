package main

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"outcrop/internal/config"
	"outcrop/internal/journal"
	"outcrop/internal/kv"
	"outcrop/internal/limit"
)

// TestOneRegistryHearsOfReplicas: whoever ends the parts' balancers has ended all that listens to other replicas, or the
// bubble would not end.
func TestOneRegistryHearsOfReplicas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		settings, problems := config.LoadSettings("", []string{"aidial.encryption.secret=" + strings.Repeat("s", 32), "aidial.encryption.key=" + strings.Repeat("k", 32)})
		if config.HasErrors(problems) {
			t.Fatal(problems)
		}
		memory := kv.NewMemory(kv.MemoryOptions{})
		s := &stores{limits: limit.NewMemory(journal.NewMemory()), shared: common{memory, memory, memory}, log: slog.New(slog.DiscardHandler)}
		p := newParts(nil, nil, s.log)
		p.settle(settings)
		if err := s.keepIn(&p); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		p.balancers.Close()
	})
}
