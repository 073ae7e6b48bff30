package redis

import (
	"context"
	"time"

	"github.com/redis/rueidis"

	"outcrop/internal/kv"
)

const (
	appendScript = `redis.call('RPUSH', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])`
	takeScript = `local all = redis.call('LRANGE', KEYS[1], 0, -1)
redis.call('DEL', KEYS[1])
return all`
)

// Get is kv.Store's.
func (c *Client) Get(ctx context.Context, key string) ([]byte, error) {
	r, err := c.do(ctx, c.redis.B().Get().Key(c.base+"v:"+key).Build())
	if err != nil {
		return nil, err
	}
	value, err := r.AsBytes()
	if rueidis.IsRedisNil(err) {
		return nil, kv.ErrNone
	}
	return value, err
}

// Put is kv.Store's.
func (c *Client) Put(ctx context.Context, key string, value []byte, lifetime time.Duration) error {
	_, err := c.do(ctx, c.redis.B().Set().Key(c.base+"v:"+key).Value(rueidis.BinaryString(value)).PxMilliseconds(milliseconds(lifetime)).Build())
	return err
}

// Claim is kv.Store's.
func (c *Client) Claim(ctx context.Context, key string, value []byte, lifetime time.Duration) (bool, error) {
	r, err := c.do(ctx, c.redis.B().Set().Key(c.base+"v:"+key).Value(rueidis.BinaryString(value)).Nx().PxMilliseconds(milliseconds(lifetime)).Build())
	return err == nil && r.Error() == nil, err
}

// Delete is kv.Store's.
func (c *Client) Delete(ctx context.Context, key string) error {
	_, err := c.do(ctx, c.redis.B().Del().Key(c.base+"v:"+key).Build())
	return err
}

// Append is kv.Lists'.
func (c *Client) Append(ctx context.Context, key string, value []byte, lifetime time.Duration) error {
	_, err := c.script(ctx, &c.append, []string{c.base + "l:" + key}, []string{rueidis.BinaryString(value), decimal(milliseconds(lifetime))})
	return err
}

// Take is kv.Lists'.
func (c *Client) Take(ctx context.Context, key string) ([][]byte, error) {
	r, err := c.script(ctx, &c.take, []string{c.base + "l:" + key}, nil)
	if err != nil {
		return nil, err
	}
	texts, err := r.AsStrSlice()
	if err != nil || len(texts) == 0 {
		return nil, err
	}
	values := make([][]byte, len(texts))
	for i, t := range texts {
		values[i] = []byte(t)
	}
	return values, nil
}

// milliseconds is a lifetime as Redis knows it: at least one.
func milliseconds(d time.Duration) int64 {
	return max(1, int64((d+time.Millisecond-1)/time.Millisecond))
}
