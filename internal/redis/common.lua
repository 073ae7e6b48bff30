-- What the scripts of the limits share. Amounts go up to 2^63, but Lua's numbers are doubles, exact to 2^53: so an
-- amount is two numbers, high * 10^9 + low. None is below 0, and sums have no end: whoever reads them cuts at 2^63-1.
local base = 1000000000

local function amount(s)
  if not s or s == '' then return 0, 0 end
  local n = #s
  if n <= 9 then return 0, tonumber(s) end
  return tonumber(string.sub(s, 1, n - 9)), tonumber(string.sub(s, n - 8))
end

local function text(h, l)
  if h == 0 then return string.format('%d', l) end
  return string.format('%d%09d', h, l)
end

local function plus(h, l, i, m)
  h, l = h + i, l + m
  if l >= base then return h + 1, l - base end
  return h, l
end

local function minus(h, l, i, m)
  h, l = h - i, l - m
  if l < 0 then h, l = h - 1, l + base end
  if h < 0 then return 0, 0 end
  return h, l
end

local function above(h, l, i, m) return h > i or h == i and l > m end

local function slots(p)
  local all = {}
  for s = 0, 59 do all[s + 1] = p .. s end
  return all
end

-- roll lets a sum of 60 buckets go with the time: what it was at the step last is what it is now. The buckets are
-- fields of p and the step modulo 60. A clock that is a little behind counts as the one that was ahead; one that went
-- back by more than that takes all of the sum along.
local function roll(key, p, now, last, sum, write)
  local h, l = amount(sum)
  last = tonumber(last or '')
  if not last then return now, 0, 0 end
  if now == last then return last, h, l end
  if now < last then
    if last - now < 60 then return last, h, l end
    if write then
      redis.call('HDEL', key, unpack(slots(p)))
      redis.call('HSET', key, p .. (now % 60), text(h, l))
    end
    return now, h, l
  end
  if now - last >= 60 then
    if write and (h > 0 or l > 0) then redis.call('HDEL', key, unpack(slots(p))) end
    return now, 0, 0
  end
  local fields, gone = {}, {}
  for s = last + 1, now do fields[#fields + 1] = p .. (s % 60) end
  local values = redis.call('HMGET', key, unpack(fields))
  for i, v in ipairs(values) do
    if v then
      gone[#gone + 1] = fields[i]
      local i, m = amount(v)
      h, l = minus(h, l, i, m)
    end
  end
  if write and #gone > 0 then redis.call('HDEL', key, unpack(gone)) end
  return now, h, l
end

-- calendar is the start of the window that counts, and whether it is a new one. Replicas need not agree to the
-- second: an earlier start is of one that is behind, unless it is so much earlier that a clock had been wrong.
local function calendar(stored, start, length)
  stored = tonumber(stored or '')
  if not stored then return start, true end
  if start > stored then return start, true end
  if stored - start > 2 * length then return start, false end
  return stored, false
end

local day, week, month = 86400, 7 * 86400, 31 * 86400

-- account is what is counted of tokens and requests, caller what is of cost, at a time.
local function account(key, now, ds, ws, ms, write)
  local v = redis.call('HMGET', key, 'tr', 'ts', 'tm', 'td', 'tw', 'tM', 'qs', 'qh', 'qd', 'ds', 'ws', 'ms')
  local a = {key = key}
  a.rh, a.rl = amount(v[1])
  a.ts, a.mh, a.ml = roll(key, 't', now, v[2], v[3], write)
  a.qs, a.hh, a.hl = roll(key, 'q', math.floor(now / 60), v[7], v[8], write)
  a.ds, a.newday = calendar(v[10], ds, day)
  a.ws, a.newweek = calendar(v[11], ws, week)
  a.ms, a.newmonth = calendar(v[12], ms, month)
  a.dh, a.dl = amount(not a.newday and v[4])
  a.wh, a.wl = amount(not a.newweek and v[5])
  a.Mh, a.Ml = amount(not a.newmonth and v[6])
  a.qh, a.ql = amount(not a.newday and v[9])
  return a
end

local function caller(key, now, ds, ws, ms, write)
  local v = redis.call('HMGET', key, 'cr', 'n', 'cs', 'cm', 'cd', 'cw', 'cM', 'ds', 'ws', 'ms')
  local c = {key = key}
  c.rh, c.rl = amount(v[1])
  c.n = tonumber(v[2] or '') or 0
  c.cs, c.mh, c.ml = roll(key, 'c', now, v[3], v[4], write)
  c.ds, c.newday = calendar(v[8], ds, day)
  c.ws, c.newweek = calendar(v[9], ws, week)
  c.ms, c.newmonth = calendar(v[10], ms, month)
  c.dh, c.dl = amount(not c.newday and v[5])
  c.wh, c.wl = amount(not c.newweek and v[6])
  c.Mh, c.Ml = amount(not c.newmonth and v[7])
  return c
end

-- bucket adds to the bucket of a step.
local function bucket(key, p, step, h, l)
  if h == 0 and l == 0 then return end
  local field = p .. (step % 60)
  local i, m = amount(redis.call('HGET', key, field))
  redis.call('HSET', key, field, text(plus(h, l, i, m)))
end

-- keep lets a key live until its month is over.
local function keep(key, x, ttl)
  if x.newday or x.newmonth then redis.call('EXPIRE', key, ttl) end
end

local function saveaccount(a, ttl)
  redis.call('HSET', a.key, 'tr', text(a.rh, a.rl), 'ts', a.ts, 'tm', text(a.mh, a.ml), 'td', text(a.dh, a.dl), 'tw', text(a.wh, a.wl),
    'tM', text(a.Mh, a.Ml), 'qs', a.qs, 'qh', text(a.hh, a.hl), 'qd', text(a.qh, a.ql), 'ds', a.ds, 'ws', a.ws, 'ms', a.ms)
  keep(a.key, a, ttl)
end

local function savecaller(c, ttl)
  redis.call('HSET', c.key, 'cr', text(c.rh, c.rl), 'n', c.n, 'cs', c.cs, 'cm', text(c.mh, c.ml), 'cd', text(c.dh, c.dl),
    'cw', text(c.wh, c.wl), 'cM', text(c.Mh, c.Ml), 'ds', c.ds, 'ws', c.ws, 'ms', c.ms)
  keep(c.key, c, ttl)
end

-- used is what is used and reserved, in the order in which limitsUsed reads it.
local function used(a, c)
  return text(plus(a.mh, a.ml, a.rh, a.rl)) .. ' ' .. text(plus(a.dh, a.dl, a.rh, a.rl)) .. ' ' ..
    text(plus(a.wh, a.wl, a.rh, a.rl)) .. ' ' .. text(plus(a.Mh, a.Ml, a.rh, a.rl)) .. ' ' ..
    text(a.hh, a.hl) .. ' ' .. text(a.qh, a.ql) .. ' ' ..
    text(plus(c.mh, c.ml, c.rh, c.rl)) .. ' ' .. text(plus(c.dh, c.dl, c.rh, c.rl)) .. ' ' ..
    text(plus(c.wh, c.wl, c.rh, c.rl)) .. ' ' .. text(plus(c.Mh, c.Ml, c.rh, c.rl))
end
