-- What every script stands on; it is put in front of each one when it is loaded.
--
-- KEYS[1]  '{prefix}:', which all keys begin with. Keys are made from it, so all lie in one slot.
-- ARGV[1]  msgpack array: [1] expiry ms, [2] group expiry ms, [3] and [4] the usual capacity of a
--          list in entries and bytes, [5…] the script's own, told at its head.
--
-- Keys (redis_keys.py tells type and life of each): list:L meta:L wake:L lease:W workers
-- members:G:L servers:G delayed dead epoch id batch:C stat.
-- A script changes `lists` in Lua and writes all changes with `save()`, once, at its end.

local call, pack, unpack_entry = redis.call, struct.pack, struct.unpack
local floor, max = math.floor, math.max
local base = KEYS[1]
local args = cmsgpack.unpack(ARGV[1])
local expiry_ms, group_expiry_ms, usual_entries, usual_bytes = args[1], args[2], args[3], args[4]
local time = call('TIME')
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now = floor(now_us / 1000)

local MESSAGE, GROUP, JOIN, LEAVE, RECEIPT = 0, 1, 2, 3, 4
local HEADER, FORMAT = 36, '>I8I8I8I8I2I1I1'
local CHUNK = 500            -- arguments of one call; Lua's unpack ends at about 8,000
local SLACK_MS = 60000       -- a key outlives its entries, so its life need not be renewed each time
local GONE_MS = max(expiry_ms, 30000)  -- an inbox unread for longer has lost entries
local META_MS = max(group_expiry_ms, 86400000)
local SLOT_MS = 10000        -- window of the per-second figures, see figures.py
local MAX_DUE = 100          -- delayed entries moved by one call
local MAX_POPS = 10          -- rounds that one call spends on skipping expired entries
local MAX_CHAIN = 1000
local MAX_PRUNE = 100
local MAX_DEAD, MAX_DEAD_BYTES = 1000, 67108864
-- meta:L is these numbers in this order: bytes, sent, full, slot, sent_now, sent_before, full_now,
-- full_before, waiting, waiting_bytes, capacity, capacity_bytes, read, generation.
local META = '>' .. string.rep('d', 14)
local NO_META = string.rep('\0', 14 * 8)

-- The marks of channel_names.py: what follows '!' is a client of the process that owns the list.
local function list_of(channel) return string.match(channel, '^[^!]*!') or channel end
local function is_inbox(list) return string.sub(list, -1) == '!' end
local function is_single_reader(list) return string.find(list, '?', 1, true) ~= nil end

