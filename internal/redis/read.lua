-- What accounts have used, as many texts. KEYS: account and caller of each. ARGV: the time (s), the starts of day, week
-- and month (s), the lifetime of the counters (s). What time has done to the windows is written, as by an admission.
local now, ds, ws, ms, ttl = string.match(ARGV[1], '^' .. string.rep('(%S+) ', 5))
now, ds, ws, ms = tonumber(now), tonumber(ds), tonumber(ws), tonumber(ms)
local all = {}
for i = 1, #KEYS, 2 do
  local a, c = account(KEYS[i], now, ds, ws, ms), caller(KEYS[i + 1], now, ds, ws, ms)
  if a.known then save(a, ttl) end
  if c.known then save(c, ttl) end
  all[#all + 1] = used(a, c)
end
return all
