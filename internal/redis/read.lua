-- What accounts have used, as many texts. KEYS: account and caller of each. ARGV: the time (s) and the starts of day,
-- week and month (s).
local now, ds, ws, ms = string.match(ARGV[1], '^' .. string.rep('(%S+) ', 4))
now, ds, ws, ms = tonumber(now), tonumber(ds), tonumber(ws), tonumber(ms)
local all = {}
for i = 1, #KEYS, 2 do
  all[#all + 1] = used(account(KEYS[i], now, ds, ws, ms, false), caller(KEYS[i + 1], now, ds, ws, ms, false))
end
return all
