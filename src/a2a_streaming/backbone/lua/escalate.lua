-- Ask a task's agent to escalate it: whoever holds the lease is to do so, or else who takes it next.
--
-- Who asks again before that is done asks for the same.
--
-- KEYS  1 meta  2 stream  3 snapshot
-- ARGV  1 what is asked: JSON with an id of its own, who asks and why
--       2 that id: asked again, also when it was carried out meanwhile, it is done already
--
-- Returns { 'GONE' } | { 'DAMAGED' } (meta is lost while the history stands) | { 'TERMINAL', state } |
--   { 'ASKED', '1' if somebody holds the lease } | { 'DONE' } (that was asked before)

local known = redis.call('HMGET', KEYS[1], 'state', 'terminal', 'holder', 'attempts')
if not known[1] then
  if redis.call('EXISTS', KEYS[2], KEYS[3]) > 0 then return { 'DAMAGED' } end
  return { 'GONE' }
end
if known[2] then return { 'TERMINAL', known[1] } end
if redis.call('HSETNX', KEYS[1], 'did:' .. ARGV[2], '1') == 0 then return { 'DONE' } end
redis.call('HSETNX', KEYS[1], 'escalate', ARGV[1])
-- The attempts so far were at something else.
redis.call('HSET', KEYS[1], 'attempts', known[3] and '1' or '0')
return { 'ASKED', known[3] and '1' or '' }
