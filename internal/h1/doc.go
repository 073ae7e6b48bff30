// Package h1 is a client of HTTP/1.1 for many long calls of few servers: a call runs in its caller's goroutine, and an open
// stream holds a connection, no goroutine and no buffer of its own. net/http's transport has two goroutines and two buffers for
// each connection, and hands every call over three times (docs/adr/0030). What it does not do is net/http's: proxies, HTTP/2,
// trailers, upgrades, compression.
package h1
