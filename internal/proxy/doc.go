// Package proxy carries a request of DIAL's API to another server that speaks it, such as an adapter, and
// its answer back, byte by byte.
package proxy
