-- Say from when on tasks' webhooks may be taken: those that are listed.
--
-- KEYS  1 list of tasks with webhooks, each with the time from which anybody may take it, ms
-- ARGV  1 lifetime of the list, ms  2… task and in how many ms, in turns

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i = 2, #ARGV, 2 do
  redis.call('ZADD', KEYS[1], 'XX', now + tonumber(ARGV[i + 1]), ARGV[i])
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
