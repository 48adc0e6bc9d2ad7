-- Take what is due on a list, for a while: nobody else takes it meanwhile.
--
-- KEYS  1 sorted set: what → when it is due, ms
-- ARGV  1 for how long, ms
--       2 the most to take
--
-- Returns the time, ms since 1970, and what was taken, the longest due first

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[2])
for _, one in ipairs(due) do
  redis.call('ZADD', KEYS[1], string.format('%.0f', now + tonumber(ARGV[1])), one)
end
table.insert(due, 1, string.format('%.0f', now))
return due
