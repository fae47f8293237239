-- The operations of layer.py, each as an array whose first item says which; put behind common.lua
-- in the scripts that perform them. A capacity of 0 means: no bound.
--
--   {1, list, tail, order, flags, ttl ms, delay ms, capacity, capacity bytes}   Send
--   {2, group, payload}                                                         SendGroup
--   {3, group, channel, capacity, capacity bytes of its list, 0 for the usual,
--    1 when the owner of the list knows already}                                Join
--   {4, group, channel}                                                         Leave
--   {5, list, tail, order}                                                      SendReceipt
--   {6, list}                                                                   Drop
--   {7, list, tail}                                    Send with all else as usual: most replies
--
-- Each gives a number: group entries that were not placed, so 0 where all went well; or the name
-- of the full channel.

local function channel_of(tail) return string.sub(tail, 2, 1 + string.byte(tail)) end

local function is_send(op) return op[1] == 1 or op[1] == 7 end

-- The bounds that a send heeds, in entries and bytes; 0 for none.
local function bounds_of(op)
  if op[1] == 7 then return usual_entries, usual_bytes end
  return op[8], op[9]
end

-- Whether a send heeds the bounds of its list; it need not where that was looked at before.
local heeds_bounds = true

local function send(op)
  local list, tail = op[2], op[3]
  local order, flags, ttl_ms, delay_ms = op[4] or 0, op[5] or 0, op[6] or expiry_ms, op[7] or 0
  local l = state(list)
  if heeds_bounds and is_full(l, 1, HEADER + #tail, bounds_of(op)) then
    count_full(l)
    return channel_of(tail)
  end
  if delay_ms > 0 then
    local expires = now + delay_ms + ttl_ms
    local entry = pack(FORMAT, next_id(), now, expires, order, 1, MESSAGE, flags) .. tail
    delay(list, entry, now + delay_ms)
    count_sent(l)
  else
    append(list, MESSAGE, tail, order, flags, ttl_ms)
  end
  return 0
end

local function members_key(group, list) return base .. 'members:' .. group .. ':' .. list end
local function servers_key(group) return base .. 'servers:' .. group end

local function forget_member(group, channel)
  local list = list_of(channel)
  local members = members_key(group, list)
  if call('ZREM', members, channel) == 0 then return end
  if call('EXISTS', members) == 0 then call('ZREM', servers_key(group), list) end
  if is_inbox(list) then append(list, LEAVE, tail_of(channel, group), 0, 0, 0) end
end

local function forget_old_members(group, list)
  local old = call('ZRANGEBYSCORE', members_key(group, list), '-inf',
    '(' .. text(now - group_expiry_ms), 'LIMIT', 0, MAX_PRUNE)
  for _, channel in ipairs(old) do forget_member(group, channel) end
  return #old
end

-- An inbox that nobody read for so long belongs to a process that is gone: its members are too.
-- Should it come back, inbox.lua gives it another epoch, and it joins its members again.
local function is_gone(l) return l.read > 0 and now - l.read > GONE_MS end

local function forget_server(group, list)
  call('UNLINK', members_key(group, list))
  call('ZREM', servers_key(group), list)
end

local function send_group_to(group, list, payload)
  local l, inbox = state(list), is_inbox(list)
  local tail = tail_of(inbox and group or list, payload)
  local capacity, capacity_bytes = usual_entries, usual_bytes
  if l.capacity > 0 then capacity, capacity_bytes = l.capacity, l.capacity_bytes end
  local gone = is_gone(l)
  if gone then forget_server(group, list) end
  if gone or is_full(l, 1, HEADER + #tail, capacity, capacity_bytes) then
    count_full(l)
    return 1
  end
  append(list, inbox and GROUP or MESSAGE, tail, 0, 0, expiry_ms)
  return 0
end

local function send_group(op)
  local group, dropped = op[2], 0
  for _, list in ipairs(call('ZRANGE', servers_key(group), 0, -1)) do
    local forgotten = forget_old_members(group, list)
    if forgotten == 0 or call('EXISTS', members_key(group, list)) == 1 then
      dropped = dropped + send_group_to(group, list, op[3])
    end
  end
  return dropped
end

local function join(op)
  local group, channel = op[2], op[3]
  local list = list_of(channel)
  local members, servers = members_key(group, list), servers_key(group)
  call('ZADD', members, now, channel)
  call('ZADD', servers, now, list)
  keep(members, group_expiry_ms)
  keep(servers, group_expiry_ms)
  if op[4] > 0 then
    local l = state(list)
    l.capacity, l.capacity_bytes, l.dirty = op[4], op[5], true
  end
  if is_inbox(list) and op[6] ~= 1 then append(list, JOIN, tail_of(channel, group), 0, 0, 0) end
  return 0
end

local function drop(list)
  call('DEL', base .. 'list:' .. list, base .. 'meta:' .. list, base .. 'wake:' .. list)
  lists[list] = nil
  return 0
end

local function perform(op)
  local code = op[1]
  if code == 7 or code == 1 then return send(op) end
  if code == 2 then return send_group(op) end
  if code == 3 then return join(op) end
  if code == 4 then forget_member(op[2], op[3]) return 0 end
  if code == 5 then append(op[2], RECEIPT, op[3], op[4], 0, 0) return 0 end
  return drop(op[2])
end

-- More than this call can put on any list: an operation has no less than 8 bytes.
local MOST = #ARGV[1] / 8
local MOST_BYTES = #ARGV[1] + HEADER * MOST

-- The first channel that cannot take what all `ops` together put on it; nil when all fit. Where all
-- that this call brings would fit, nothing need be added up.
local function first_full(ops)
  local more = {}
  for _, op in ipairs(ops) do
    if is_send(op) and is_full(state(op[2]), MOST, MOST_BYTES, bounds_of(op)) then
      local l, m = state(op[2]), more[op[2]] or {0, 0}
      m[1], m[2] = m[1] + 1, m[2] + HEADER + #op[3]
      more[op[2]] = m
      if is_full(l, m[1], m[2], bounds_of(op)) then
        count_full(l)
        return channel_of(op[3])
      end
    end
  end
  return nil
end
