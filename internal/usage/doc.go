// Package usage is what one request was and cost, recorded once: one Entry for the log, the metrics and
// the ledger.
package usage
