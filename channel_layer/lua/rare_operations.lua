-- The operations that are rarer than sends and receipts; behind operations.lua.

local perform

do  -- the rest is seen here only: Lua has room for 200 locals
-- Whether `channels`, which are different ones, are all the members that a list has.
local function are_all(channels, members)
  local found = 0
  for _, channel in ipairs(channels) do
    if call('ZSCORE', members, channel) then found = found + 1 end
  end
  return found == call('ZCARD', members)
end

-- A member of an inbox that is left out still hears of the position, so that it misses no number.
local function send_group_to(group, list, payload, log, excluded)
  local l, inbox = state(list), is_inbox(list)
  local is_told = inbox and log
  if excluded and not is_told and are_all(excluded, members_key(group, list)) then return 0 end
  local kind, channel = MESSAGE, list
  if inbox then kind, channel = GROUP, group end
  if inbox and (log or excluded) then
    kind, payload = GROUP_MORE, framed(payload, log, excluded)
  end
  local tail = tail_of(channel, payload)
  local gone = is_gone(l)
  if gone then forget_server(group, list) end
  if gone or is_full(l, 1, HEADER + #tail, bounds_of_group(l)) then
    count_full(l)
    return 1
  end
  append(list, kind, tail, 0, expiry_ms)
  return 0
end

-- The excluded channels by their lists.
local function by_list(channels)
  local found = {}
  for _, channel in ipairs(channels) do
    local list = list_of(channel)
    found[list] = found[list] or {}
    table.insert(found[list], channel)
  end
  return found
end

local function send_group(op)
  local group, dropped = op[2], 0
  local excluded = op[4] and by_list(op[4]) or {}
  local log = op[5] and op[5] > 0 and remember(group, op[3], op[5], op[6]) or nil
  for _, list in ipairs(call('ZRANGE', servers_key(group), 0, -1)) do
    local forgotten = forget_old_members(group, list)
    if forgotten == 0 or call('EXISTS', members_key(group, list)) == 1 then
      dropped = dropped + send_group_to(group, list, op[3], log, excluded[list])
    end
  end
  return dropped
end

-- Who was taken for dead, or ended, will not count its members down: it has none. One that comes
-- back has read that before it tells its memberships again.
local function is_of_the_dead(list)
  found_out.dead = found_out.dead or {}
  local dead = found_out.dead
  if dead[list] == nil then
    local mark = call('GET', base .. 'reaped:' .. list)
    dead[list] = mark == '1' or mark == 'retired'
  end
  return dead[list]
end

local REFRESH = 2
local function join(op)
  local group, channel = op[2], op[3]
  local list = list_of(channel)
  local members, servers, inbox = members_key(group, list), servers_key(group), is_inbox(list)
  if inbox and is_of_the_dead(list) then return 0 end
  if op[6] == REFRESH and not call('ZSCORE', members, channel) then return 0 end
  call('ZADD', members, now, channel)
  if not kept_members()[members] then
    kept_members()[members] = true
    call('ZADD', servers, now, list)
    keep(members, group_life_ms())
    keep(servers, group_life_ms())
    if inbox then
      call('SADD', groups_key(list), group)
      keep(groups_key(list), group_life_ms())
    end
    -- A refresh names no user.
    if call('EXISTS', users_key(group)) == 1 then keep_devices(group) end
  end
  if op[4] > 0 then
    local l = state(list)
    l.capacity, l.capacity_bytes, l.dirty = op[4], op[5], true
  end
  if inbox and op[6] == 0 then
    local joining = group
    -- Whose device it is, for the day when only the owner of the list knows that.
    if op[1] == 9 and op[10] ~= '' then joining = group .. '\0' .. op[11] .. '\0' .. op[10] end
    append(list, JOIN, tail_of(channel, joining), 0, 0)
  end
  if op[1] == 9 then
    if op[7] == 1 then replay(group, channel, op[8], op[9]) end
    if op[10] ~= '' then count_device(group, channel, op[10], op[11], op[6] > 0) end
  end
  return 0
end

local function perform_send(op)
  if op[1] == 0 then return place(op[3]) end
  return send(op)
end

local function sockets_key(channel) return base .. 'sockets:' .. list_of(channel) end

local function see_server(list)
  if not found_out['seen ' .. list] then
    call('ZADD', base .. 'servers', now, list)
    found_out['seen ' .. list] = true
  end
  return 0
end

local function open_socket(op)
  call('HSET', sockets_key(op[2]), op[2], op[3])
  return see_server(list_of(op[2]))
end

-- Whether a registration that is missing went with lost data, since the epoch that its server knows,
-- and not by a reaper that took the server for dead.
local function was_lost(list, epoch)
  -- What stands behind the dot is the inbox's own, which says nothing of lost data.
  if not epoch or match(epoch, '^[^.]*') == layer_epoch() then return false end
  local mark = call('GET', base .. 'reaped:' .. list)
  return not mark or mark == epoch
end

-- A socket's disconnect is sent by whoever ends its registration, and only once.
local function close_socket(op)
  local sockets, channel, disconnect = sockets_key(op[2]), op[2], op[3]
  local is_there = call('HEXISTS', sockets, channel) == 1
  if not is_there and not (disconnect and was_lost(list_of(channel), op[4])) then return 0 end
  local verdict = disconnect and perform_send(decoded(disconnect)) or 0
  if verdict == 0 and is_there then call('HDEL', sockets, channel) end
  return verdict
end

-- What is left of a process that ended in order is reaped as by death. A reading of its inbox that
-- still waits must not register it again.
local function retire_server(list)
  call('SET', base .. 'reaped:' .. list, 'retired', 'PX', DAY_MS)
  if call('EXISTS', base .. 'sockets:' .. list, groups_key(list)) > 0 then
    local l = state(list)
    l.read, l.generation, l.dirty = 0, 0, true
    call('ZADD', base .. 'servers', 0, list)
    found_out['seen ' .. list] = nil
    return 0
  end
  call('ZREM', base .. 'servers', list)
  found_out['seen ' .. list] = nil
  return drop(list)
end

local function renew_farewell(channel, farewell)
  local sockets = sockets_key(channel)
  if call('HEXISTS', sockets, channel) == 1 then call('HSET', sockets, channel, farewell) end
  return 0
end

local function send_receipt_and_farewell(op)
  place(op[2])
  return renew_farewell(channel_of(op[2]), op[3])
end

function perform(op)
  local code = op[1]
  if code <= 1 then return perform_send(op) end
  if code == 2 or code == 8 then return send_group(op) end
  if code == 3 or code == 9 then return join(op) end
  if code == 4 then forget_member(op[2], op[3]) return 0 end
  if code == 5 then return send_receipt_and_farewell(op) end
  if code == 6 then return drop(op[2]) end
  if code == 10 then return open_socket(op) end
  if code == 11 then return close_socket(op) end
  if code == 12 then return see_server(op[2]) end
  if code == 14 then return renew_farewell(op[2], op[3]) end
  return retire_server(op[2])
end
end
