-- Entries that wait for their time.

local MAX_DUE = 100          -- delayed entries moved by one call

local function delay(list, entry, due)
  local l = state(list)
  call('ZADD', base .. 'delayed', due, list .. '\0' .. entry)
  if due_at == 0 or due < due_at then due_at, totals_changed = due, true end
  l.waiting, l.waiting_bytes, l.dirty = l.waiting + 1, l.waiting_bytes + #entry, true
  keep(base .. 'delayed', max(due, header_of(entry).expires) - now + gone_ms)
  wake(list)
end

-- Delayed entries that are due go to the end of their lists, with new ids: ids grow along a list.
local function move_due()
  if due_at == 0 or due_at > now then return end
  local due = call('ZRANGEBYSCORE', base .. 'delayed', '-inf', now, 'LIMIT', 0, MAX_DUE)
  for _, member in ipairs(due) do
    local list = match(member, '^[^%z]*')
    local entry = sub(member, #list + 2)
    if is_entry(entry) then
      local h, l = header_of(entry), state(list)
      h.id = next_id()
      l.fresh[#l.fresh + 1] = with_header(h, entry)
      l.n, l.elements, l.bytes, l.dirty = l.n + 1, l.elements + 1, l.bytes + #entry, true
      l.waiting = max(0, l.waiting - 1)
      l.waiting_bytes = max(0, l.waiting_bytes - #entry)
      l.need_ms = max(l.need_ms, h.expires - now, gone_ms)
    end
    call('ZREM', base .. 'delayed', member)
  end
  push_fresh()
  local first = call('ZRANGE', base .. 'delayed', 0, 0, 'WITHSCORES')
  due_at, totals_changed = first[2] and tonumber(first[2]) or 0, true
end
