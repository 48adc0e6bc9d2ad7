-- Remember how far a webhook has been told, if it is still there.
--
-- KEYS  1 the task's webhooks
-- ARGV  1 webhook
--       2 position of the last event that it has taken
--       3 lifetime, ms
--
-- Returns 1 if it is still there, else 0

if redis.call('HEXISTS', KEYS[1], 'hook:' .. ARGV[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'told:' .. ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
