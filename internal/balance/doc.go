// Package balance is many upstreams as one: choose, retry before the first event, remember whose cache has what.
package balance
