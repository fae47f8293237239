-- Takes the oldest dead letters out and sends what they hold once more, as if it were new.
--
-- [5] how many at most; [6] 1 to send them, 0 to drop them. Gives how many were taken out.

local count, again = args[5], args[6]
local letters = call('LPOP', base .. 'dead', math.min(count, CHUNK)) or {}
for _, letter in ipairs(letters) do
  call('HINCRBY', base .. 'stat', 'dead_bytes', -#letter)
  if again == 1 then
    local parts = cmsgpack.unpack(letter)
    local list, entry = parts[3], parts[4]
    local h, l = header_of(entry), state(list)
    local ttl_ms = h.expires > 0 and h.expires - h.sent or 0
    local tail = string.sub(entry, HEADER + 1)
    append(list, h.kind, tail, h.order, 0, ttl_ms)
  end
end
save()
return #letters
