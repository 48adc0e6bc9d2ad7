-- Set a webhook; one of the same id is replaced. Whoever pushes the task's events notices.
--
-- KEYS  1 the task's webhooks
-- ARGV  1 webhook  2 what it is, JSON  3 position of the last event that it has taken, or ''
--       4 lifetime, ms
--
-- Returns how often the task's webhooks have changed: which setting it is.

local changes = redis.call('HINCRBY', KEYS[1], 'changed', 1)
redis.call('HSET', KEYS[1], 'hook:' .. ARGV[1], ARGV[2], 'told:' .. ARGV[1], ARGV[3],
           'set:' .. ARGV[1], changes)
redis.call('HDEL', KEYS[1], 'fail:' .. ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return changes
