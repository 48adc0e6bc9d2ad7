-- Grant the lease on a task: the right to write to its log, under a new epoch.
--
-- A lease is live while now < end <= now + its length, so that a clock that steps back can't make one
-- last for ever; its length is the one its holder asked for. The epoch is the larger of the time in
-- microseconds and the last epoch + 1 + 20 random bits: never handed out twice, not even by a replica
-- promoted without the last writes. Who asks again under the same name didn't hear of its first grant:
-- it is granted anew, and costs no attempt.
--
-- KEYS  1 meta  2 stream  3 snapshot  4 inbox  5 steps  6 channel
-- ARGV  1 holder
--       2 length of the lease, ms
--       3 20 random bits
--       4 purpose: 'run' (needs a waiting message, a cancel, an escalation, something to clean up after the
--         task's end, or damage) or 'cancel' (sets the cancel flag first, and tells the holder of a live lease on the
--         control channel)
--       5 lifetime of an open task, ms
--       6 control channel
--       7 task id, for the control channel
--
-- Returns { 'GONE' } | { 'DAMAGED' } (meta is lost while the history stands) | { 'TERMINAL', state } |
--   { 'IDLE' } (nothing to do) | { 'BUSY', ms left } |
--   { 'GRANTED', epoch, epoch before, last position, attempts, '1' if the task is to be canceled or 'e' if it
--     is to be escalated, owner, agent, context, damage flag, '1' if the task has ended, '1' if a run had its
--     lease before, inbox entry or '', what turns have stored, snapshot or '', entries after it,
--     how long ago the task was accepted, ms, or '' }

local meta, stream, snapshot, inbox = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local length, purpose = tonumber(ARGV[2]), ARGV[4]

local fields = { 'state', 'terminal', 'epoch', 'last', 'attempts', 'cancel', 'owner', 'agent', 'context',
                 'holder', 'lease_end', 'lease_length', 'snapshot', 'cleanup', 'damaged', 'begun',
                 'escalate', 'created' }
local values = redis.call('HMGET', meta, unpack(fields))
local known = {}
for i, field in ipairs(fields) do known[field] = values[i] end

if not known.state then
  if redis.call('EXISTS', stream, snapshot) > 0 then return { 'DAMAGED' } end
  return { 'GONE' }
end
if known.terminal and not (known.cleanup and purpose == 'run') then return { 'TERMINAL', known.state } end
if purpose == 'cancel' and not known.cancel then
  redis.call('HSET', meta, 'cancel', '1')
  known.cancel = '1'
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local again = false
if known.holder then
  local left = tonumber(known.lease_end) - now
  if left > 0 and left <= tonumber(known.lease_length or length) then
    again = known.holder == ARGV[1]
    if not again then
      if purpose == 'cancel' then redis.call('PUBLISH', ARGV[6], ARGV[7]) end
      return { 'BUSY', string.format('%.0f', left) }
    end
  end
end
local head = redis.call('LINDEX', inbox, 0)
if not head and not known.cancel and not known.escalate and not known.cleanup and not known.damaged then
  return { 'IDLE' }
end

local epoch = string.format('%.0f', math.max(time[1] * 1000000 + time[2],
                                             tonumber(known.epoch) + 1 + tonumber(ARGV[3])))
local attempts = tonumber(known.attempts or '0')
if purpose == 'run' and not again then attempts = attempts + 1 end
redis.call('HSET', meta, 'epoch', epoch, 'calls', '0', 'holder', ARGV[1],
           'lease_end', string.format('%.0f', now + length), 'lease_length', ARGV[2],
           'attempts', tostring(attempts),
           'e:' .. epoch, string.format('%.0f', tonumber(string.match(known.last, '%-(%d+)$')) + 1))
if not known.terminal then
  if purpose == 'run' then redis.call('HSET', meta, 'begun', '1') end
  for i = 1, 5 do redis.call('PEXPIRE', KEYS[i], ARGV[5]) end
end

local age = ''
if known.created then age = string.format('%.0f', math.max(0, now - tonumber(known.created))) end
local stored = redis.call('GET', snapshot)
local from = '-'
if stored then from = '(' .. known.snapshot end
return { 'GRANTED', epoch, known.epoch, known.last, tostring(attempts),
         known.cancel or (known.escalate and 'e') or '', known.owner,
         known.agent, known.context, known.damaged or '', known.terminal or '', known.begun or '',
         head or '', redis.call('HGETALL', KEYS[5]), stored or '',
         redis.call('XRANGE', stream, from, '+'), age }
