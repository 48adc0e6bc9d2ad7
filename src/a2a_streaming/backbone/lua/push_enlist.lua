-- Put a task on the list of those with webhooks; if it is there, see to it that it is looked at soon.
--
-- KEYS  1 list of tasks with webhooks, each with the time from which anybody may take it, ms
-- ARGV  1 task
--       2 for how long who takes a task holds it, ms: no earlier it falls to anybody, if it is on the list
--       3 lifetime of the list, ms

local time = redis.call('TIME')
local soon = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[2])
local at = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not at then
  redis.call('ZADD', KEYS[1], 0, ARGV[1])
elseif tonumber(at) > soon then
  redis.call('ZADD', KEYS[1], soon, ARGV[1])
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
