package kv

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"
)

// backlog is how many messages wait for a subscriber that is busy. Those beyond are missed.
const backlog = 1024

// topics is a Bus of this process. The zero value has no subscribers.
type topics struct {
	subscribing sync.RWMutex
	subscribers map[string]map[*subscriber]struct{}
}

type subscriber struct {
	messages chan []byte
	lost     atomic.Bool
}

// Publish is Bus's. It does not wait for subscribers.
func (t *topics) Publish(_ context.Context, topic string, message []byte) error {
	message = bytes.Clone(message)
	t.subscribing.RLock()
	defer t.subscribing.RUnlock()
	for s := range t.subscribers[topic] {
		select {
		case s.messages <- message:
		default:
			s.lost.Store(true)
		}
	}
	return nil
}

// Subscribe is Bus's. It returns nil when the context ends.
func (t *topics) Subscribe(ctx context.Context, topic string, got func(message []byte), missed func()) error {
	s := t.join(topic)
	defer t.leave(topic, s)
	for {
		select {
		case <-ctx.Done():
			return nil
		case m := <-s.messages:
			got(m)
		}
		if s.lost.Swap(false) {
			missed()
		}
	}
}

func (t *topics) join(topic string) *subscriber {
	s := &subscriber{messages: make(chan []byte, backlog)}
	t.subscribing.Lock()
	defer t.subscribing.Unlock()
	if t.subscribers == nil {
		t.subscribers = map[string]map[*subscriber]struct{}{}
	}
	if t.subscribers[topic] == nil {
		t.subscribers[topic] = map[*subscriber]struct{}{}
	}
	t.subscribers[topic][s] = struct{}{}
	return s
}

func (t *topics) leave(topic string, s *subscriber) {
	t.subscribing.Lock()
	defer t.subscribing.Unlock()
	delete(t.subscribers[topic], s)
	if len(t.subscribers[topic]) == 0 {
		delete(t.subscribers, topic)
	}
}
