-- Admits a request, or says which windows have no room.
-- KEYS: account, caller, tickets. ARGV: numbers, ticket, what is kept of it. Numbers: the time (s), the starts of day, week and month (s),
-- the lifetime of the counters (s), loose, tokens, requests and cost that are needed, tickets at a time, then the
-- limits ('-': none) of tokens (minute, day, week, month), requests (hour, day) and cost (minute, day, week, month).
-- Returns whether it is admitted, whether there are too many tickets, for each limit whether it is over ('x', and 'r' for
-- what is reserved alone), what is
-- used, and when the minute of tokens, the hour of requests and the minute of cost have room (0: they do).
local word = '(%S+) '
local now, ds, ws, ms, ttl, loose, needt, needq, needc, most, t1, t2, t3, t4, q1, q2, c1, c2, c3, c4 =
  string.match(ARGV[1], '^' .. string.rep(word, 20))
now = tonumber(now)
loose = loose == '1'
most = tonumber(most)
local a = account(KEYS[1], now, tonumber(ds), tonumber(ws), tonumber(ms))
local c = caller(KEYS[2], now, tonumber(ds), tonumber(ws), tonumber(ms))
local th, tl = amount(needt)
local qh, ql = amount(needq)
local ch, cl = amount(needc)

-- full says whether a limit has no room for what is needed ('x'), or would have but for what is reserved ('r').
local function full(limit, h, l, rh, rl, nh, nl)
  if limit == '-' then return '.' end
  local i, m = amount(limit)
  local function fits(h, l)
    if not above(i, m, h, l) then return false end
    if loose then return true end
    h, l = plus(h, l, nh, nl)
    return not above(h, l, i, m)
  end
  if not fits(h, l) then return 'x' end
  return fits(plus(h, l, rh, rl)) and '.' or 'r'
end

-- room is the interval in which so many buckets have gone that there is room for what is needed, or that none is used
-- if that is beyond the limit. What is reserved may be given back at any time: 0 if only that is in the way.
local function room(limit, key, p, last, h, l, nh, nl)
  local i, m = amount(limit)
  if nh == 0 and nl == 0 then nl = 1 end
  if above(nh, nl, i, m) then nh, nl = i, m end
  h, l = plus(h, l, nh, nl)
  if not above(h, l, i, m) then return 0 end
  local fields = {}
  for s = 1, 60 do fields[s] = p .. ((last + s) % 60) end
  for s, v in ipairs(redis.call('HMGET', key, unpack(fields))) do
    if v then
      h, l = minus(h, l, amount(v))
      if not above(h, l, i, m) then return last + s end
    end
  end
  return last + 60
end

local over = {
  full(t1, a.mh, a.ml, a.rh, a.rl, th, tl), full(t2, a.dh, a.dl, a.rh, a.rl, th, tl),
  full(t3, a.wh, a.wl, a.rh, a.rl, th, tl), full(t4, a.Mh, a.Ml, a.rh, a.rl, th, tl),
  full(q1, a.hh, a.hl, 0, 0, qh, ql), full(q2, a.qh, a.ql, 0, 0, qh, ql),
  full(c1, c.mh, c.ml, c.rh, c.rl, ch, cl), full(c2, c.dh, c.dl, c.rh, c.rl, ch, cl),
  full(c3, c.wh, c.wl, c.rh, c.rl, ch, cl), full(c4, c.Mh, c.Ml, c.rh, c.rl, ch, cl),
}
local many = most > 0 and c.n >= most
local marks = table.concat(over)
local admitted = not many and marks == '..........'
local answer = (admitted and '1 ' or '0 ') .. (many and '1 ' or '0 ') .. marks .. ' ' .. used(a, c)
if not admitted then
  answer = answer ..
    ' ' .. (over[1] ~= '.' and room(t1, KEYS[1], 't', a.ts, a.mh, a.ml, th, tl) or 0) ..
    ' ' .. (over[5] ~= '.' and room(q1, KEYS[1], 'q', a.qs, a.hh, a.hl, qh, ql) or 0) ..
    ' ' .. (over[7] ~= '.' and room(c1, KEYS[2], 'c', c.cs, c.mh, c.ml, ch, cl) or 0)
else
  if not loose then
    if th > 0 or tl > 0 then put(a, 'tr', text(plus(a.rh, a.rl, th, tl))) end
    if ch > 0 or cl > 0 then put(c, 'cr', text(plus(c.rh, c.rl, ch, cl))) end
  end
  requests(a, qh, ql)
  if ARGV[2] ~= '' then
    put(c, 'n', c.n + 1)
    redis.call('HSET', KEYS[3], ARGV[2], ARGV[3])
  end
end
save(a, ttl)
save(c, ttl)
return answer
