-- Delete a webhook, and what is kept of it as a dead letter. Whoever pushes the task's events notices.
--
-- KEYS  1 the task's webhooks
-- ARGV  1 webhook

if redis.call('EXISTS', KEYS[1]) == 0 then return end
local id = ARGV[1]
redis.call('HDEL', KEYS[1], 'hook:' .. id, 'told:' .. id, 'set:' .. id, 'fail:' .. id, 'dead:' .. id)
redis.call('HINCRBY', KEYS[1], 'changed', 1)
