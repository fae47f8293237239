-- What workers hold: how it is stored, put back or buried; where leases end.
--
-- lease:W holds entries, each under its first 8 bytes, the id, of which the first is always NUL. In
-- front of an entry of another list than its channel's (a group's) stand that list's name and a NUL.

-- A field of the lease of a worker that was reclaimed as dead, for a minute: what it had sent with
-- its last breath may be read by the broker only now.
local GONE_MARK = 'gone'
local MAX_DEAD, MAX_DEAD_BYTES, MAX_FORGOTTEN = 1000, 67108864, 100

-- An entry that was taken has its whole life before it again when it goes back.
local function renewed(entry, attempts, wait_ms)
  local h = header_of(entry)
  if h.expires > 0 then h.expires = now + wait_ms + (h.expires - h.sent) end
  h.attempt = h.attempt + attempts
  return h
end

-- Puts {list, id, entry} items back at the heads of their lists in order of id.
local function put_back(items, attempts)
  table.sort(items, function(a, b) return a.id > b.id end)
  local heads = {}
  for _, item in ipairs(items) do
    local l = state(item.list)
    local h = renewed(item.entry, attempts, 0)
    local head = heads[item.list] or {}
    head[#head + 1] = with_header(h, item.entry)
    heads[item.list] = head
    l.n, l.elements, l.bytes, l.dirty = l.n + 1, l.elements + 1, l.bytes + #item.entry, true
    l.given = 0
    l.need_ms = max(l.need_ms, h.expires - now, gone_ms)
  end
  for list, head in pairs(heads) do
    local l = lists[list]
    push_all('LPUSH', l.key, head)
    keep(l.key, l.need_ms)
    wake(list)
  end
end

local function bury(list, entry, reason)
  local key = base .. 'dead'
  local letter = cmsgpack.pack({now, reason, list, entry})
  call('RPUSH', key, letter)
  local bytes = call('HINCRBY', base .. 'stat', 'dead_bytes', #letter)
  for _ = 1, MAX_FORGOTTEN do
    if bytes <= MAX_DEAD_BYTES and call('LLEN', key) <= MAX_DEAD then break end
    local oldest = call('LPOP', key)
    if not oldest then break end
    bytes = call('HINCRBY', base .. 'stat', 'dead_bytes', -#oldest)
  end
  send_receipt(entry, 'dead')
end

local function leased(value)
  local list, entry = match(value, '^[^%z]*'), value
  if list == '' then
    list = list_of(channel_in(value))
  else
    entry = sub(value, #list + 2)
  end
  return {list = list, entry = entry, id = header_of(entry).id}
end
