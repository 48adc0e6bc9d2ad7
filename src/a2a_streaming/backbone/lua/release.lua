-- Give the lease back before the turn's end: another process goes on at once. Costs no attempt.
--
-- KEYS  1 meta
-- ARGV  1 epoch  2 holder  3 '1' if what was to be cleaned up after the task's end is
--
-- Returns 'OK' | 'FENCED'

local known = redis.call('HMGET', KEYS[1], 'epoch', 'holder', 'attempts')
if known[1] ~= ARGV[1] or known[2] ~= ARGV[2] then return 'FENCED' end
redis.call('HDEL', KEYS[1], 'holder', 'lease_end', 'lease_length')
redis.call('HSET', KEYS[1], 'attempts', tostring(math.max(0, tonumber(known[3] or '1') - 1)))
if ARGV[3] == '1' then redis.call('HDEL', KEYS[1], 'cleanup', 'cancel') end
return 'OK'
