-- Take a new signing key if there is none, or if the newest one has signed for long enough; forget those whose
-- successor has signed for a while.
--
-- KEYS  1 keys: id -> '<when it begins to sign, ms> <its text>'
-- ARGV  1 the new key's id  2 its text
--       3 after how long a key is replaced, ms
--       4 for how long a key that replaces another is published before it signs, ms
--       5 for how long a key is published after another has taken over, ms
--       6 lifetime of them all, ms
--
-- Returns { now, ms; the keys, id and value in turns }

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local begins, newest = {}, nil
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local at = tonumber(string.match(all[i + 1], '^%d+'))
  begins[all[i]] = at
  if not newest or at > newest then newest = at end
end

local first = nil
if not newest then first = now
elseif newest + tonumber(ARGV[3]) <= now then first = now + tonumber(ARGV[4]) end
if first then
  redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', first) .. ' ' .. ARGV[2])
  begins[ARGV[1]] = first
end

-- Whose successor began before this is published no more.
local over, last = now - tonumber(ARGV[5]), nil
for _, at in pairs(begins) do
  if at <= over and (not last or at > last) then last = at end
end
for id, at in pairs(begins) do
  if last and at < last then redis.call('HDEL', KEYS[1], id) end
end
redis.call('PEXPIRE', KEYS[1], ARGV[6])
return { string.format('%.0f', now), redis.call('HGETALL', KEYS[1]) }
