package redis

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// How soon and how often a server that is away is asked again.
const (
	probeFirst  = 5 * time.Millisecond
	probeAtMost = time.Second
)

// Client is a connection to Redis. While the server is away its commands fail at once, and it is asked again and
// again in the background. It is safe for concurrent use.
type Client struct {
	redis   rueidis.Client
	base    string // what all keys begin with
	address string
	hidden  string // the password
	tls     bool
	timeout time.Duration
	log     *slog.Logger

	append, take script

	down   atomic.Pointer[Down] // nil while it is up
	wake   chan struct{}
	closed context.Context
	close  context.CancelFunc
	all    sync.WaitGroup
}

// Open makes a client. That the server is away is no error: see Up. The context bounds the first connection only.
func Open(ctx context.Context, o Options) (*Client, error) {
	option, err := o.client()
	if err != nil {
		return nil, err
	}
	c := &Client{
		base: "{outcrop}" + o.Prefix + ":", address: option.InitAddress[0], hidden: option.Password, tls: option.TLSConfig != nil,
		timeout: o.Timeout, log: o.Log, wake: make(chan struct{}, 1),
		append: newScript(appendScript), take: newScript(takeScript),
	}
	if c.timeout <= 0 {
		c.timeout = DefaultTimeout
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	// With ForceSingleClient there is a client even if it could not connect.
	c.redis, err = rueidis.NewClient(option)
	if c.redis == nil {
		return nil, c.explain(err)
	}
	c.closed, c.close = context.WithCancel(context.WithoutCancel(ctx))
	c.down.Store(&Down{reason: "it has not been reached yet", address: c.address})
	c.probe(ctx)
	c.all.Go(c.watch)
	return c, nil
}

// Close ends the connection and all subscriptions.
func (c *Client) Close() {
	c.close()
	c.redis.Close()
	c.all.Wait()
}

// Up says whether the server answered last.
func (c *Client) Up() bool { return c.down.Load() == nil }

// Err is why the server is away, nil while it is not.
func (c *Client) Err() error {
	if d := c.down.Load(); d != nil {
		return d
	}
	return nil
}

// do sends one command.
func (c *Client) do(ctx context.Context, cmd rueidis.Completed) (rueidis.RedisResult, error) {
	if d := c.down.Load(); d != nil {
		return rueidis.RedisResult{}, d
	}
	bounded, cancel := context.WithTimeout(ctx, c.timeout)
	r := c.redis.Do(bounded, cmd)
	cancel()
	return r, c.judge(ctx, r.Error())
}

// judge makes of a command's error what is told of it, and of the server. A value that is not there is none.
func (c *Client) judge(ctx context.Context, err error) error {
	switch {
	case err == nil || rueidis.IsRedisNil(err):
		return nil
	case over(ctx):
		return context.Cause(ctx)
	}
	d := c.explain(err)
	if d.answered {
		return d // of this command alone
	}
	// One that ran out of time as well: the next would have to wait for a connection.
	c.fail(d)
	return d
}

// over says whether the context has ended, or does so now: a connection's deadline may come just before it.
func over(ctx context.Context) bool {
	if end, ok := ctx.Deadline(); ok && time.Until(end) < 5*time.Millisecond {
		<-ctx.Done()
	}
	return ctx.Err() != nil
}

// fail notes that the server is away.
func (c *Client) fail(d *Down) {
	if !c.down.CompareAndSwap(nil, d) {
		return
	}
	if c.closed.Err() == nil {
		c.log.Warn("Redis is away", "address", c.address, "error", d.Error())
	}
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// watch asks a server that is away again and again.
func (c *Client) watch() {
	for {
		pause := probeFirst
		for c.down.Load() != nil {
			select {
			case <-c.closed.Done():
				return
			case <-time.After(pause):
			}
			c.probe(c.closed)
			pause = min(2*pause, probeAtMost)
		}
		select {
		case <-c.closed.Done():
			return
		case <-c.wake:
		}
	}
}

// probe finds out whether the server takes what is written: a replica, or one that is full, answers PING as well.
func (c *Client) probe(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, max(c.timeout, time.Second))
	defer cancel()
	err := c.redis.Do(ctx, c.redis.B().Set().Key(c.base+"probe").Value("1").PxMilliseconds(1000).Build()).Error()
	if err != nil {
		d := c.explain(err)
		if before := c.down.Swap(d); before != nil && before.reason != d.reason && c.closed.Err() == nil {
			c.log.Warn("Redis is away", "address", c.address, "error", d.Error())
		}
		return
	}
	if c.down.Swap(nil) != nil {
		c.log.Info("Redis answers", "address", c.address)
	}
}
