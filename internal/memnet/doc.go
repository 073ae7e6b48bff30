// Package memnet is a network in memory, for tests of HTTP clients and servers under
// testing/synctest: a goroutine that waits on it is durably blocked, so the fake clock advances.
package memnet
