-- Admits a request, or says which windows have no room.
-- KEYS: account, caller, tickets. ARGV: numbers, ticket, what is kept of it. Numbers: the time (s), the starts of day, week and month (s),
-- the lifetime of the counters (s), loose, tokens, requests and cost that are needed, tickets at a time, then the
-- limits ('-': none) of tokens (minute, day, week, month), requests (hour, day) and cost (minute, day, week, month).
-- Returns whether it is admitted, whether there are too many tickets, for each limit whether it is over ('x'), what is
-- used, and when the minute of tokens, the hour of requests and the minute of cost have room (0: they do).
local word = '(%S+) '
local now, ds, ws, ms, ttl, loose, needt, needq, needc, most, t1, t2, t3, t4, q1, q2, c1, c2, c3, c4 =
  string.match(ARGV[1], '^' .. string.rep(word, 20))
now = tonumber(now)
loose = loose == '1'
most = tonumber(most)
local a = account(KEYS[1], now, tonumber(ds), tonumber(ws), tonumber(ms), true)
local c = caller(KEYS[2], now, tonumber(ds), tonumber(ws), tonumber(ms), true)
local th, tl = amount(needt)
local qh, ql = amount(needq)
local ch, cl = amount(needc)

-- full says whether a limit has no room for what is needed.
local function full(limit, h, l, rh, rl, nh, nl)
  if limit == '-' then return false end
  local i, m = amount(limit)
  if loose then return not above(i, m, h, l) end
  h, l = plus(h, l, rh, rl)
  h, l = plus(h, l, nh, nl)
  return above(h, l, i, m)
end

-- room is the step at which so many buckets have gone that there is room for what is needed, or for anything if that
-- is beyond the limit.
local function room(limit, key, p, last, h, l, rh, rl, nh, nl)
  local i, m = amount(limit)
  if loose then rh, rl = 0, 0 end
  if loose or above(nh, nl, i, m) then nh, nl = 0, 1 end
  h, l = plus(h, l, rh, rl)
  h, l = plus(h, l, nh, nl)
  local fields = {}
  for s = last - 59, last do fields[#fields + 1] = p .. (s % 60) end
  for n, v in ipairs(redis.call('HMGET', key, unpack(fields))) do
    if v then
      local j, k = amount(v)
      h, l = minus(h, l, j, k)
      if not above(h, l, i, m) then return last - 60 + n + 60 end
    end
  end
  return last + 1
end

local over = {
  full(t1, a.mh, a.ml, a.rh, a.rl, th, tl), full(t2, a.dh, a.dl, a.rh, a.rl, th, tl),
  full(t3, a.wh, a.wl, a.rh, a.rl, th, tl), full(t4, a.Mh, a.Ml, a.rh, a.rl, th, tl),
  full(q1, a.hh, a.hl, 0, 0, qh, ql), full(q2, a.qh, a.ql, 0, 0, qh, ql),
  full(c1, c.mh, c.ml, c.rh, c.rl, ch, cl), full(c2, c.dh, c.dl, c.rh, c.rl, ch, cl),
  full(c3, c.wh, c.wl, c.rh, c.rl, ch, cl), full(c4, c.Mh, c.Ml, c.rh, c.rl, ch, cl),
}
local many = most > 0 and c.n >= most
local admitted = not many
local marks = ''
for _, o in ipairs(over) do
  if o then admitted = false end
  marks = marks .. (o and 'x' or '.')
end
local answer = (admitted and '1 ' or '0 ') .. (many and '1 ' or '0 ') .. marks .. ' ' .. used(a, c)
if not admitted then
  answer = answer ..
    ' ' .. (over[1] and room(t1, KEYS[1], 't', a.ts, a.mh, a.ml, a.rh, a.rl, th, tl) or 0) ..
    ' ' .. (over[5] and room(q1, KEYS[1], 'q', a.qs, a.hh, a.hl, 0, 0, qh, ql) or 0) ..
    ' ' .. (over[7] and room(c1, KEYS[2], 'c', c.cs, c.mh, c.ml, c.rh, c.rl, ch, cl) or 0)
end
if admitted then
  if not loose then
    a.rh, a.rl = plus(a.rh, a.rl, th, tl)
    c.rh, c.rl = plus(c.rh, c.rl, ch, cl)
  end
  a.hh, a.hl = plus(a.hh, a.hl, qh, ql)
  a.qh, a.ql = plus(a.qh, a.ql, qh, ql)
  bucket(KEYS[1], 'q', a.qs, qh, ql)
  if ARGV[2] ~= '' then
    c.n = c.n + 1
    redis.call('HSET', KEYS[3], ARGV[2], ARGV[3])
  end
end
saveaccount(a, ttl)
savecaller(c, ttl)
return answer
