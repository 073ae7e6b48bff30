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
local a = account(KEYS[1], now, tonumber(ds), tonumber(ws), tonumber(ms), true)
local c = caller(KEYS[2], now, tonumber(ds), tonumber(ws), tonumber(ms), true)
if held then
  redis.call('HDEL', KEYS[4], ARGV[2])
  if kind == '1' then
    redis.call('SADD', KEYS[5], ARGV[2])
    redis.call('EXPIRE', KEYS[5], 7 * day)
  end
  local t, m = string.match(held, '^(%d+) (%d+) ')
  local h, l = amount(t)
  a.rh, a.rl = minus(a.rh, a.rl, h, l)
  h, l = amount(m)
  c.rh, c.rl = minus(c.rh, c.rl, h, l)
  c.n = math.max(0, c.n - 1)
end
local h, l = amount(spentt)
a.mh, a.ml = plus(a.mh, a.ml, h, l)
a.dh, a.dl = plus(a.dh, a.dl, h, l)
a.wh, a.wl = plus(a.wh, a.wl, h, l)
a.Mh, a.Ml = plus(a.Mh, a.Ml, h, l)
bucket(KEYS[1], 't', a.ts, h, l)
h, l = amount(spentq)
a.hh, a.hl = plus(a.hh, a.hl, h, l)
a.qh, a.ql = plus(a.qh, a.ql, h, l)
bucket(KEYS[1], 'q', a.qs, h, l)
h, l = amount(spentc)
c.mh, c.ml = plus(c.mh, c.ml, h, l)
c.dh, c.dl = plus(c.dh, c.dl, h, l)
c.wh, c.wl = plus(c.wh, c.wl, h, l)
c.Mh, c.Ml = plus(c.Mh, c.Ml, h, l)
bucket(KEYS[2], 'c', c.cs, h, l)
saveaccount(a, ttl)
savecaller(c, ttl)
if ARGV[3] ~= '' then redis.call('XADD', KEYS[6], '*', 'n', ARGV[3]) end
return 'counted'
