-- What every function of the library stands on: its arguments, the time, and lists as one call sees them.
--
-- keys[1]  '{prefix}:', which all keys begin with. Keys are made from it, so all lie in one slot.
-- argv[1]  msgpack array: [1] expiry ms, [2] group expiry ms, [3] and [4] the usual capacity of a
--          list in entries and bytes, [5…] the function's own, told at its head.
-- argv[2…] operations and entries, which would be copied once more within that array.
--
-- Keys: redis_keys.py tells name, type and life of each. A function changes `lists` in Lua and writes
-- all changes with `save()`, once, at its end. The library is loaded once and its locals live on, so
-- `begin` sets all that belongs to one call. While it is loaded Lua's own libraries are not there.

local call, pack, unpack_entry, floor, max, min, byte, sub, match
local base, args, argv, expiry_ms, group_expiry_ms, usual_entries, usual_bytes
local now_us, now, slot_now, gone_ms
local stored_id, last_id, id_before, all_sent, all_full, due_at, totals_changed
local lists, on_list, found_out

local MESSAGE, GROUP, JOIN, LEAVE, RECEIPT, GROUP_MORE, REPLAY, BUNDLE = 0, 1, 2, 3, 4, 5, 6, 7
local HEADER = 36            -- bytes in front of the channel's name
local STAMP = 24             -- those of them that a function writes: id, time of sending, of death
local CHUNK = 500            -- arguments of one call; Lua's unpack ends at about 8,000
local SLACK_MS = 60000       -- a key outlives its entries, so its life need not be renewed each time
local SLOT_MS = 10000        -- window of the per-second figures, see figures.py
local MAX_CHAIN = 1000
local DAY_MS = 86400000
-- Over all lists: the last id, entries sent and refused, when the next delayed one is due (0: none).
local TOTALS = '>dddd'
-- meta:L is these numbers in this order: bytes, sent, full, slot, sent_now, sent_before, full_now,
-- full_before, waiting, waiting_bytes, capacity, capacity_bytes, read, generation, extra, elements,
-- given_id, given, given_bytes, given_extra.
local META = '>dddddddddddddddddddd'
local META_BYTES = 160

local function begin(keys, arguments)
  call, pack, unpack_entry = redis.call, struct.pack, struct.unpack
  floor, max, min, byte, sub, match = math.floor, math.max, math.min, string.byte, string.sub,
    string.match
  base, argv, args = keys[1], arguments, cmsgpack.unpack(arguments[1])
  expiry_ms, group_expiry_ms, usual_entries, usual_bytes = args[1], args[2], args[3], args[4]
  local time = call('TIME')
  now_us = time[1] * 1000000 + time[2]
  now = floor(now_us / 1000)
  slot_now = floor(now / SLOT_MS)
  gone_ms = max(expiry_ms, 30000)  -- an inbox unread for longer has lost entries
  stored_id, all_sent, all_full, due_at, totals_changed = 0, 0, 0, 0, false
  local totals = call('GET', base .. 'totals')
  if totals then stored_id, all_sent, all_full, due_at = unpack_entry(TOTALS, totals) end
  -- Ids grow also when the broker lost data, all or the last second's: they are no less than the
  -- microseconds of today.
  last_id = max(stored_id, now_us)
  id_before = last_id
  lists, on_list, found_out = {}, {}, {}
end

-- What a call gives, after letting go what it knew.
local function ended(given)
  argv, args, lists, on_list, found_out = nil, nil, nil, nil, nil
  return given
end

-- By their names; what the broker is told of stands in lua_scripts.py.
local functions = {}

-- The marks of channel_names.py: what follows '!' is a client of the process that owns the list.
local function list_of(channel) return match(channel, '^[^!]*!') or channel end
local function is_inbox(list) return sub(list, -1) == '!' end

-- A whole number in full; in two parts, since '%d' may have 32 bits and '%.0f' costs twice as
-- much.
local function text(number)
  if number < 10000000 then return string.format('%d', number) end
  local low = number % 10000000
  return string.format('%d%07d', (number - low) / 10000000, low)
end

local function next_id()
  last_id = last_id + 1
  return last_id
end

-- How long until the next delayed entry is due; -1 when there is none.
local function due_ms() return due_at > 0 and max(0, due_at - now) or -1 end

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

