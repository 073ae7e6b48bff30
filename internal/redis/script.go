package redis

import (
	"context"
	"crypto/fips140"
	"crypto/sha1" // Redis names scripts so
	"encoding/hex"

	"github.com/redis/rueidis"
)

// script is a Lua script: https://redis.io/docs/latest/develop/programmability/eval-intro/
type script struct{ text, hash string }

func newScript(text string) script {
	s := script{text: text}
	fips140.WithoutEnforcement(func() { // it is a name, and protects nothing
		sum := sha1.Sum([]byte(text))
		s.hash = hex.EncodeToString(sum[:])
	})
	return s
}

// script runs a script: by its hash, and by its text where the server does not know it yet.
func (c *Client) script(ctx context.Context, s *script, keys, args []string) (rueidis.RedisResult, error) {
	if d := c.down.Load(); d != nil {
		return rueidis.RedisResult{}, d
	}
	bounded, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	r := c.redis.Do(bounded, c.evalsha(s, keys, args))
	if unknown(r.Error()) {
		r = c.redis.Do(bounded, c.redis.B().Eval().Script(s.text).Numkeys(int64(len(keys))).Key(keys...).Arg(args...).Build())
	}
	return r, c.judge(ctx, r.Error())
}

func (c *Client) evalsha(s *script, keys, args []string) rueidis.Completed {
	return c.redis.B().Evalsha().Sha1(s.hash).Numkeys(int64(len(keys))).Key(keys...).Arg(args...).Build()
}

// load makes a script known to the server.
func (c *Client) load(ctx context.Context, s *script) error {
	return c.redis.Do(ctx, c.redis.B().ScriptLoad().Script(s.text).Build()).Error()
}

// unknown says that the server does not know a script: it has restarted, or another took over.
func unknown(err error) bool {
	e, ok := rueidis.IsRedisErr(err)
	return ok && e.IsNoScript()
}
