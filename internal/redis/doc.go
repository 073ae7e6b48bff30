// Package redis is what replicas share, in Redis 6 or later, or in Valkey.
//
// All keys begin with the hash tag {outcrop} and the prefix, so that a script may touch any of them together:
//
//	{outcrop}PREFIX:probe       string   written every now and then while Redis seems away, to see whether it can be written
//	{outcrop}PREFIX:v:KEY       string   kv.Store, with its lifetime
//	{outcrop}PREFIX:l:KEY       list     kv.Lists, with its lifetime
//	{outcrop}PREFIX:b:TOPIC     channel  kv.Bus
//	{outcrop}PREFIX:a:ACCOUNT   hash     tokens and requests of a caller and deployment; goes when its windows are over
//	{outcrop}PREFIX:c:CALLER    hash     cost and running requests of a caller; goes when its windows are over
//	{outcrop}PREFIX:replicas    zset     replicas whose tickets may have to be settled for them
//	{outcrop}PREFIX:alive:ID    string   heartbeat of a replica, 15 s
//	{outcrop}PREFIX:t:ID        hash     open tickets of a replica, and their notes
//	{outcrop}PREFIX:seq:ID      string   the last settlement of a replica that counted, 7 days
//	{outcrop}PREFIX:lost:ID     set      tickets of a replica that others settled for it, 7 days
//	{outcrop}PREFIX:notes       stream   the outbox
//
// The server must not evict keys that have no lifetime (maxmemory-policy noeviction or volatile-*), and should write
// an append-only file: what it loses is counted nowhere.
package redis
