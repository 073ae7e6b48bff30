package redis

import "github.com/redis/rueidis"

// Client is a connection to Redis.
type Client struct{ client rueidis.Client }
