-- Renew the lease on a task, and its keys' lifetimes unless it has ended.
--
-- KEYS  1 meta  2 stream  3 snapshot  4 inbox  5 steps
-- ARGV  1 epoch  2 holder  3 length of the lease, ms  4 lifetime of an open task, ms
--
-- Returns { 'OK', '1' if the task is to be canceled, 'e' if it is to be escalated, else '' } | { 'FENCED' }

local known = redis.call('HMGET', KEYS[1], 'epoch', 'holder', 'cancel', 'terminal', 'escalate')
if known[1] ~= ARGV[1] or known[2] ~= ARGV[2] then return { 'FENCED' } end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], 'lease_end', string.format('%.0f', now + tonumber(ARGV[3])),
           'lease_length', ARGV[3])
if not known[4] then
  for i = 1, 5 do redis.call('PEXPIRE', KEYS[i], ARGV[4]) end
end
return { 'OK', known[3] or (known[5] and 'e') or '' }
