-- Pops entries from the heads of lists.

local MAX_POPS = 10          -- rounds that one call spends on skipping expired entries

-- Somebody takes entry by entry: puts those of the bundles among the first `number` elements of a list in their places.
local function unfold(l, number)
  local singles, elements = {}, call('LPOP', l.key, number) or {}
  for _, element in ipairs(elements) do
    local found = entries_in(element)
    if found then l.extra = max(0, l.extra - #found + 1) end
    for _, entry in ipairs(found or {element}) do singles[#singles + 1] = entry end
  end
  l.elements, l.dirty, l.given = l.elements - #elements + #singles, true, 0
  local heads = {}
  for i = #singles, 1, -1 do heads[#heads + 1] = singles[i] end
  push_all('LPUSH', l.key, heads)
  if heads[1] then keep(l.key, l.need_ms) end
end

-- Pops up to `want` live entries from the head of `l` into `out`; expired ones are skipped and,
-- where asked for, receipted as dead. With `chains`, what is chained to the last one comes too.
local function pop(l, want, chains, out)
  local found, last_flags, gone, gone_bytes, rounds = 0, 0, 0, 0, 0
  while true do
    local more = want - found
    if more <= 0 or rounds >= MAX_POPS then
      if not chains or last_flags == 0 or rounds >= MAX_POPS + MAX_CHAIN then break end
      more = 1
    end
    rounds = rounds + 1
    if l.extra > 0 then unfold(l, more) end
    local entries = call('LPOP', l.key, more)
    if not entries then break end
    gone = gone + #entries
    for i = 1, #entries do
      local entry = entries[i]
      local size, is_one = #entry, false
      gone_bytes, last_flags = gone_bytes + size, 0
      if size >= HEADER + 2 then
        local kind, flags, length = byte(entry, HEADER - 1, HEADER + 1)
        local at = HEADER + 2 + length
        is_one = kind < BUNDLE and at <= size and at + byte(entry, at) <= size
        if is_one then
          last_flags = flags
          local expires = unpack_entry('>I8', entry, 17)
          if expires == 0 or expires > now then
            found = found + 1
            out[#out + 1] = entry
          else
            send_receipt(entry, 'dead')
          end
        end
      end
      -- Not put there by this layer.
      if not is_one then call('HINCRBY', base .. 'stat', 'unreadable', 1) end
    end
  end
  if gone > 0 then
    l.n, l.elements, l.bytes, l.dirty = l.n - gone, l.elements - gone, l.bytes - gone_bytes, true
    l.given = 0
  end
  if l.n <= 0 then l.n, l.bytes = 0, 0 end
end
