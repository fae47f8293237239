-- Pops entries from the heads of lists, put behind common.lua in the scripts that take.

local MAX_POPS = 10          -- rounds that one call spends on skipping expired entries

-- Pops up to `want` live entries from the head into `out`; expired ones are skipped and, where
-- asked for, receipted as dead. With `chains`, what is chained to the last one comes too.
local function pop(list, want, chains, out)
  local l = state(list)
  local last_flags, found = 0, 0
  local function pop_some(count)
    local entries = call('LPOP', l.key, count)
    if not entries then return false end
    for _, entry in ipairs(entries) do
      local size = #entry
      l.n, l.bytes, l.dirty = l.n - 1, l.bytes - size, true
      local is_one, id, expires, kind, flags, _ = false, 0, 0, 0, 0, nil
      -- As `is_entry` does, with what is unpacked anyway.
      if size >= HEADER + 2 then
        id, _, expires, _, _, kind, flags = unpack_entry(FORMAT, entry)
        local at = HEADER + 2 + byte(entry, HEADER + 1)
        is_one = kind <= REPLAY and at <= size and at + byte(entry, at) <= size
      end
      last_flags = is_one and flags or 0
      if not is_one then
        -- Not put there by this layer.
        call('HINCRBY', base .. 'stat', 'unreadable', 1)
      elseif expires > 0 and expires <= now then
        send_receipt(entry, 'dead')
      else
        out[#out + 1] = {list = list, id = id, entry = entry}
        found = found + 1
      end
    end
    return true
  end
  for _ = 1, MAX_POPS do
    if found >= want or not pop_some(want - found) then break end
  end
  if chains then
    for _ = 1, MAX_CHAIN do
      if last_flags == 0 or not pop_some(1) then break end
    end
  end
  if l.n <= 0 then l.n, l.bytes = 0, 0 end
  return found
end
