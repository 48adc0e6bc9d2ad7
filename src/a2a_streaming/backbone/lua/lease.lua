-- Grant the lease on a task: the right to write to its log, under a new epoch.
--
-- A lease is live while now < end <= now + its length, so that a clock that steps back can't make one
-- last for ever; its length is the one its holder asked for. The epoch is the larger of the time in
-- microseconds and the last epoch + 1 + 20 random bits: never handed out twice, not even by a replica
-- promoted without the last writes.
--
-- KEYS  1 meta  2 stream  3 snapshot  4 inbox  5 steps  6 channel
-- ARGV  1 holder
--       2 length of the lease, ms
--       3 20 random bits
--       4 purpose: 'run' (needs a waiting message or a cancel) or 'cancel' (sets the cancel flag first,
--         and tells the holder of a live lease on the control channel)
--       5 lifetime of an open task, ms
--       6 control channel
--       7 task id, for the control channel
--
-- Returns { 'GONE' } | { 'TERMINAL', state } | { 'IDLE' } (nothing to do) | { 'BUSY', ms left } |
--   { 'GRANTED', epoch, epoch before, last position, attempts, cancel flag, owner, context, dialect,
--     state, inbox entry or '', snapshot or '', entries after the snapshot }

local meta, stream, snapshot, inbox = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local length, purpose = tonumber(ARGV[2]), ARGV[4]

local known = redis.call('HMGET', meta, 'state', 'terminal', 'epoch', 'last', 'attempts', 'cancel',
                         'owner', 'context', 'dialect', 'holder', 'lease_end', 'offset', 'snapshot',
                         'lease_length')
if not known[1] then return { 'GONE' } end
if known[2] then return { 'TERMINAL', known[1] } end
if purpose == 'cancel' and not known[6] then
  redis.call('HSET', meta, 'cancel', '1')
  known[6] = '1'
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if known[10] then
  local left = tonumber(known[11]) - now
  if left > 0 and left <= tonumber(known[14] or length) then
    if purpose == 'cancel' then redis.call('PUBLISH', ARGV[6], ARGV[7]) end
    return { 'BUSY', string.format('%.0f', left) }
  end
end
local head = redis.call('LINDEX', inbox, 0)
if not head and not known[6] then return { 'IDLE' } end

local epoch = string.format('%.0f', math.max(time[1] * 1000000 + time[2],
                                             tonumber(known[3]) + 1 + tonumber(ARGV[3])))
local attempts = tonumber(known[5] or '0')
if purpose == 'run' then attempts = attempts + 1 end
redis.call('HSET', meta, 'epoch', epoch, 'holder', ARGV[1],
           'lease_end', string.format('%.0f', now + length), 'lease_length', ARGV[2],
           'attempts', tostring(attempts),
           'e:' .. epoch, string.format('%.0f', tonumber(known[12]) + 1))
for i = 1, 5 do redis.call('PEXPIRE', KEYS[i], ARGV[5]) end

local stored = redis.call('GET', snapshot)
local from = '-'
if stored then from = '(' .. known[13] end
return { 'GRANTED', epoch, known[3], known[4], tostring(attempts), known[6] or '', known[7], known[8],
         known[9], known[1], head or '', stored or '', redis.call('XRANGE', stream, from, '+') }
