-- Make a webhook of a dead letter again. If its client has set the webhook anew meanwhile, that one is told what the
-- letter's wasn't.
--
-- KEYS  1 the task's webhooks
-- ARGV  1 webhook  2 the letter as it was read, JSON
--       3 the letter's webhook, JSON  4 the position of the last event that it has taken, or ''
--       5 lifetime, ms
--
-- Returns 1, or 0 if the letter is there no more

local id = ARGV[1]
if redis.call('HGET', KEYS[1], 'dead:' .. id) ~= ARGV[2] then return 0 end
local changes = redis.call('HINCRBY', KEYS[1], 'changed', 1)
redis.call('HSETNX', KEYS[1], 'hook:' .. id, ARGV[3])
redis.call('HSET', KEYS[1], 'told:' .. id, ARGV[4], 'set:' .. id, changes)
redis.call('HDEL', KEYS[1], 'dead:' .. id, 'fail:' .. id)
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return 1
