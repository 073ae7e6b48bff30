package h1

import (
	"context"
	"errors"
	"net"
	"slices"
	"syscall"
	"time"
)

// take is a connection that is free and as it was left, or a new one.
func (t *Transport) take(ctx context.Context, to place, within time.Duration) (*conn, error) {
	for ctx.Err() == nil {
		c := t.spare(to)
		if c == nil {
			return t.open(ctx, to, within)
		}
		if c.alive(time.Now()) {
			return c, nil
		}
		c.drop()
	}
	return nil, context.Cause(ctx)
}

// spare is the connection that was used last, so that those in surplus grow old.
func (t *Transport) spare(to place) *conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closing = false
	all := t.idle[to]
	if len(all) == 0 {
		return nil
	}
	c := all[len(all)-1]
	all[len(all)-1] = nil
	t.idle[to] = all[:len(all)-1]
	return c
}

// put keeps a connection for the next call.
func (t *Transport) put(c *conn) {
	c.since = time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	all := t.idle[c.to]
	if t.closing || t.MaxIdle > 0 && len(all) >= t.MaxIdle {
		c.drop()
		return
	}
	if t.idle == nil {
		t.idle = map[place][]*conn{}
	}
	t.idle[c.to] = append(all, c)
	if t.sweeper == nil {
		t.sweeper = time.AfterFunc(sweepEvery, t.sweep)
	}
}

// sweepEvery is how long a connection that the server has closed, or that is idle for too long, may stay open when no call
// comes across it.
const sweepEvery = 15 * time.Second

// sweep closes connections that no call would use, and comes again as long as one is idle.
func (t *Transport) sweep() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sweeper == nil {
		return
	}
	now, some := time.Now(), false
	for to, all := range t.idle {
		t.idle[to] = slices.DeleteFunc(all, func(c *conn) bool {
			alive := c.alive(now)
			if !alive {
				c.drop()
			}
			return !alive
		})
		if len(t.idle[to]) == 0 {
			delete(t.idle, to)
			continue
		}
		some = true
	}
	if t.sweeper = nil; some {
		t.sweeper = time.AfterFunc(sweepEvery, t.sweep)
	}
}

// CloseIdleConnections closes those that no call uses; those in use are closed when their call ends, unless another has been
// made meanwhile.
func (t *Transport) CloseIdleConnections() {
	t.mu.Lock()
	t.closing = true
	t.mu.Unlock()
	t.dropIdle()
}

// dropIdle closes those that no call uses, and says whether there were any.
func (t *Transport) dropIdle() (some bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, all := range t.idle {
		for _, c := range all {
			c.drop()
			some = true
		}
	}
	t.idle = nil
	if t.sweeper != nil {
		t.sweeper.Stop()
		t.sweeper = nil
	}
	return some
}

// alive says whether the server has left an idle connection as it was: what it has sent meanwhile is its end.
func (c *conn) alive(now time.Time) bool {
	idle := now.Sub(c.since)
	if limit := c.transport.IdleTimeout; limit > 0 && idle > limit {
		return false
	}
	return idle < justUsed || c.look.quiet(c.raw)
}

// justUsed is how long a connection is taken to be as it was left without a look: servers that close one do so when it has been
// idle for seconds, and a call that finds it closed is made again.
const justUsed = 20 * time.Millisecond

// look looks at what a connection has for its reader, and leaves it there.
type look struct {
	at    syscall.RawConn
	into  [1]byte
	asked func(fd uintptr) bool // made once, as it is asked before every call
	left  bool                  // nothing has come
}

// quiet says whether nothing has come, the end neither. Of what is no socket that is not known.
func (l *look) quiet(raw net.Conn) bool {
	if l.at == nil {
		system, ok := raw.(syscall.Conn)
		if !ok {
			return true
		}
		at, err := system.SyscallConn()
		if err != nil {
			return false
		}
		l.at, l.asked = at, func(fd uintptr) bool {
			_, _, err := syscall.Recvfrom(int(fd), l.into[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
			l.left = errors.Is(err, syscall.EAGAIN)
			return true
		}
	}
	return l.at.Read(l.asked) == nil && l.left
}
