package kv

import (
	"context"
	"errors"
	"time"
)

// ErrNone is the error of a key that has no value, or none any more.
var ErrNone = errors.New("no such key")

// Store keeps values until their lifetimes end. It is safe for concurrent use. Any other error than ErrNone means
// that the store could not be asked: what it holds is not known then.
type Store interface {
	Get(ctx context.Context, key string) (value []byte, err error)
	// Put keeps a value for that long, above 0, in the place of one before.
	Put(ctx context.Context, key string, value []byte, lifetime time.Duration) error
	// Claim is Put where there is no value yet: it says whether it did.
	Claim(ctx context.Context, key string, value []byte, lifetime time.Duration) (bool, error)
	Delete(ctx context.Context, key string) error
}

// Lists keep several values under one key, in the order in which they were added.
type Lists interface {
	// Append adds a value, and lets all of the key live for that long from now.
	Append(ctx context.Context, key string, value []byte, lifetime time.Duration) error
	// Take gives all values of a key, none for an unknown one, and forgets them.
	Take(ctx context.Context, key string) ([][]byte, error)
}

// Bus carries messages to all replicas, the sender among them. A message that nobody takes is lost.
type Bus interface {
	Publish(ctx context.Context, topic string, message []byte) error
	// Subscribe gives got every message of the topic until the context ends, which it waits for. It connects again
	// when it has to, and calls missed then: messages may have been lost.
	Subscribe(ctx context.Context, topic string, got func(message []byte), missed func()) error
}