-- One list as this call sees it: n entries and bytes, `fresh` ones not yet pushed among them. A
-- bundle is one element of the list and counts as the entries in it: `extra` are those beyond one.
-- What was given to the reader last stands at the list's head still, unless it has another number
-- of elements than when that was written.
local function state(name)
  local l = lists[name]
  if l then return l end
  local meta = look('GET', 'meta:', name)
  -- Another length is another version's.
  if not meta or #meta ~= META_BYTES then meta = string.rep('\0', META_BYTES) end
  local bytes, sent, full, slot, sent_now, sent_before, full_now, full_before, waiting,
    waiting_bytes, capacity, capacity_bytes, read, generation, extra, elements, given_id, given,
    given_bytes, given_extra = unpack_entry(META, meta)
  local there = look('LLEN', 'list:', name) or 0
  if there == 0 then bytes, extra = 0, 0 end
  if there ~= elements then given = 0 end
  if slot ~= slot_now then
    local is_next = slot == slot_now - 1
    sent_before, full_before = is_next and sent_now or 0, is_next and full_now or 0
    sent_now, full_now = 0, 0
  end
  l = {name = name, key = base .. 'list:' .. name, fresh = {}, need_ms = gone_ms, n = there + extra,
    elements = there, extra = extra, bytes = bytes, sent = sent, full = full, sent_now = sent_now,
    sent_before = sent_before, full_now = full_now, full_before = full_before, waiting = waiting,
    waiting_bytes = waiting_bytes, capacity = capacity, capacity_bytes = capacity_bytes,
    read = read, generation = generation, given_id = given_id, given = given,
    given_bytes = given_bytes, given_extra = given_extra}
  lists[name] = l
  return l
end

local function keep(key, need_ms)
  if call('PTTL', key) < need_ms then call('PEXPIRE', key, need_ms + SLACK_MS) end
end

-- One token wakes one reader; a second token while one lies there would wake another for nothing.
local function wake(name)
  local key = base .. 'wake:' .. name
  if call('EXISTS', key) == 0 then
    call('RPUSH', key, '1')
    call('PEXPIRE', key, gone_ms + SLACK_MS)
  end
end

local function push_all(command, key, values)
  for first = 1, #values, CHUNK do
    call(command, key, unpack(values, first, min(first + CHUNK - 1, #values)))
  end
end

local function push_fresh()
  for name, l in pairs(lists) do
    if l.fresh[1] then
      push_all('RPUSH', l.key, l.fresh)
      -- The key of a list that was empty is a new one.
      if l.elements > #l.fresh then
        keep(l.key, l.need_ms)
      else
        call('PEXPIRE', l.key, l.need_ms + SLACK_MS)
      end
      wake(name)
      l.fresh = {}
    end
  end
end

local function save_meta(name, l)
  local packed = pack(META, l.bytes, l.sent, l.full, slot_now, l.sent_now, l.sent_before,
    l.full_now, l.full_before, l.waiting, l.waiting_bytes, l.capacity, l.capacity_bytes, l.read,
    l.generation, l.extra, l.elements, l.given_id, l.given, l.given_bytes, l.given_extra)
  local is_single_reader = string.find(name, '?', 1, true)
  local life_ms = is_single_reader and l.need_ms + 2 * SLACK_MS or max(group_expiry_ms, DAY_MS)
  call('SET', base .. 'meta:' .. name, packed, 'PX', life_ms)
end

local function save()
  push_fresh()
  for name, l in pairs(lists) do
    if l.dirty then save_meta(name, l) end
  end
  if last_id > id_before or totals_changed then
    local id = last_id > id_before and last_id or stored_id
    call('SET', base .. 'totals', pack(TOTALS, id, all_sent, all_full, due_at))
  end
end

local function is_full(l, more, more_bytes, capacity, capacity_bytes)
  return capacity > 0 and (l.n + l.waiting + more > capacity
    or l.bytes + l.waiting_bytes + more_bytes > capacity_bytes)
end

local function count_sent(l, number)
  l.sent, l.sent_now, l.dirty = l.sent + number, l.sent_now + number, true
  all_sent, totals_changed = all_sent + number, true
end

-- Its reader may make room, by acknowledging what it was given.
local function count_full(l)
  if l.given > 0 then wake(l.name) end
  l.full, l.full_now, l.dirty = l.full + 1, l.full_now + 1, true
  all_full, totals_changed = all_full + 1, true
end

-- Appends an entry that lacks only its stamp. ttl_ms 0: it never expires. No bound on capacity is
-- looked at here.
local function put(l, unstamped, ttl_ms)
  local expires = ttl_ms > 0 and now + ttl_ms or 0
  l.fresh[#l.fresh + 1] = pack('>I8I8I8', next_id(), now, expires) .. unstamped
  l.n, l.elements, l.bytes = l.n + 1, l.elements + 1, l.bytes + STAMP + #unstamped
  if ttl_ms > l.need_ms then l.need_ms = ttl_ms end
  count_sent(l, 1)
end
