-- Make a task's meta anew, as far as the rest of the task tells: it was lost while the history stands.
--
-- The task is marked as damaged, so that the next one to take its lease ends it. Its new epoch shuts out
-- whoever held the lease before.
--
-- KEYS  1 meta  2 stream  3 snapshot  4 inbox  5 steps
-- ARGV  1 20 random bits
--       2 epoch and 3 offset of the log's last event
--       4 state, 5 '1' if it is terminal
--       6 owner  7 agent  8 context  9 birth dialect
--      10 position of the snapshot; empty if it is lost
--      11 lifetime of an open task, 12 of an ended one, ms
--
-- Returns 'RESTORED' | 'STANDS' (the meta isn't lost) | 'GONE' (so is the rest)

local meta = KEYS[1]
if redis.call('EXISTS', meta) == 1 then return 'STANDS' end
if redis.call('EXISTS', KEYS[2], KEYS[3]) == 0 then return 'GONE' end

local time = redis.call('TIME')
local epoch = string.format('%.0f', math.max(time[1] * 1000000 + time[2],
                                             tonumber(ARGV[2]) + 1 + tonumber(ARGV[1])))
redis.call('HSET', meta, 'epoch', epoch, 'calls', '0', 'last', ARGV[2] .. '-' .. ARGV[3],
           'state', ARGV[4], 'owner', ARGV[6], 'agent', ARGV[7], 'context', ARGV[8], 'dialect', ARGV[9],
           'first', '', 'attempts', '0', 'snapshot', ARGV[10])
if ARGV[5] == '1' then
  redis.call('HSET', meta, 'terminal', '1')
  redis.call('PEXPIRE', meta, ARGV[12])
else
  redis.call('HSET', meta, 'damaged', '1')
  for i = 1, 5 do redis.call('PEXPIRE', KEYS[i], ARGV[11]) end
end
return 'RESTORED'
