-- What groups keep of their messages.
--
-- log:G holds the messages, each behind the time it dies (8 bytes), oldest first; logmeta:G holds
-- the offset of the last one, their bytes, and the log's epoch.

local remember, replay, framed

do  -- the rest is seen here only: Lua has room for 200 locals
local MAX_LOG_BYTES = 8388608 -- of one log, and of a list that anybody is replayed something on
local OVERHEAD = 64           -- of each message in those: also empty ones take room
local REPLAY_BYTES = 1048576  -- of one REPLAY entry, and about that of a whole replay
local MAX_REPLAYED = 65535    -- messages in one, which are counted in 2 bytes
local CALL_BYTES = 4194304    -- of what one call replays to all: others wait for some 50 ms
local MAX_TRIMMED = 10000     -- messages taken away by one call
local GAP, END = 1, 2

-- How much this call may still replay.
local function bytes_left() return found_out.bytes_left or CALL_BYTES end
local function spend(bytes) found_out.bytes_left = bytes_left() - bytes end

local function name(of) return string.char(#of) .. of end
local function expires_of(item) return unpack_entry('>I8', item) end

-- The log of a group, begun anew where there is none of this epoch.
local function open_log(group)
  local log = {key = base .. 'log:' .. group, meta_key = base .. 'logmeta:' .. group}
  local meta, epoch = call('GET', log.meta_key), layer_epoch() .. '.'
  if meta then
    local offset, bytes = unpack_entry('>dd', meta)
    log.offset, log.bytes, log.epoch = offset, bytes, string.sub(meta, 17)
  end
  if meta and string.sub(log.epoch, 1, #epoch) == epoch then
    log.n = call('LLEN', log.key)
    if log.n == 0 then log.bytes = 0 end
    return log
  end
  call('UNLINK', log.key)
  log.epoch, log.offset, log.bytes, log.n = epoch .. text(next_id()), 0, 0, 0
  return log
end

local function save_log(log)
  local meta = pack('>dd', log.offset, log.bytes) .. log.epoch
  call('SET', log.meta_key, meta, 'PX', group_expiry_ms + SLACK_MS)
end

local function trim(log, messages)
  for _ = 1, MAX_TRIMMED do
    local is_over = log.n > messages or log.bytes > MAX_LOG_BYTES
    local oldest = call('LINDEX', log.key, 0)
    if not oldest or not is_over and expires_of(oldest) > now then return end
    call('LPOP', log.key)
    log.n, log.bytes = log.n - 1, log.bytes - #oldest + 8 - OVERHEAD
  end
end

-- Keeps one more message and gives the log, whose offset then is the message's.
function remember(group, payload, messages, ttl_ms)
  local log = open_log(group)
  log.n = call('RPUSH', log.key, pack('>I8', now + ttl_ms) .. payload)
  log.offset, log.bytes = log.offset + 1, log.bytes + #payload + OVERHEAD
  trim(log, messages)
  keep(log.key, ttl_ms)
  save_log(log)
  return log
end

-- How many messages are behind an offset, nil when not all of them are there any more.
local function number_since(log, epoch, offset)
  local number = log.offset - offset
  if epoch ~= log.epoch or number < 0 or number > log.n then return nil end
  return number
end

-- Whether so many of the last messages may be replayed to a list, before any of them is read.
local function has_room(log, number, list)
  local bytes, l = floor(log.bytes * number / log.n), state(list)
  if number > 1 and bytes > REPLAY_BYTES then return false end
  if bytes > bytes_left() then return false end
  local is_room = l.bytes + bytes <= MAX_LOG_BYTES and not is_full(l, 1, bytes, bounds_of_group(l))
  if is_inbox(list) and not is_room then
    count_full(l)
    return false
  end
  spend(bytes)
  return true
end

-- The messages behind an offset; nil when that is a gap.
local function missed_since(log, epoch, offset, list)
  local number = number_since(log, epoch, offset)
  if number == 0 then return {} end
  if not number or not has_room(log, number, list) then return nil end
  local missed = call('LRANGE', log.key, -number, -1)
  for i, item in ipairs(missed) do
    -- The last ones may be larger than most.
    if #item > REPLAY_BYTES / 16 then spend(#item) end
    if expires_of(item) <= now then return nil end
    missed[i] = string.sub(item, 9)
  end
  return missed
end

-- The payloads of REPLAY entries with these messages, the last of which has offset log.offset.
local function replays(group, log, missed)
  local head = name(group) .. name(log.epoch)
  local flags, found, parts, size = missed and 0 or GAP, {}, {}, 0
  local first = log.offset - #(missed or {}) + 1
  local function finish(more_flags)
    local at = #parts > 0 and first or 0
    found[#found + 1] = head .. pack('>I8I1I8I2', log.offset, flags + more_flags, at, #parts)
      .. table.concat(parts)
    first, parts, size = first + #parts, {}, 0
  end
  for _, message in ipairs(missed or {}) do
    local part = pack('>I4', #message) .. message
    if #parts == MAX_REPLAYED or #parts > 0 and size + #part > REPLAY_BYTES then finish(0) end
    parts[#parts + 1], size = part, size + #part
  end
  finish(END)
  return found
end

-- Tells an inbox what its channel missed. What finds no room there is a gap.
local function tell_inbox(list, group, channel, log, missed)
  local payloads, l, size = replays(group, log, missed), state(list), 0
  for _, payload in ipairs(payloads) do size = size + HEADER + 2 + #channel + #payload end
  if missed and #missed > 0 and is_full(l, #payloads, size, bounds_of_group(l)) then
    count_full(l)
    payloads = replays(group, log, nil)
  end
  for _, payload in ipairs(payloads) do
    append(list, REPLAY, tail_of(channel, payload), 0, 0)
  end
end

-- Sends `channel` what it missed of a group since a position; the empty epoch misses nothing.
function replay(group, channel, epoch, offset)
  local log, list = open_log(group), list_of(channel)
  save_log(log)
  local missed = {}
  if epoch ~= '' then missed = missed_since(log, epoch, offset, list) end
  if is_inbox(list) then return tell_inbox(list, group, channel, log, missed) end
  local l = state(list)
  for _, message in ipairs(missed or {}) do
    local tail = tail_of(channel, message)
    if is_full(l, 1, HEADER + #tail, bounds_of_group(l)) then
      count_full(l)
    else
      append(list, MESSAGE, tail, 0, expiry_ms)
    end
  end
end

-- The payload of a GROUP_MORE entry; `log` or `excluded` may be nil.
function framed(payload, log, excluded)
  local names = {}
  for i, channel in ipairs(excluded or {}) do names[i] = name(channel) end
  return name(log and log.epoch or '') .. pack('>I8I2', log and log.offset or 0, #names)
    .. table.concat(names) .. payload
end
end
