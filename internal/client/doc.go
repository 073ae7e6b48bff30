// Package client is Outcrop's public API as Go calls, for the command line and for tests.
package client
