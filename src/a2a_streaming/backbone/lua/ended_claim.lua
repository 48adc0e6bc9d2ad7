-- Take ended tasks that something is to be done with, for a while: nobody else does it meanwhile.
--
-- KEYS  1 list of ended tasks, each with the time from which anybody may take it, ms
-- ARGV  1 for how long, ms
--       2 the most tasks
--
-- Returns the tasks' ids

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[2])
for _, task in ipairs(due) do
  redis.call('ZADD', KEYS[1], now + tonumber(ARGV[1]), task)
end
return due
