-- Take a task's webhooks: whoever took them before can note nothing any more.
--
-- KEYS  1 the task's webhooks
-- ARGV  1 who takes them
--
-- Returns every field, name and value in turns; none if there are no webhooks

if redis.call('EXISTS', KEYS[1]) == 0 then return {} end
redis.call('HSET', KEYS[1], 'holder', ARGV[1])
return redis.call('HGETALL', KEYS[1])
