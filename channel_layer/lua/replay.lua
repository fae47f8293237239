-- Takes one dead letter out and sends what it holds once more, as if it were new.
--
-- [5] the letter as it lies there; [6] 1 to send it, 0 to drop it. Gives 1, or 0 when it was not
-- there any more.

function functions.replay()
  local letter, again = args[5], args[6]
  local found = call('LREM', base .. 'dead', 1, letter)
  if found == 1 then
    call('HINCRBY', base .. 'stat', 'dead_bytes', -#letter)
    if again == 1 then
      local parts = cmsgpack.unpack(letter)
      local list, entry = parts[3], parts[4]
      local h = header_of(entry)
      local ttl_ms = h.expires > 0 and h.expires - h.sent or 0
      append(list, h.kind, sub(entry, HEADER + 1), h.order, ttl_ms)
    end
  end
  save()
  return found
end
