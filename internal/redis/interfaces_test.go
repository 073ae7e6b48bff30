package redis_test

import (
	"outcrop/internal/journal"
	"outcrop/internal/kv"
	"outcrop/internal/limit"
	"outcrop/internal/redis"
)

var (
	_ limit.Store    = (*redis.Limits)(nil)
	_ journal.Outbox = (*redis.Notes)(nil)
	_ kv.Store       = (*redis.Client)(nil)
	_ kv.Lists       = (*redis.Client)(nil)
	_ kv.Bus         = (*redis.Client)(nil)
)
