package redis

import (
	"context"
	"strconv"
	"time"

	"github.com/redis/rueidis"
)

// subscribeEvery is how long a subscription waits before it connects again.
const subscribeEvery = 200 * time.Millisecond

// Publish is kv.Bus's.
func (c *Client) Publish(ctx context.Context, topic string, message []byte) error {
	_, err := c.do(ctx, c.redis.B().Publish().Channel(c.base+"b:"+topic).Message(rueidis.BinaryString(message)).Build())
	return err
}

// Subscribe is kv.Bus's, on a connection of its own. It returns nil when the context or the client ends.
func (c *Client) Subscribe(ctx context.Context, topic string, got func(message []byte), missed func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.closed, cancel)()
	ready := false
	hooked := rueidis.WithOnSubscriptionHook(ctx, func(s rueidis.PubSubSubscription) {
		if s.Kind != "subscribe" {
			return
		}
		if ready {
			missed()
		}
		ready = true
	})
	for {
		own, release := c.redis.Dedicate()
		_ = own.Receive(hooked, own.B().Subscribe().Channel(c.base+"b:"+topic).Build(), func(m rueidis.PubSubMessage) {
			got([]byte(m.Message))
		})
		own.Close() // a connection that has subscribed is good for nothing else
		release()
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(subscribeEvery):
		}
	}
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }
