// Package redis is what replicas share, in Redis or Valkey.
package redis
