-- Looks at all entries of lists, leases and the delayed ones, in pieces, where it must be known what is
-- still under way somewhere. All of these are bounded by the capacities of lists.

local MAX_LEASES = 10000
local MAX_PIECES = 10000

local function each_entry(list, see)
  if not look('LLEN', 'list:', list) then return end
  for piece = 0, MAX_PIECES do
    local entries = call('LRANGE', base .. 'list:' .. list, piece * CHUNK, piece * CHUNK + CHUNK - 1)
    for _, entry in ipairs(entries) do
      if is_entry(entry) then
        for _, one in ipairs(entries_in(entry) or {entry}) do see(one) end
      end
    end
    if #entries < CHUNK then return end
  end
end

-- Delayed entries of lists whose names fit a glob.
local function each_delayed(glob, look)
  local cursor = '0'
  for _ = 1, MAX_PIECES do
    local step = call('ZSCAN', base .. 'delayed', cursor, 'MATCH', glob, 'COUNT', CHUNK)
    cursor = step[1]
    for i = 1, #step[2], 2 do
      local list = match(step[2][i], '^[^%z]*')
      look(list, sub(step[2][i], #list + 2))
    end
    if cursor == '0' then return end
  end
end

local function each_lease(look)
  for _, worker in ipairs(call('ZRANGE', base .. 'workers', 0, MAX_LEASES - 1)) do
    for _, value in ipairs(call('HVALS', base .. 'lease:' .. worker)) do
      if string.find(value, '%z') then look(leased(value)) end  -- not the mark of one who is gone
    end
  end
end

local function payload_of(entry)
  local at = HEADER + 2 + byte(entry, HEADER + 1)
  return sub(entry, at + 1 + byte(entry, at))
end
