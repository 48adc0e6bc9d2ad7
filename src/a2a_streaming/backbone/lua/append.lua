-- Append events to a task's log, and all that hangs on them, or nothing.
--
-- A call that was carried out already (its reply was lost) is answered OK again and changes nothing.
--
-- KEYS  1 meta  2 stream  3 snapshot  4 inbox  5 steps  6 channel
-- ARGV  1 epoch of the writer's lease
--       2 epoch before it
--       3 the log's last position when the lease was granted
--       4 the log's last offset, as the writer knows it
--       5 holder of the lease, 6 its length, ms (to restore a grant that a failover lost)
--       7 state after the events; empty if they leave it as it is
--       8 '1' if that state is terminal
--       9 id of the message whose turn these events end; empty if the turn goes on
--      10 with a terminal state: how many messages the writer knows to be in the inbox
--      11 snapshot after the events, JSON; empty to store none
--      12 the most events that the history keeps
--      13 field of a step's result; empty if there is none    14 the result, JSON
--      15 lifetime of an open task, 16 of the history, 17 of the snapshot after the end, ms
--      18… events, JSON
--
-- Returns { 'OK', cancel flag, next inbox entry or '', '1' if the history had been lost } |
--   { 'FENCED' }    the writer has lost its lease
--   { 'TERMINAL' }  the task has ended
--   { 'BEHIND', offset }  Redis lost the writer's last events in a failover: append them again
--   { 'INBOX', entries… } messages came in: write them to the log before the terminal event

local meta, stream, snapshot, inbox = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local epoch, expected, open_ttl = ARGV[1], tonumber(ARGV[4]), ARGV[15]
local first_event, count = 18, #ARGV - 17
local position = epoch .. '-' .. string.format('%.0f', expected + count)

local known = redis.call('HMGET', meta, 'epoch', 'offset', 'last', 'terminal', 'cancel', 'holder')
local current, offset, last = known[1], tonumber(known[2] or '0'), known[3]

if count > 0 and last and (last == position or ((current ~= epoch or offset ~= expected)
    and #redis.call('XRANGE', stream, position, position) > 0)) then
  local following = ''
  if ARGV[9] ~= '' and last == position and current == epoch and known[6] == ARGV[5] then
    following = redis.call('LINDEX', inbox, 0) or ''
  end
  return { 'OK', known[5] or '', following, '' }
end
if not current then return { 'FENCED' } end
if current ~= epoch and current ~= ARGV[2] then return { 'FENCED' } end
if known[4] then return { 'TERMINAL' } end
if last ~= ARGV[3] and string.match(last, '^(%d+)%-') ~= epoch then return { 'FENCED' } end
if offset < expected then return { 'BEHIND', known[2] } end
if offset > expected then return { 'FENCED' } end

local terminal, message_id = ARGV[8] == '1', ARGV[9]
if terminal and redis.call('LLEN', inbox) ~= tonumber(ARGV[10]) then
  local waiting = redis.call('LRANGE', inbox, 0, -1)
  table.insert(waiting, 1, 'INBOX')
  return waiting
end

if current ~= epoch then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call('HSET', meta, 'epoch', epoch, 'holder', ARGV[5],
             'lease_end', string.format('%.0f', now + tonumber(ARGV[6])), 'lease_length', ARGV[6],
             'e:' .. epoch, string.format('%.0f', expected + 1))
end

local lost = ''
local previous = last
for i = first_event, #ARGV do
  local here = epoch .. '-' .. string.format('%.0f', expected + i - first_event + 1)
  if not redis.call('XADD', stream, 'NOMKSTREAM', here, 'e', ARGV[i]) then
    redis.call('XADD', stream, here, 'e', ARGV[i])
    redis.call('PEXPIRE', stream, open_ttl)
    lost = '1'
  end
  redis.call('PUBLISH', KEYS[6], previous .. ' ' .. here .. ' ' .. ARGV[i])
  previous = here
end
if count > 0 then
  redis.call('HSET', meta, 'offset', string.format('%.0f', expected + count), 'last', position)
end
if ARGV[7] ~= '' then redis.call('HSET', meta, 'state', ARGV[7]) end

if ARGV[11] ~= '' then
  redis.call('SET', snapshot, '{"position":"' .. previous .. '","task":' .. ARGV[11] .. '}', 'PX', open_ttl)
  redis.call('HSET', meta, 'snapshot', previous)
  redis.call('XTRIM', stream, 'MAXLEN', '~', ARGV[12])
  for i = 1, 5 do redis.call('PEXPIRE', KEYS[i], open_ttl) end
end
if ARGV[13] ~= '' then
  redis.call('HSET', KEYS[5], ARGV[13], ARGV[14])
  redis.call('PEXPIRE', KEYS[5], open_ttl)
  redis.call('HSET', meta, 'attempts', '1')
end

if terminal then
  local longest = math.max(tonumber(ARGV[16]), tonumber(ARGV[17]))
  redis.call('DEL', inbox)
  redis.call('HSET', meta, 'terminal', '1')
  redis.call('HDEL', meta, 'holder', 'lease_end', 'lease_length', 'cancel')
  redis.call('PEXPIRE', meta, string.format('%.0f', longest))
  redis.call('PEXPIRE', stream, ARGV[16])
  redis.call('PEXPIRE', snapshot, ARGV[17])
  redis.call('PEXPIRE', KEYS[5], ARGV[16])
  return { 'OK', '', '', lost }
end

local following = ''
if message_id ~= '' then
  local head = redis.call('LINDEX', inbox, 0)
  local mark = message_id .. '\n'
  if head and string.sub(head, 1, #mark) == mark then redis.call('LPOP', inbox) end
  following = redis.call('LINDEX', inbox, 0) or ''
  if following == '' then
    -- The lease stays with the writer if the task is to be canceled: it is the one to end it.
    if not known[5] then redis.call('HDEL', meta, 'holder', 'lease_end', 'lease_length') end
    redis.call('HSET', meta, 'attempts', '0')
  else
    redis.call('HSET', meta, 'attempts', '1')
  end
end
return { 'OK', known[5] or '', following, lost }
