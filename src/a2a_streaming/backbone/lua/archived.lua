-- Note that a task was archived, or is not to be; a task that was deleted meanwhile gets no meta again.
--
-- KEYS  1 meta
-- ARGV  1 the archived file's head; '-' if it isn't archived
--
-- Returns whether the task is there

if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'archived', ARGV[1])
return 1
