-- What every script stands on; it is put in front of each one when it is loaded.
--
-- KEYS[1]  '{prefix}:', which all keys begin with. Keys are made from it, so all lie in one slot.
-- ARGV[1]  msgpack array: [1] expiry ms, [2] group expiry ms, [3] and [4] the usual capacity of a
--          list in entries and bytes, [5…] the script's own, told at its head.
--
-- Keys: redis_keys.py tells name, type and life of each. A script changes `lists` in Lua and writes
-- all changes with `save()`, once, at its end.

local call, pack, unpack_entry = redis.call, struct.pack, struct.unpack
local floor, max, byte = math.floor, math.max, string.byte
local base = KEYS[1]
local args = cmsgpack.unpack(ARGV[1])
local expiry_ms, group_expiry_ms, usual_entries, usual_bytes = args[1], args[2], args[3], args[4]
local time = call('TIME')
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now = floor(now_us / 1000)

local MESSAGE, GROUP, JOIN, LEAVE, RECEIPT, GROUP_MORE, REPLAY = 0, 1, 2, 3, 4, 5, 6
local HEADER, FORMAT = 36, '>I8I8I8I8I2I1I1'
local CHUNK = 500            -- arguments of one call; Lua's unpack ends at about 8,000
local SLACK_MS = 60000       -- a key outlives its entries, so its life need not be renewed each time
local GONE_MS = max(expiry_ms, 30000)  -- an inbox unread for longer has lost entries
local META_MS = max(group_expiry_ms, 86400000)
local SLOT_MS = 10000        -- window of the per-second figures, see figures.py
local MAX_CHAIN = 1000
local MAX_PRUNE = 100
-- meta:L is these numbers in this order: bytes, sent, full, slot, sent_now, sent_before, full_now,
-- full_before, waiting, waiting_bytes, capacity, capacity_bytes, read, generation.
local META = '>' .. string.rep('d', 14)
local NO_META = string.rep('\0', 14 * 8)
local DAY_MS = 86400000

-- The marks of channel_names.py: what follows '!' is a client of the process that owns the list.
local function list_of(channel) return string.match(channel, '^[^!]*!') or channel end
local function is_inbox(list) return string.sub(list, -1) == '!' end
local function is_single_reader(list) return string.find(list, '?', 1, true) ~= nil end

-- A whole number in full; in two parts, since '%d' may have 32 bits and '%.0f' costs twice as
-- much.
local function text(number)
  if number < 10000000 then return string.format('%d', number) end
  local low = number % 10000000
  return string.format('%d%07d', (number - low) / 10000000, low)
end
local function tail_of(channel, payload) return string.char(#channel) .. channel .. '\0' .. payload end

-- Ids grow also when the broker lost data, all or the last second's: they are no less than the
-- microseconds of today.
local last_id, ids_used = nil, false
local function next_id()
  if not last_id then last_id = max(tonumber(call('GET', base .. 'id') or 0), now_us) end
  last_id, ids_used = last_id + 1, true
  return last_id
end

-- Whether these bytes have the parts of an entry; all that our scripts write have.
local function is_entry(bytes)
  local size = #bytes
  if size < HEADER + 2 or byte(bytes, HEADER - 1) > REPLAY then return false end
  local at = HEADER + 2 + byte(bytes, HEADER + 1)
  return at <= size and at + byte(bytes, at) <= size
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

-- The text that changes when something may have been lost; hello.lua sets it, a flush forgets it.
local function layer_epoch(fresh)
  local epoch = call('GET', base .. 'epoch')
  if not epoch then
    epoch = fresh or text(next_id())
    call('SET', base .. 'epoch', epoch)
  end
  return epoch
end

-- Since when this life of the broker has been there: whoever gave no sign of life before could not.
local function up_since() return tonumber(call('GET', base .. 'up_since') or 0) end

local SLOT = floor(now / SLOT_MS)

local function turn_window(l)
  if l.slot == SLOT then return end
  local next_door = l.slot == SLOT - 1
  l.sent_before = next_door and l.sent_now or 0
  l.full_before = next_door and l.full_now or 0
  l.sent_now, l.full_now, l.slot = 0, 0, SLOT
end

-- What a key of a list says. One of another type was not made by this layer: it is set aside for a
-- day, so that it stops nobody, as if there had been none.
local function look(command, kind, name)
  local found = redis.pcall(command, base .. kind .. name)
  if type(found) ~= 'table' then return found end
  local aside = base .. 'broken:' .. kind .. name
  call('RENAME', base .. kind .. name, aside)
  call('PEXPIRE', aside, DAY_MS)
  call('HINCRBY', base .. 'stat', 'broken', 1)
  redis.log(redis.LOG_WARNING, 'set aside as ' .. aside .. ': ' .. found.err)
  return nil
end

local lists = {}
local all_sent, all_full = 0, 0

-- One list as this call sees it: n entries and bytes, `fresh` ones not yet pushed among them.
local function state(name)
  local l = lists[name]
  if l then return l end
  local key, meta_key = base .. 'list:' .. name, base .. 'meta:' .. name
  local meta = look('GET', 'meta:', name)
  -- Another length is another version's.
  if not meta or #meta ~= #NO_META then meta = NO_META end
  local bytes, sent, full, slot, sent_now, sent_before, full_now, full_before, waiting,
    waiting_bytes, capacity, capacity_bytes, read, generation = unpack_entry(META, meta)
  local n = look('LLEN', 'list:', name) or 0
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
local function append(list, kind, tail, order, flags, ttl_ms, attempt)
  local l = state(list)
  local expires = ttl_ms > 0 and now + ttl_ms or 0
  local entry = pack(FORMAT, next_id(), now, expires, order, attempt or 1, kind, flags) .. tail
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

-- Says to the sender of `entry` what became of it, where it asked for that.
local function send_receipt(entry, kind)
  local receipt = receipt_of(entry)
  if receipt == '' then return end
  local payload = cmsgpack.pack({kind = kind})
  append(list_of(receipt), RECEIPT, tail_of(receipt, payload), header_of(entry).order, 0, 0)
end
