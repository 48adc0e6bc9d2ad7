-- Put an audit entry's redacted form in its place: at the stream's end, as entries can't be changed, or nothing.
--
-- KEYS  1 stream
-- ARGV  1 the entry's id
--       2 lifetime of the stream, s
--       … the redacted entry: fields and values
--
-- Returns '1', or '' if the entry was gone already

if redis.call('XDEL', KEYS[1], ARGV[1]) == 0 then return '' end
local fields = {}
for i = 3, #ARGV do fields[#fields + 1] = ARGV[i] end
redis.call('XADD', KEYS[1], '*', unpack(fields))
redis.call('EXPIRE', KEYS[1], ARGV[2])
return '1'
