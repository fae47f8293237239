-- Entries that wait for their time, put behind common.lua in the scripts that take or read.

local MAX_DUE = 100          -- delayed entries moved by one call

-- How long until the next delayed entry is due, and its list; nil when there is none.
local function next_due()
  local first = call('ZRANGE', base .. 'delayed', 0, 0, 'WITHSCORES')
  if not first[1] then return nil end
  return max(0, tonumber(first[2]) - now), string.match(first[1], '^[^%z]*')
end

-- Delayed entries that are due go to the end of their lists, with new ids: ids grow along a list.
-- Gives what `next_due` gives then.
local function move_due()
  local due_ms, due_list = next_due()
  if not due_ms or due_ms > 0 then return due_ms, due_list end
  local due = call('ZRANGEBYSCORE', base .. 'delayed', '-inf', now, 'LIMIT', 0, MAX_DUE)
  for _, member in ipairs(due) do
    local list = string.match(member, '^[^%z]*')
    local entry = string.sub(member, #list + 2)
    if is_entry(entry) then
      local h, l = header_of(entry), state(list)
      h.id = next_id()
      l.fresh[#l.fresh + 1] = with_header(h, entry)
      l.n, l.bytes, l.dirty = l.n + 1, l.bytes + #entry, true
      l.waiting = max(0, l.waiting - 1)
      l.waiting_bytes = max(0, l.waiting_bytes - #entry)
      l.need_ms = max(l.need_ms, h.expires - now, GONE_MS)
    end
    call('ZREM', base .. 'delayed', member)
  end
  push_fresh()
  return next_due()
end
