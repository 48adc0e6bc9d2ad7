-- Append events to a task's log, and all that hangs on them, or nothing.
--
-- The writer numbers its calls under a lease. A call that was carried out already (its reply was lost) is
-- answered OK again and changes nothing; a number too high says that Redis lost calls in a failover.
--
-- KEYS  1 meta  2 stream  3 snapshot  4 inbox  5 steps  6 channel
-- ARGV  1 epoch of the writer's lease
--       2 holder of the lease
--       3 the log's last position when the lease was granted
--       4 what all calls under the lease have in common and few need, with spaces between: the epoch before
--         it, its length (to restore a grant that a failover lost), the most events that the history keeps,
--         lifetime of an open task, of the history, and of the snapshot after the end; times in ms
--       5 number of the call under this lease, from 0
--       6 the log's last offset, as the writer knows it
--       7 empty if there is nothing but events: they follow. Else
--       8 state after the events; empty if they leave it as it is
--       9 '1' if that state is terminal; 'message' if it is, and a message alone is the task's answer
--      10 id of the message whose turn these events end; empty if the turn goes on
--      11 with a terminal state: how many messages the writer knows to be in the inbox
--      12 with a terminal state: '1' if the agent has something to clean up afterwards; 'e' if the turn that
--         these events end has answered an escalation
--      13 snapshot after the events, JSON; empty to store none
--      14 how many results of steps follow, and for each: its field, the result
--       … events, JSON
--
-- Returns { 'OK', '1' if the task is to be canceled, 'e' if it is to be escalated, else '',
--           next inbox entry or '', '1' if the history had been lost } |
--   { 'FENCED' }    the writer has lost its lease
--   { 'TERMINAL' }  the task has ended
--   { 'BEHIND', number }  Redis lost the writer's calls from that number on in a failover: repeat them
--   { 'INBOX', entries… } messages came in: write them to the log before the terminal event

local meta, stream, snapshot, inbox = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local epoch, holder, call, expected = ARGV[1], ARGV[2], tonumber(ARGV[5]), tonumber(ARGV[6])
local state, ending, message_id, told, results, first_event = '', '', '', '', 0, 8
if ARGV[7] ~= '' then
  state, ending, message_id, told, results = ARGV[8], ARGV[9], ARGV[10], ARGV[13], tonumber(ARGV[14])
  first_event = 15 + 2 * results
end
local count = #ARGV - first_event + 1

local known = redis.call('HMGET', meta, 'epoch', 'last', 'calls', 'holder', 'terminal', 'cancel', 'escalate')
local current, last, cancel = known[1], known[2], known[6] or (known[7] and 'e') or ''
if not current then return { 'FENCED' } end

local previous_epoch, length, maxlen, open_ttl, history_ttl, snapshot_ttl
local function read_constants()
  previous_epoch, length, maxlen, open_ttl, history_ttl, snapshot_ttl =
    string.match(ARGV[4], '^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+)$')
end

local done = 0
if current == epoch then
  done = tonumber(known[3] or '0')
else
  read_constants()
  local position = epoch .. '-' .. string.format('%.0f', expected + count)
  if count > 0 and #redis.call('XRANGE', stream, position, position) > 0 then
    return { 'OK', cancel, '', '' }  -- others have taken the lease since
  end
end
if done > call then
  local following = ''
  if message_id ~= '' and known[4] == holder then following = redis.call('LINDEX', inbox, 0) or '' end
  return { 'OK', cancel, following, '' }
end
if current == epoch then
  if known[4] ~= holder and not known[5] then return { 'FENCED' } end  -- it gave the lease back
elseif current ~= previous_epoch then
  return { 'FENCED' }
end
if known[5] then return { 'TERMINAL' } end
local last_epoch, offset = string.match(last, '^(%d+)%-(%d+)$')
if last ~= ARGV[3] and last_epoch ~= epoch then return { 'FENCED' } end
if done < call then return { 'BEHIND', tostring(done) } end
if tonumber(offset) ~= expected then return { 'FENCED' } end

