// Package limittest is the contract of a limit.Store as code.
package limittest
