-- Reads the inbox of a process and leaves it in place: an answer lost on the way loses nothing.
--
-- [5] list; [6] acknowledged id, 0 for none; [7] and [8] how many entries and bytes the batch that
-- ends with this id had; [9] how many to read; [10] random text, the epoch if there is none yet;
-- [11] the epoch that the reader knows, empty at first.
-- Gives {epoch, ms until the next delayed entry is due or -1, 1 when the process was taken for dead
-- since it last read, entry…}. The epoch is another one when data was lost, all or the last
-- second's, or when this inbox was unread for so long that entries may be lost.

local list, acknowledged, batch_n, batch_bytes, count = args[5], args[6], args[7], args[8], args[9]

local SIGN_MS = 1000         -- between two signs of life that the registry hears of
local READ_BYTES = 1048576   -- of one batch: the reader handles it as one
local PART, MAX_PARTS = 32, 100
local ID_AND_EXPIRES = '>I8I8I8'  -- the first parts of an entry
local AHEAD_US = 3600000000  -- an id so far ahead of all others was given by no script

local stored_id = tonumber(call('GET', base .. 'id') or 0)
local last_known = max(stored_id, now_us) + AHEAD_US

-- The id of an entry and when it expires; nil for what is none.
local function id_of(entry)
  if not entry or not is_entry(entry) then return nil end
  local id, _, expires = unpack_entry(ID_AND_EXPIRES, entry)
  if id > last_known then return nil end
  return id, expires
end

local function id_at(key, index) return (id_of(call('LINDEX', key, index))) end

local function acknowledge(l)
  if batch_n > 0 and batch_n <= l.n and id_at(l.key, batch_n - 1) == acknowledged then
    call('LTRIM', l.key, batch_n, -1)
    l.n, l.bytes, l.dirty = l.n - batch_n, l.bytes - batch_bytes, true
  else
    for _ = 1, MAX_CHAIN do
      local entry = call('LINDEX', l.key, 0)
      local id = id_of(entry)
      if not entry or id and id > acknowledged then break end
      call('LPOP', l.key)
      l.n, l.bytes, l.dirty = l.n - 1, l.bytes - #entry, true
    end
  end
  if l.n <= 0 then l.n, l.bytes = 0, 0 end
end

-- Reads until the batch has `count` entries or READ_BYTES, but one at least. Expired ones at the head
-- are of no use to anybody; those further behind the reader skips. What is no entry
-- was not put there by this layer.
local function read(l)
  local live, size = {}, 0
  -- What is looked at and not given costs as much as what is given.
  local part = math.min(PART, floor(READ_BYTES * l.n / max(l.bytes, 1)) + 1)
  for _ = 1, MAX_PARTS do
    local want = math.min(part, count - #live)
    local entries = want > 0 and call('LRANGE', l.key, #live, #live + want - 1) or {}
    for _, entry in ipairs(entries) do
      local id, expires = id_of(entry)
      if not id or #live == 0 and expires > 0 and expires <= now then
        if call('LREM', l.key, 1, entry) == 1 then l.n = l.n - 1 end
        l.bytes, l.dirty = l.bytes - #entry, true
        if not id then call('HINCRBY', base .. 'stat', 'unreadable', 1) end
      elseif #live > 0 and size + #entry > READ_BYTES then
        return live
      else
        live[#live + 1], size = entry, size + #entry
      end
    end
    if #entries < want or want == 0 then return live end
  end
  return live
end

local l = state(list)
local mark = base .. 'reaped:' .. list
-- reap.lua sets the generation back, so its mark need not be looked for each time.
local is_new = l.generation == 0
local marked = is_new and call('GET', mark)
if marked == 'retired' then return {layer_epoch(args[10]), -1, 0} end
-- An id behind the last one that is known was given by a broker that lost its last second. With a
-- clock that lost time too, new entries would look like acknowledged ones: ids go on from there.
local is_behind = acknowledged > stored_id
if is_behind then last_id = max(acknowledged, now_us) end
local due_ms = move_due()
if acknowledged > 0 then acknowledge(l) end
local entries = read(l)
if l.n <= 0 then l.n, l.bytes = 0, 0 end
if l.n > #entries then wake(list) else call('DEL', base .. 'wake:' .. list) end

if is_new or is_behind or now - l.read > GONE_MS then l.generation = next_id() end
local epoch = layer_epoch(args[10]) .. '.' .. text(l.generation)
if marked then call('SET', mark, epoch, 'PX', DAY_MS) end
-- Said until the reader knows this epoch: the answer may be lost on its way.
local is_reaped = args[11] ~= epoch and call('GET', mark) == epoch and 1 or 0
-- A sign of life; between two of them the time of the last reading is one.
if now - l.read > SIGN_MS then call('ZADD', base .. 'servers', now, list) end
l.read, l.dirty = now, true
save()
return {epoch, due_ms or -1, is_reaped, unpack(entries)}
