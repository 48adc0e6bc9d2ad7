-- Accept a customer's message: join what exists, follow up on it, or create the task.
--
-- KEYS  1 meta  2 stream  3 snapshot  4 inbox  5 steps  6 channel
-- ARGV  1 owner
--       2 agent
--       3 context of a new task
--       4 context as the client sent it; empty if it sent none
--       5 message id
--       6 fingerprint of the message's content
--       7 message, JSON
--       8 identity: 'task' (the first message of a task is known by its content) or 'message' (by its id)
--       9 '1' if the message may create the task
--      10 birth dialect
--      11 the new task, JSON
--      12 lifetime of an open task, ms
--      13 the most messages that may wait
--      14 20 random bits
--      15 message id if it creates the task
--
-- Returns { code, position, state, position before the message's turn }; the last is empty where the
-- message began the task:
--   CREATED    the task is new; position of its first event
--   ACCEPTED   the message waits in the inbox; the log's last position at that moment
--   JOINED     the message is known; the log's last position
--   UNKNOWN    no such task, and the message may not create it; or it is another owner's
--   AGENT      the task is another agent's
--   CONTEXT    the task is in another context than the client says
--   CONFLICT   the message id is known with other content
--   TERMINAL   the task has ended
--   FULL       too many messages wait
--   DAMAGED    the task's meta is lost, while its history stands

local meta, stream, snapshot, inbox = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local message_id, fingerprint, ttl = ARGV[5], ARGV[6], ARGV[12]
local entry = message_id .. '\n' .. ARGV[7]

local known = redis.call('HMGET', meta, 'state', 'last', 'owner', 'agent', 'context', 'first',
                         'm:' .. message_id, 'terminal')
local state, last = known[1], known[2]

if not state then
  if redis.call('EXISTS', stream, snapshot) > 0 then return { 'DAMAGED', '', '', '' } end
  if ARGV[9] ~= '1' then return { 'UNKNOWN', '', '', '' } end
  local time = redis.call('TIME')
  local epoch = string.format('%.0f', time[1] * 1000000 + time[2] + tonumber(ARGV[14]))
  local position = epoch .. '-1'
  state = 'TASK_STATE_SUBMITTED'
  if message_id ~= ARGV[15] then  -- both are hexadecimal: the sender gave none
    message_id, entry = ARGV[15], (string.gsub(entry, message_id, ARGV[15]))
  end
  local event = '{"task":' .. ARGV[11] .. '}'
  redis.call('XADD', stream, position, 'e', event)
  local about = cjson.encode({ owner = ARGV[1], agent = ARGV[2], context = ARGV[3], dialect = ARGV[10] })
  redis.call('SET', snapshot, '{"position":"' .. position .. '","about":' .. about
             .. ',"task":' .. ARGV[11] .. '}', 'PX', ttl)
  redis.call('HSET', meta, 'epoch', epoch, 'last', position, 'state', state,
             'owner', ARGV[1], 'agent', ARGV[2], 'context', ARGV[3], 'dialect', ARGV[10],
             'first', fingerprint, 'm:' .. message_id, fingerprint .. ' ', 'e:' .. epoch, '1',
             'attempts', '0', 'snapshot', position,
             'created', string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)))
  redis.call('RPUSH', inbox, entry)
  for i = 1, 4 do redis.call('PEXPIRE', KEYS[i], ttl) end
  redis.call('PUBLISH', KEYS[6], '0-0 ' .. position .. ' ' .. event)
  return { 'CREATED', position, state, '' }
end

if known[3] ~= ARGV[1] then return { 'UNKNOWN', '', '', '' } end
if known[4] ~= ARGV[2] then return { 'AGENT', last, state, '' } end
if ARGV[4] ~= '' and ARGV[4] ~= known[5] then return { 'CONTEXT', last, state, '' } end
if known[7] then
  local same, before = string.match(known[7], '^(%S*) (.*)$')
  if same == fingerprint then return { 'JOINED', last, state, before } end
  return { 'CONFLICT', last, state, '' }
end
if ARGV[8] == 'task' and known[6] == fingerprint then return { 'JOINED', last, state, '' } end
if known[8] then return { 'TERMINAL', last, state, '' } end
if redis.call('LLEN', inbox) >= tonumber(ARGV[13]) then return { 'FULL', last, state, '' } end

redis.call('RPUSH', inbox, entry)
redis.call('HSET', meta, 'm:' .. message_id, fingerprint .. ' ' .. last)
for i = 1, 5 do redis.call('PEXPIRE', KEYS[i], ttl) end
return { 'ACCEPTED', last, state, last }
