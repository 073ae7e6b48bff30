package ledger_test

import (
	"path/filepath"
	"testing"

	"outcrop/internal/ledger"
	"outcrop/internal/ledger/ledgertest"
)

func TestMemory(t *testing.T) {
	ledgertest.TestLedger(t, func(*testing.T) ledger.Options { return ledger.Options{Path: ledger.InMemory} })
}

func TestFile(t *testing.T) {
	options := func(t *testing.T) ledger.Options {
		return ledger.Options{Path: filepath.Join(t.TempDir(), "a dir?#%", "..", "usage?#%.db")}
	}
	ledgertest.TestLedger(t, options)
	ledgertest.TestShared(t, options)
}

func TestPostgres(t *testing.T) {
	server := ledgertest.Start(t)
	options := func(*testing.T) ledger.Options { return ledger.Options{URL: server.Database()} }
	ledgertest.TestLedger(t, options)
	ledgertest.TestShared(t, options)
}
