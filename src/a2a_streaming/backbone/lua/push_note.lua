-- Note what came of a post to a webhook, or ask whether it may be posted to: by who has taken the task's webhooks.
--
-- KEYS  1 the task's webhooks
-- ARGV  1 webhook  2 who has taken them
--       3 which setting of the webhook is meant: a number that each has of its own, or ''
--       4 what to note: 'may' (nothing), 'told', 'fail' or 'dead'
--       5 the position of the event that it has taken; how it fails, JSON; the dead letter, JSON
--       6 lifetime, ms
--
-- Returns 1, 0 if the webhook is gone or was set again, or -1 if somebody else has taken the task's webhooks

local id = ARGV[1]
local known = redis.call('HMGET', KEYS[1], 'holder', 'hook:' .. id, 'set:' .. id)
if known[1] ~= ARGV[2] then return -1 end
if not known[2] or (known[3] or '') ~= ARGV[3] then return 0 end
if ARGV[4] == 'may' then return 1 end
if ARGV[4] == 'told' then
  redis.call('HSET', KEYS[1], 'told:' .. id, ARGV[5])
  redis.call('HDEL', KEYS[1], 'fail:' .. id)
elseif ARGV[4] == 'fail' then
  redis.call('HSET', KEYS[1], 'fail:' .. id, ARGV[5])
else
  redis.call('HSET', KEYS[1], 'dead:' .. id, ARGV[5])
  redis.call('HDEL', KEYS[1], 'hook:' .. id, 'told:' .. id, 'set:' .. id, 'fail:' .. id)
end
redis.call('PEXPIRE', KEYS[1], ARGV[6])
return 1
