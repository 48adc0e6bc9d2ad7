-- Raise an alert, unless somebody has: with its number, or a later one, for the same occasion.
--
-- What is to be done about it stands on a list from then on: so whoever dies, somebody does it.
--
-- KEYS  1 alerts  2 what was raised for the task  3 what is to be done  4 alerts that nobody has acknowledged
-- ARGV  1 occasion
--       2 number
--       3 what is told, JSON
--       4 lifetime of alerts, ms
--       5 lifetime of what was raised for the task, ms
--       … what is to be done, a word each
--
-- Returns the alert's id; '' if it was raised before

local field = 'n:' .. ARGV[1]
local had = redis.call('HGET', KEYS[2], field)
if had and tonumber(had) >= tonumber(ARGV[2]) then return '' end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local oldest = string.format('%.0f', now - tonumber(ARGV[4]))
local id = redis.call('XADD', KEYS[1], 'MINID', '~', oldest, '*', 'e', ARGV[3])
redis.call('HSET', KEYS[2], field, ARGV[2], 'i:' .. id, '1')
redis.call('PEXPIRE', KEYS[2], ARGV[5])
local at = string.match(id, '^%d+')
redis.call('ZADD', KEYS[4], at, id)
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', oldest)
for i = 6, #ARGV do redis.call('ZADD', KEYS[3], at, id .. ' ' .. ARGV[i]) end
for _, key in ipairs({ KEYS[1], KEYS[3], KEYS[4] }) do
  if redis.call('EXISTS', key) == 1 then redis.call('PEXPIRE', key, ARGV[4]) end
end
return id
