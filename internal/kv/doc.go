// Package kv is small values that live for a time, of this process or shared by replicas.
package kv
