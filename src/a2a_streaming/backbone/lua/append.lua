-- Append events to a task's log, and all that hangs on them, or nothing.
--
-- The writer numbers its calls under a lease. A call that was carried out already (its reply was lost) is
-- answered OK again and changes nothing; a number too high says that Redis lost calls in a failover.
--
-- KEYS  1 meta  2 stream  3 snapshot  4 inbox  5 steps  6 channel
-- ARGV  1 epoch of the writer's lease
--       2 epoch before it
--       3 the log's last position when the lease was granted
--       4 number of the call under this lease, from 0
--       5 the log's last offset, as the writer knows it
--       6 holder of the lease, 7 its length, ms (to restore a grant that a failover lost)
--       8 state after the events; empty if they leave it as it is
--       9 '1' if that state is terminal; 'message' if it is, and a message alone is the task's answer
--      10 id of the message whose turn these events end; empty if the turn goes on
--      11 with a terminal state: how many messages the writer knows to be in the inbox
--      12 with a terminal state: '1' if the agent has something to clean up afterwards
--      13 snapshot after the events, JSON; empty to store none
--      14 the most events that the history keeps
--      15 lifetime of an open task, 16 of the history, 17 of the snapshot after the end, ms
--      18 how many results of steps follow, and for each: its field, the result
--       … events, JSON
--
-- Returns { 'OK', cancel flag, next inbox entry or '', '1' if the history had been lost } |
--   { 'FENCED' }    the writer has lost its lease
--   { 'TERMINAL' }  the task has ended
--   { 'BEHIND', number }  Redis lost the writer's calls from that number on in a failover: repeat them
--   { 'INBOX', entries… } messages came in: write them to the log before the terminal event

local meta, stream, snapshot, inbox = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local epoch, call, expected, open_ttl = ARGV[1], tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[15]
local results = tonumber(ARGV[18])
local first_event = 19 + 2 * results
local count = #ARGV - first_event + 1
local position = epoch .. '-' .. string.format('%.0f', expected + count)

local known = redis.call('HMGET', meta, 'epoch', 'offset', 'last', 'terminal', 'cancel', 'holder', 'calls')
local current, offset, last = known[1], tonumber(known[2] or '0'), known[3]
if not current then return { 'FENCED' } end

local done = 0
if current == epoch then
  done = tonumber(known[7] or '0')
elseif count > 0 and #redis.call('XRANGE', stream, position, position) > 0 then
  return { 'OK', known[5] or '', '', '' }  -- others have taken the lease since
end
if done > call then
  local following = ''
  if ARGV[10] ~= '' and known[6] == ARGV[6] then following = redis.call('LINDEX', inbox, 0) or '' end
  return { 'OK', known[5] or '', following, '' }
end
if current == epoch then
  if known[6] ~= ARGV[6] and not known[4] then return { 'FENCED' } end  -- it gave the lease back
elseif current ~= ARGV[2] then
  return { 'FENCED' }
end
if known[4] then return { 'TERMINAL' } end
if last ~= ARGV[3] and string.match(last, '^(%d+)%-') ~= epoch then return { 'FENCED' } end
if done < call then return { 'BEHIND', tostring(done) } end
if offset ~= expected then return { 'FENCED' } end

local terminal, message_id = ARGV[9] ~= '', ARGV[10]
if terminal and redis.call('LLEN', inbox) ~= tonumber(ARGV[11]) then
  local waiting = redis.call('LRANGE', inbox, 0, -1)
  table.insert(waiting, 1, 'INBOX')
  return waiting
end

if current ~= epoch then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call('HSET', meta, 'epoch', epoch, 'holder', ARGV[6],
             'lease_end', string.format('%.0f', now + tonumber(ARGV[7])), 'lease_length', ARGV[7],
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
redis.call('HSET', meta, 'calls', tostring(call + 1),
           'offset', string.format('%.0f', expected + count), 'last', previous)
if ARGV[8] ~= '' then redis.call('HSET', meta, 'state', ARGV[8]) end

if ARGV[13] ~= '' then
  local about = redis.call('HMGET', meta, 'owner', 'agent', 'context', 'dialect')
  local told = cjson.encode({ owner = about[1], agent = about[2], context = about[3], dialect = about[4] })
  redis.call('SET', snapshot, '{"position":"' .. previous .. '","about":' .. told
             .. ',"task":' .. ARGV[13] .. '}', 'PX', open_ttl)
  redis.call('HSET', meta, 'snapshot', previous)
  redis.call('XTRIM', stream, 'MAXLEN', '~', ARGV[14])
  for i = 1, 5 do redis.call('PEXPIRE', KEYS[i], open_ttl) end
end
if results > 0 then
  for i = 19, 18 + 2 * results, 2 do redis.call('HSET', KEYS[5], ARGV[i], ARGV[i + 1]) end
  redis.call('PEXPIRE', KEYS[5], open_ttl)
  redis.call('HSET', meta, 'attempts', '1')
end

if terminal then
  local longest = math.max(tonumber(ARGV[16]), tonumber(ARGV[17]))
  redis.call('DEL', inbox)
  redis.call('HSET', meta, 'terminal', '1', 'attempts', '0')
  redis.call('HDEL', meta, 'holder', 'lease_end', 'lease_length', 'cancel', 'damaged')
  if ARGV[9] == 'message' then redis.call('HSET', meta, 'answer', 'message') end
  if ARGV[12] == '1' then redis.call('HSET', meta, 'cleanup', '1') end
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
