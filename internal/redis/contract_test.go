package redis_test

import (
	"context"
	"testing"
	"time"

	"outcrop/internal/limit"
	"outcrop/internal/limit/limittest"
	"outcrop/internal/redis"
	"outcrop/internal/redis/redistest"
)

func TestLimitsAreAStore(t *testing.T) {
	server := redistest.Start(t)
	limittest.TestStore(t, func(t *testing.T) limit.Store {
		client := open(t, redis.Options{URL: server.URL(), Prefix: t.Name()})
		limits := redis.NewLimits(client, redis.LimitsOptions{})
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
			defer cancel()
			if err := limits.Close(ctx); err != nil {
				t.Error(err)
			}
		})
		return limits
	}, func(s limit.Store) {
		eventually(t, "the settlements count", func() bool { return s.(*redis.Limits).Pending() == 0 })
	})
}
