// Package ledger is what was used and what it cost, summed in SQL.
package ledger
