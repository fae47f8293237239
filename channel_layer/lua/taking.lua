-- How a worker takes; between settling.lua and commit.lua.

local DUE_TOKEN_MS = 250

-- The lists that hold something, from another one on each time.
local function filled_lists()
  local keys, filled = {}, {}
  for i = 1, #sources do keys[i] = base .. 'list:' .. sources[i] end
  local there = call('EXISTS', unpack(keys))
  for i = 1, #sources do
    if #filled == there then break end
    local list = sources[(turn + i) % #sources + 1]
    if (look('LLEN', 'list:', list) or 0) > 0 then filled[#filled + 1] = list end
  end
  return filled
end

-- First an equal share of each list that has entries, then whatever is there.
local function take(taken)
  local filled, leases = filled_lists(), {}
  local share = max(1, floor(count / max(1, #filled)))
  for _ = 1, 2 do
    for i = 1, #filled do
      local list, known = filled[i], #taken
      local l = state(list)
      if known < count and l.n > 0 then pop(l, min(share, count - known), true, taken) end
      local is_others = sub(list, -1) == '!'
      for j = known + 1, #taken do
        local entry = taken[j]
        leases[2 * j - 1], leases[2 * j] = sub(entry, 1, 8), entry
        if is_others then
          local kind = byte(entry, HEADER - 1)
          if kind == GROUP or kind == GROUP_MORE then leases[2 * j] = list .. '\0' .. entry end
        end
      end
    end
    share = count
  end
  if taken[1] then push_all('HSET', lease, leases) end
  for i = 1, #filled do
    -- A token beside an empty list wakes somebody for nothing, unless something will be due.
    if state(filled[i]).n > 0 then
      wake(filled[i])
    elseif due_at == 0 then
      call('DEL', base .. 'wake:' .. filled[i])
    end
  end
end

-- A busy worker leaves word for an idle one that something will be due.
local function tell_due()
  local told = tonumber(call('HGET', base .. 'stat', 'due_told') or 0)
  if now - told < DUE_TOKEN_MS then return end
  call('HSET', base .. 'stat', 'due_told', text(now))
  local first = call('ZRANGE', base .. 'delayed', 0, 0)
  if first[1] then wake(match(first[1], '^[^%z]*')) end
end
