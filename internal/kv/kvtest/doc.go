// Package kvtest is what every kv.Store, kv.Lists and kv.Bus keeps to.
package kvtest
