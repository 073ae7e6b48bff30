-- Counts what a request used, once.
-- KEYS: account, caller, the replica's tickets, the ticket's replica's tickets, those that others settled, notes.
-- ARGV: numbers, ticket ('': none), note ('': none). Numbers: what it is (0 a settlement, 1 of a replica that is lost,
-- 2 of an admission whose answer was), its number among the replica's and the one before which nothing can be missing,
-- the time (s), the starts of day, week and month (s), the lifetime of the counters (s), tokens, requests and cost.
-- The replica's settlements come in order, again and again until they are answered: the number of the last one that
-- counted tells which to leave out. One whose predecessor failed fails too.
local kind, number, first, now, ds, ws, ms, ttl, spentt, spentq, spentc =
  string.match(ARGV[1], '^' .. string.rep('(%S+) ', 11))
number, first, now = tonumber(number), tonumber(first), tonumber(now)
local last = tonumber(redis.call('HGET', KEYS[3], '#') or '0')
if number <= last then return 'again' end
if number > first and number - 1 > last then return redis.error_reply('GAP the settlement before was not counted') end
redis.call('HSET', KEYS[3], '#', number)
local held = ARGV[2] ~= '' and redis.call('HGET', KEYS[4], ARGV[2])
if not held and kind ~= '0' then return 'gone' end
if not held and ARGV[2] ~= '' and redis.call('SREM', KEYS[5], ARGV[2]) == 1 then return 'lost' end
local a = account(KEYS[1], now, tonumber(ds), tonumber(ws), tonumber(ms))
local c = caller(KEYS[2], now, tonumber(ds), tonumber(ws), tonumber(ms))
if held then
  redis.call('HDEL', KEYS[4], ARGV[2])
  if kind == '1' then
    redis.call('SADD', KEYS[5], ARGV[2])
    redis.call('EXPIRE', KEYS[5], 604800)
  end
  local t, m = string.match(held, '^(%d+) (%d+) ')
  if t ~= '0' then put(a, 'tr', text(minus(a.rh, a.rl, amount(t)))) end
  if m ~= '0' then put(c, 'cr', text(minus(c.rh, c.rl, amount(m)))) end
  put(c, 'n', math.max(0, c.n - 1))
end
spend(a, 't', a.ts, amount(spentt))
spend(c, 'c', c.cs, amount(spentc))
requests(a, amount(spentq))
save(a, ttl)
save(c, ttl)
if ARGV[3] ~= '' then redis.call('XADD', KEYS[6], '*', 'n', ARGV[3]) end
return 'counted'
