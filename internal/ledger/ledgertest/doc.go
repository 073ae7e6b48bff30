// Package ledgertest is what every ledger promises, and a real PostgreSQL for tests.
package ledgertest
