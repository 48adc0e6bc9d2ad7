-- Read a task as it is now: what is stored, and what came after it, in one piece.
--
-- KEYS  1 snapshot  2 stream
--
-- Returns { snapshot or '', entries after it }

local stored = redis.call('GET', KEYS[1])
local from = '-'
if stored then from = '(' .. string.match(stored, '^{"position":"(%d+%-%d+)"') end
return { stored or '', redis.call('XRANGE', KEYS[2], from, '+') }
