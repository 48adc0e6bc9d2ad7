-- Take a task's lease away, so that its holder is fenced and another attempt can begin at once.
--
-- The next attempt is the first one again, as far as their limit goes.
--
-- KEYS  1 meta  2 stream  3 snapshot  4 inbox  5 steps
-- ARGV  1 name of the step by which an agent that can't be run twice marks that it has begun to emit
--       2 id of what is asked: asked again it is done already; '' if who asks again means it
--
-- Returns { 'GONE' } | { 'DAMAGED' } (meta is lost while the history stands) | { 'TERMINAL', state } |
--   { 'ONCE' } (the agent can't be run twice, and has begun) | { 'IDLE', state } (nothing waits) |
--   { 'WAITING', agent } (nobody holds the lease) | { 'REVOKED', agent } | { 'DONE', agent } (that was done before)

local meta = KEYS[1]
local known = redis.call('HMGET', meta, 'state', 'agent', 'terminal', 'holder', 'cancel', 'escalate', 'damaged')
if not known[1] then
  if redis.call('EXISTS', KEYS[2], KEYS[3]) > 0 then return { 'DAMAGED' } end
  return { 'GONE' }
end
if known[3] then return { 'TERMINAL', known[1] } end
local done = 'did:' .. ARGV[2]
if ARGV[2] ~= '' and redis.call('HEXISTS', meta, done) == 1 then return { 'DONE', known[2] } end
local head = redis.call('LINDEX', KEYS[4], 0)
if not head and not known[5] and not known[6] and not known[7] then return { 'IDLE', known[1] } end
-- To be canceled or escalated it isn't run again.
if head and not known[5] and not known[6] then
  local message_id = string.match(head, '^([^\n]*)\n')
  if redis.call('HEXISTS', KEYS[5], message_id .. ' s ' .. ARGV[1]) == 1 then return { 'ONCE' } end
end
redis.call('HSET', meta, 'attempts', '1')
if ARGV[2] ~= '' then redis.call('HSET', meta, done, '1') end
if not known[4] then return { 'WAITING', known[2] } end
redis.call('HDEL', meta, 'holder', 'lease_end', 'lease_length')
return { 'REVOKED', known[2] }