if ending ~= '' and redis.call('LLEN', inbox) ~= tonumber(ARGV[11]) then
  local waiting = redis.call('LRANGE', inbox, 0, -1)
  table.insert(waiting, 1, 'INBOX')
  return waiting
end

if current ~= epoch then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call('HSET', meta, 'epoch', epoch, 'holder', holder,
             'lease_end', string.format('%.0f', now + tonumber(length)), 'lease_length', length,
             'e:' .. epoch, string.format('%.0f', expected + 1))
end

local lost = ''
local previous = last
for i = first_event, #ARGV do
  local here = epoch .. '-' .. string.format('%.0f', expected + i - first_event + 1)
  if not redis.call('XADD', stream, 'NOMKSTREAM', here, 'e', ARGV[i]) then
    read_constants()
    redis.call('XADD', stream, here, 'e', ARGV[i])
    redis.call('PEXPIRE', stream, open_ttl)
    lost = '1'
  end
  redis.call('PUBLISH', KEYS[6], previous .. ' ' .. here .. ' ' .. ARGV[i])
  previous = here
end
redis.call('HSET', meta, 'calls', tostring(call + 1), 'last', previous)
if ARGV[7] == '' then return { 'OK', cancel, '', lost } end

read_constants()
if state ~= '' and redis.call('HGET', meta, 'state') ~= state then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call('HSET', meta, 'state', state, 'since', string.format('%.0f', now))
end
if told ~= '' then
  local about = redis.call('HMGET', meta, 'owner', 'agent', 'context', 'dialect')
  local whose = cjson.encode({ owner = about[1], agent = about[2], context = about[3], dialect = about[4] })
  redis.call('SET', snapshot, '{"position":"' .. previous .. '","about":' .. whose
             .. ',"task":' .. told .. '}', 'PX', open_ttl)
  redis.call('HSET', meta, 'snapshot', previous)
  redis.call('XTRIM', stream, 'MAXLEN', '~', maxlen)
  for i = 1, 5 do redis.call('PEXPIRE', KEYS[i], open_ttl) end
end
if results > 0 then
  for i = 15, 14 + 2 * results, 2 do redis.call('HSET', KEYS[5], ARGV[i], ARGV[i + 1]) end
  redis.call('PEXPIRE', KEYS[5], open_ttl)
  redis.call('HSET', meta, 'attempts', '1')
end

if ending ~= '' then
  local longest = math.max(tonumber(history_ttl), tonumber(snapshot_ttl))
  redis.call('DEL', inbox)
  redis.call('HSET', meta, 'terminal', '1', 'attempts', '0')
  redis.call('HDEL', meta, 'holder', 'lease_end', 'lease_length', 'cancel', 'escalate', 'damaged')
  if ending == 'message' then redis.call('HSET', meta, 'answer', 'message') end
  if ARGV[12] == '1' then redis.call('HSET', meta, 'cleanup', '1') end
  redis.call('PEXPIRE', meta, string.format('%.0f', longest))
  redis.call('PEXPIRE', stream, history_ttl)
  redis.call('PEXPIRE', snapshot, snapshot_ttl)
  redis.call('PEXPIRE', KEYS[5], history_ttl)
  return { 'OK', '', '', lost }
end

local following = ''
if message_id ~= '' then
  if ARGV[12] == 'e' then
    redis.call('HDEL', meta, 'escalate')
    if cancel == 'e' then cancel = '' end
  end
  local head = redis.call('LINDEX', inbox, 0)
  local mark = message_id .. '\n'
  if head and string.sub(head, 1, #mark) == mark then redis.call('LPOP', inbox) end
  following = redis.call('LINDEX', inbox, 0) or ''
  if following == '' then
    -- The lease stays with the writer if the task is to be canceled or escalated: it is the one to do it.
    if cancel == '' then redis.call('HDEL', meta, 'holder', 'lease_end', 'lease_length') end
    redis.call('HSET', meta, 'attempts', '0')
  else
    redis.call('HSET', meta, 'attempts', '1')
  end
end
return { 'OK', cancel, following, lost }
