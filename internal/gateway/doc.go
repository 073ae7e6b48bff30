// Package gateway is HTTP in, HTTP out: the routes of the DIAL API, and what a request passes
// through on its way.
package gateway
