// Package fixturetest plays exchanges that are written down as text: a request, what the upstream is
// asked, what it answers, what the client gets. It is for tests.
package fixturetest
