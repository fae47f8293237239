-- Reads the inbox of a process and leaves it in place: an answer lost on the way loses nothing.
--
-- [5] list; [6] acknowledged id, 0 for none; [7] how many to read; [8] random text, the epoch if there
-- is none yet; [9] the epoch that the reader knows, empty at first; [10] and [11] the capacity of the list
-- in entries and bytes.
-- Gives {epoch, ms for which the reader may wait or -1, 1 when the process was taken for dead since it
-- last read, element…}. It may wait until the next delayed entry is due, and acknowledge as it wakes;
-- not where there is more to read, or where what is given takes room that others may need. An element is an entry or a bundle; a bundle that is acknowledged in
-- part comes again, and so may a little more come than was asked for. The epoch is another one when
-- data was lost, all or the last second's, or when this inbox was unread for so long that entries may
-- be lost.

local SIGN_MS = 1000         -- between two signs of life that the registry hears of
local READ_BYTES = 1048576   -- of one batch: the reader handles it as one
local OWN_SHARE = 8          -- of its capacity a list may hold one such part that is not acknowledged
local PART, MAX_PARTS = 32, 100
local AHEAD_US = 3600000000  -- an id so far ahead of all others was given by no function

-- As `measure`, but what has an id that cannot be is no entry.
local function seen(element)
  local id, expires, number, bytes = measure(element)
  if id and id > max(stored_id, now_us) + AHEAD_US then return nil end
  return id, expires, number, bytes
end

local function take_off(l, elements, bytes, extra)
  l.elements, l.bytes, l.extra = l.elements - elements, l.bytes - bytes, max(0, l.extra - extra)
  l.n = l.elements + l.extra
end

-- What was given last, and nothing else since, stands at the head.
local function acknowledge(l, acknowledged)
  if l.given > 0 and l.given_id == acknowledged then
    call('LTRIM', l.key, l.given, -1)
    return take_off(l, l.given, l.given_bytes, l.given_extra)
  end
  for _ = 1, MAX_CHAIN do
    local element = call('LINDEX', l.key, 0)
    if not element then return end
    local id, _, number, bytes = seen(element)
    if id and id > acknowledged then return end
    call('LPOP', l.key)
    take_off(l, 1, bytes or #element, id and number - 1 or 0)
  end
end

-- What is expired at the head is of no use to anybody; what is no entry was not put there by this
-- layer.
local function remove(l, element, id, number, bytes)
  if call('LREM', l.key, 1, element) == 1 then
    take_off(l, 1, bytes or #element, id and number - 1 or 0)
  end
  if not id then call('HINCRBY', base .. 'stat', 'unreadable', 1) end
end

-- Reads until the batch has `count` entries or READ_BYTES, but one element at least; what expired
-- behind the head the reader skips.
local function read(l, count)
  local live, entries, size, last, is_over = {}, 0, 0, 0, false
  -- What is looked at and not given costs as much as what is given.
  local part = min(PART, floor(READ_BYTES * l.elements / max(l.bytes, 1)) + 1)
  for _ = 1, MAX_PARTS do
    local want = min(part, count - entries)
    if want <= 0 or is_over then break end
    local elements = call('LRANGE', l.key, #live, #live + want - 1)
    for i = 1, #elements do
      local element = elements[i]
      local id, expires, number, bytes = seen(element)
      if not id or #live == 0 and expires > 0 and expires <= now then
        remove(l, element, id, number, bytes)
      elseif #live > 0 and (size + bytes > READ_BYTES or entries + number > count) then
        is_over = true
        break
      else
        live[#live + 1], last, entries, size = element, id, entries + number, size + bytes
      end
    end
    if #elements < want then break end
  end
  l.given_id, l.given, l.given_bytes, l.given_extra = last, #live, size, entries - #live
  return live
end

-- The epoch as the inbox's reader is told it, and 1 where it is told that it was taken for dead.
local function epoch_of(l, is_behind, marked)
  local list, fresh, known = args[5], args[8], args[9]
  local mark = base .. 'reaped:' .. list
  if l.generation == 0 or is_behind or now - l.read > gone_ms then l.generation = next_id() end
  local epoch = layer_epoch(fresh) .. '.' .. text(l.generation)
  if marked then call('SET', mark, epoch, 'PX', DAY_MS) end
  -- Said until the reader knows this epoch: the answer may be lost on its way.
  return epoch, known ~= epoch and call('GET', mark) == epoch and 1 or 0
end

function functions.inbox()
  local list, acknowledged, count, fresh = args[5], args[6], args[7], args[8]
  local l = state(list)
  -- reap.lua sets the generation back, so its mark need not be looked for each time.
  local marked = l.generation == 0 and call('GET', base .. 'reaped:' .. list)
  if marked == 'retired' then return {layer_epoch(fresh), -1, 0} end
  -- An id behind the last one that is known was given by a broker that lost its last second. With a
  -- clock that lost time too, new entries would look like acknowledged ones: ids go on from there.
  local is_behind = acknowledged > stored_id
  if is_behind then last_id = max(acknowledged, last_id) end
  move_due()
  if acknowledged > 0 then acknowledge(l, acknowledged) end
  local elements = read(l, count)
  if l.elements <= 0 then l.n, l.elements, l.bytes, l.extra, l.given = 0, 0, 0, 0, 0 end
  local is_more = l.elements > #elements
  local takes_room = l.n * OWN_SHARE > args[10] or l.bytes * OWN_SHARE > args[11]
  if is_more then wake(list) else call('DEL', base .. 'wake:' .. list) end
  local epoch, is_reaped = epoch_of(l, is_behind, marked)
  -- A sign of life; between two of them the time of the last reading is one.
  if now - l.read > SIGN_MS then call('ZADD', base .. 'servers', now, list) end
  l.read, l.dirty = now, true
  save()
  return {epoch, (is_more or takes_room) and 0 or due_ms(), is_reaped, unpack(elements)}
end
