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

-- An object is a hash that is read at first and written at last: put notes what is to be written.
local function put(x, field, value)
  local w = x.writes
  w[#w + 1] = field
  w[#w + 1] = value
end

-- roll lets a sum of 60 buckets go with the time, as limit's rolling does. The buckets are fields of p and the interval
-- modulo 60. A clock that is a little behind does not move it; one that is behind by more than the window takes all of
-- the sum along.
local function roll(x, p, now, last, sum)
  local h, l = amount(sum)
  last = tonumber(last or '')
  if now == last then return last, h, l end
  if not last or h == 0 and l == 0 then
    put(x, p .. 's', now)
    return now, 0, 0
  end
  if now < last and last - now < 60 then return last, h, l end
  if now < last then
    redis.call('HDEL', x.key, unpack(slots(p)))
    put(x, p .. 's', now)
    put(x, p .. (now % 60), text(h, l))
    return now, h, l
  end
  if now - last >= 60 then
    redis.call('HDEL', x.key, unpack(slots(p)))
    h, l = 0, 0
  else
    local fields, gone = {}, {}
    for s = last + 1, now do fields[#fields + 1] = p .. (s % 60) end
    for n, v in ipairs(redis.call('HMGET', x.key, unpack(fields))) do
      if v then
        gone[#gone + 1] = fields[n]
        h, l = minus(h, l, amount(v))
      end
    end
    if #gone > 0 then redis.call('HDEL', x.key, unpack(gone)) end
  end
  put(x, p .. 's', now)
  put(x, p .. 'm', text(h, l))
  return now, h, l
end

-- rolled adds to the sum and the bucket of now.
local function rolled(x, p, step, h, l, i, m)
  if i == 0 and m == 0 then return end
  h, l = plus(h, l, i, m)
  put(x, p .. 'm', text(h, l))
  local field = p .. (step % 60)
  h, l = amount(redis.call('HGET', x.key, field))
  redis.call('HSET', x.key, field, text(plus(h, l, i, m)))
end

-- period is a window of the calendar, as limit's calendar is: the later one, or the one before, whose fields end in 0.
-- field has the start, and each of sums a sum. Returns what the fields end in, whether it is new, and the sums.
local function period(x, field, start, stored, sums, a, b)
  stored = tonumber(stored or '')
  if start == stored then return '', a, b end
  if not stored or start > stored then
    x.new = true
    if stored then
      put(x, field .. '0', stored)
      put(x, sums[1] .. '0', a or '0')
      put(x, sums[1], '0')
      if sums[2] then
        put(x, sums[2] .. '0', b or '0')
        put(x, sums[2], '0')
      end
    end
    put(x, field, start)
    return '', false, false
  end
  local v = redis.call('HMGET', x.key, field .. '0', sums[1] .. '0', sums[2] and sums[2] .. '0' or '-')
  if tonumber(v[1] or '') == start then return '0', v[2], v[3] end
  put(x, field .. '0', start)
  put(x, sums[1] .. '0', '0')
  if sums[2] then put(x, sums[2] .. '0', '0') end
  return '0', false, false
end

-- account is what is counted of tokens and requests, caller what is of cost, at a time.
local function account(key, now, ds, ws, ms)
  local v = redis.call('HMGET', key, 'tr', 'ts', 'tm', 'td', 'tw', 'tM', 'qs', 'qm', 'qd', 'ds', 'ws', 'ms')
  local a = {key = key, known = v[2], writes = {}}
  a.rh, a.rl = amount(v[1])
  a.ts, a.mh, a.ml = roll(a, 't', now, v[2], v[3])
  a.qs, a.hh, a.hl = roll(a, 'q', math.floor(now / 60), v[7], v[8])
  local d, w, m, q
  a.d, d, q = period(a, 'ds', ds, v[10], {'td', 'qd'}, v[4], v[9])
  a.w, w = period(a, 'ws', ws, v[11], {'tw'}, v[5])
  a.M, m = period(a, 'ms', ms, v[12], {'tM'}, v[6])
  a.dh, a.dl = amount(d)
  a.qh, a.ql = amount(q)
  a.wh, a.wl = amount(w)
  a.Mh, a.Ml = amount(m)
  return a
end

local function caller(key, now, ds, ws, ms)
  local v = redis.call('HMGET', key, 'cr', 'n', 'cs', 'cm', 'cd', 'cw', 'cM', 'ds', 'ws', 'ms')
  local c = {key = key, known = v[3], writes = {}}
  c.rh, c.rl = amount(v[1])
  c.n = tonumber(v[2] or '') or 0
  c.cs, c.mh, c.ml = roll(c, 'c', now, v[3], v[4])
  local d, w, m
  c.d, d = period(c, 'ds', ds, v[8], {'cd'}, v[5])
  c.w, w = period(c, 'ws', ws, v[9], {'cw'}, v[6])
  c.M, m = period(c, 'ms', ms, v[10], {'cM'}, v[7])
  c.dh, c.dl = amount(d)
  c.wh, c.wl = amount(w)
  c.Mh, c.Ml = amount(m)
  return c
end

-- save writes what was put, and lets the key live until its windows are over.
local function save(x, ttl)
  if #x.writes > 0 then redis.call('HSET', x.key, unpack(x.writes)) end
  if x.new then redis.call('EXPIRE', x.key, ttl) end
end

-- spend adds to the windows of p: t are tokens, c is cost.
local function spend(x, p, step, i, m)
  if i == 0 and m == 0 then return end
  rolled(x, p, step, x.mh, x.ml, i, m)
  put(x, p .. 'd' .. x.d, text(plus(x.dh, x.dl, i, m)))
  put(x, p .. 'w' .. x.w, text(plus(x.wh, x.wl, i, m)))
  put(x, p .. 'M' .. x.M, text(plus(x.Mh, x.Ml, i, m)))
end

-- requests counts requests.
local function requests(a, i, m)
  if i == 0 and m == 0 then return end
  rolled(a, 'q', a.qs, a.hh, a.hl, i, m)
  put(a, 'qd' .. a.d, text(plus(a.qh, a.ql, i, m)))
end

-- used is what is used and reserved, in the order in which limitsUsed reads it.
local function used(a, c)
  return text(plus(a.mh, a.ml, a.rh, a.rl)) .. ' ' .. text(plus(a.dh, a.dl, a.rh, a.rl)) .. ' ' ..
    text(plus(a.wh, a.wl, a.rh, a.rl)) .. ' ' .. text(plus(a.Mh, a.Ml, a.rh, a.rl)) .. ' ' ..
    text(a.hh, a.hl) .. ' ' .. text(a.qh, a.ql) .. ' ' ..
    text(plus(c.mh, c.ml, c.rh, c.rl)) .. ' ' .. text(plus(c.dh, c.dl, c.rh, c.rl)) .. ' ' ..
    text(plus(c.wh, c.wl, c.rh, c.rl)) .. ' ' .. text(plus(c.Mh, c.Ml, c.rh, c.rl))
end
