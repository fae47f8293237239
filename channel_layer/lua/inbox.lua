-- Reads the inbox of a process and leaves it in place: an answer lost on the way loses nothing.
--
-- [5] list; [6] acknowledged id, 0 for none; [7] and [8] how many entries and bytes the batch that
-- ends with this id had; [9] how many to read; [10] random text, the epoch if there is none yet.
-- Gives {epoch, ms until the next delayed entry is due or -1, entry…}. The epoch is another one
-- when data was lost, all or the last second's, or when this inbox was unread for so long that
-- entries may be lost.

local list, acknowledged, batch_n, batch_bytes, count = args[5], args[6], args[7], args[8], args[9]

local function id_at(key, index)
  local entry = call('LINDEX', key, index)
  return entry and header_of(entry).id or nil
end

local function acknowledge(l)
  if batch_n > 0 and batch_n <= l.n and id_at(l.key, batch_n - 1) == acknowledged then
    call('LTRIM', l.key, batch_n, -1)
    l.n, l.bytes, l.dirty = l.n - batch_n, l.bytes - batch_bytes, true
  else
    for _ = 1, MAX_CHAIN do
      local entry = call('LINDEX', l.key, 0)
      if not entry or header_of(entry).id > acknowledged then break end
      call('LPOP', l.key)
      l.n, l.bytes, l.dirty = l.n - 1, l.bytes - #entry, true
    end
  end
  if l.n <= 0 then l.n, l.bytes = 0, 0 end
end

-- Expired entries at the head are of no use to anybody; those further behind the reader skips.
local function read(l)
  local entries = call('LRANGE', l.key, 0, count - 1)
  local live = {}
  for _, entry in ipairs(entries) do
    local _, _, expires = unpack_entry(FORMAT, entry)
    if expires == 0 or expires > now then
      live[#live + 1] = entry
    elseif #live == 0 then
      call('LPOP', l.key)
      l.n, l.bytes, l.dirty = l.n - 1, l.bytes - #entry, true
    else
      live[#live + 1] = entry
    end
  end
  if l.n <= 0 then l.n, l.bytes = 0, 0 end
  return live
end

local due_ms = move_due()
local l = state(list)
if acknowledged > 0 then acknowledge(l) end
local entries = read(l)
if l.n > count then wake(list) else call('DEL', base .. 'wake:' .. list) end

local epoch = call('GET', base .. 'epoch')
if not epoch then
  epoch = args[10]
  call('SET', base .. 'epoch', epoch)
end
-- An id behind the last one that is known was given by a broker that lost its last second.
local is_behind = acknowledged > tonumber(call('GET', base .. 'id') or 0)
if l.generation == 0 or is_behind or now - l.read > GONE_MS then l.generation = next_id() end
l.read, l.dirty = now, true
save()
return {epoch .. '.' .. text(l.generation), due_ms or -1, unpack(entries)}