local function text(number) return string.format('%.0f', number) end
local function tail_of(channel, payload) return string.char(#channel) .. channel .. '\0' .. payload end

-- Ids grow also when the broker lost data, all or the last second's: they are no less than the
-- microseconds of today.
local last_id, ids_used = nil, false
local function next_id()
  if not last_id then last_id = max(tonumber(call('GET', base .. 'id') or 0), now_us) end
  last_id, ids_used = last_id + 1, true
  return last_id
end

local function header_of(entry)
  local id, sent, expires, order, attempt, kind, flags = unpack_entry(FORMAT, entry)
  return {id = id, sent = sent, expires = expires, order = order, attempt = attempt, kind = kind,
    flags = flags}
end

local function with_header(h, entry)
  return pack(FORMAT, h.id, h.sent, h.expires, h.order, h.attempt, h.kind, h.flags)
    .. string.sub(entry, HEADER + 1)
end

local function receipt_of(entry)
  local channel_length = string.byte(entry, HEADER + 1)
  local at = HEADER + 2 + channel_length
  return string.sub(entry, at + 1, at + string.byte(entry, at))
end

local SLOT = floor(now / SLOT_MS)

local function turn_window(l)
  if l.slot == SLOT then return end
  local next_door = l.slot == SLOT - 1
  l.sent_before = next_door and l.sent_now or 0
  l.full_before = next_door and l.full_now or 0
  l.sent_now, l.full_now, l.slot = 0, 0, SLOT
end

local lists = {}
local all_sent, all_full = 0, 0

-- One list as this call sees it: n entries and bytes, `fresh` ones not yet pushed among them.
local function state(name)
  local l = lists[name]
  if l then return l end
  local key, meta_key = base .. 'list:' .. name, base .. 'meta:' .. name
  local bytes, sent, full, slot, sent_now, sent_before, full_now, full_before, waiting,
    waiting_bytes, capacity, capacity_bytes, read, generation =
    unpack_entry(META, call('GET', meta_key) or NO_META)
  local n = call('LLEN', key)
  l = {key = key, meta_key = meta_key, fresh = {}, need_ms = 0, n = n,
    bytes = n > 0 and bytes or 0, sent = sent, full = full, slot = slot, sent_now = sent_now,
    sent_before = sent_before, full_now = full_now, full_before = full_before, waiting = waiting,
    waiting_bytes = waiting_bytes, capacity = capacity, capacity_bytes = capacity_bytes,
    read = read, generation = generation}
  turn_window(l)
  lists[name] = l
  return l
end

local function save_meta(name, l)
  local packed = pack(META, l.bytes, l.sent, l.full, l.slot, l.sent_now, l.sent_before, l.full_now,
    l.full_before, l.waiting, l.waiting_bytes, l.capacity, l.capacity_bytes, l.read, l.generation)
  local life_ms = is_single_reader(name) and l.need_ms + 2 * SLACK_MS or META_MS
  call('SET', l.meta_key, packed, 'PX', life_ms)
end

local function keep(key, need_ms)
  if call('PTTL', key) < need_ms then call('PEXPIRE', key, need_ms + SLACK_MS) end
end

-- One token wakes one reader; a second token while one lies there would wake another for nothing.
local function wake(name)
  local key = base .. 'wake:' .. name
  if call('EXISTS', key) == 0 then
    call('RPUSH', key, '1')
    call('PEXPIRE', key, max(expiry_ms, 30000) + SLACK_MS)
  end
end

local function push_all(command, key, values)
  for first = 1, #values, CHUNK do
    call(command, key, unpack(values, first, math.min(first + CHUNK - 1, #values)))
  end
end

local function push_fresh()
  for name, l in pairs(lists) do
    if #l.fresh > 0 then
      push_all('RPUSH', l.key, l.fresh)
      keep(l.key, l.need_ms)
      wake(name)
      l.fresh = {}
    end
  end
end

local function save()
  push_fresh()
  for name, l in pairs(lists) do
    if l.dirty then save_meta(name, l) end
  end
  if ids_used then call('SET', base .. 'id', text(last_id)) end
  if all_sent > 0 then call('HINCRBY', base .. 'stat', 'sent', all_sent) end
  if all_full > 0 then call('HINCRBY', base .. 'stat', 'full', all_full) end
end

local function count_sent(l)
  l.sent, l.sent_now, l.dirty, all_sent = l.sent + 1, l.sent_now + 1, true, all_sent + 1
end

local function count_full(l)
  l.full, l.full_now, l.dirty, all_full = l.full + 1, l.full_now + 1, true, all_full + 1
end

local function is_full(l, more, more_bytes, capacity, capacity_bytes)
  return capacity > 0 and (l.n + l.waiting + more > capacity
    or l.bytes + l.waiting_bytes + more_bytes > capacity_bytes)
end

-- Appends one entry. ttl_ms 0: it never expires. No bound on capacity is looked at here.
local function append(list, kind, tail, order, flags, ttl_ms)
  local l = state(list)
  local expires = ttl_ms > 0 and now + ttl_ms or 0
  local entry = pack(FORMAT, next_id(), now, expires, order, 1, kind, flags) .. tail
  l.fresh[#l.fresh + 1] = entry
  l.n, l.bytes = l.n + 1, l.bytes + #entry
  l.need_ms = max(l.need_ms, ttl_ms, GONE_MS)
  count_sent(l)
end

local function delay(list, entry, due)
  local l = state(list)
  call('ZADD', base .. 'delayed', due, list .. '\0' .. entry)
  l.waiting, l.waiting_bytes, l.dirty = l.waiting + 1, l.waiting_bytes + #entry, true
  local expires = header_of(entry).expires
  keep(base .. 'delayed', max(due, expires) - now + GONE_MS)
  wake(list)
end

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
    local h, l = header_of(entry), state(list)
    h.id = next_id()
    l.fresh[#l.fresh + 1] = with_header(h, entry)
    l.n, l.bytes, l.dirty = l.n + 1, l.bytes + #entry, true
    l.waiting = max(0, l.waiting - 1)
    l.waiting_bytes = max(0, l.waiting_bytes - #entry)
    l.need_ms = max(l.need_ms, h.expires - now, GONE_MS)
    call('ZREM', base .. 'delayed', member)
  end
  push_fresh()
  return next_due()
end

-- Says to the sender of `entry` what became of it, where it asked for that.
local function send_receipt(entry, kind)
  local receipt = receipt_of(entry)
  if receipt == '' then return end
  local payload = cmsgpack.pack({kind = kind})
  append(list_of(receipt), RECEIPT, tail_of(receipt, payload), header_of(entry).order, 0, 0)
end

-- Pops up to `want` live entries from the head into `out`; expired ones are skipped and, where
-- asked for, receipted as dead. With `chains`, what is chained to the last one comes too.
local function pop(list, want, chains, out)
  local l = state(list)
  local last_flags, found = 0, 0
  local function pop_some(count)
    local entries = call('LPOP', l.key, count)
    if not entries then return false end
    for _, entry in ipairs(entries) do
      local id, _, expires, _, _, _, flags = unpack_entry(FORMAT, entry)
      l.n, l.bytes, l.dirty = l.n - 1, l.bytes - #entry, true
      last_flags = flags
      if expires > 0 and expires <= now then
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
    l.n, l.bytes, l.dirty = l.n + 1, l.bytes + #item.entry, true
    l.need_ms = max(l.need_ms, h.expires - now, GONE_MS)
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
  for _ = 1, MAX_PRUNE do
    if bytes <= MAX_DEAD_BYTES and call('LLEN', key) <= MAX_DEAD then break end
    local oldest = call('LPOP', key)
    if not oldest then break end
    bytes = call('HINCRBY', base .. 'stat', 'dead_bytes', -#oldest)
  end
  send_receipt(entry, 'dead')
end

local function leased(value)
  local list = string.match(value, '^[^%z]*')
  local entry = string.sub(value, #list + 2)
  return {list = list, entry = entry, id = header_of(entry).id}
end
