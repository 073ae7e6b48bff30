// Package redistest is a real Redis for tests.
package redistest
