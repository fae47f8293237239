-- Ends what dead servers left behind: their sockets get their disconnects, their members leave.
--
-- [5] how long a server must have been silent, ms. Gives {1 when more is left to do now, disconnects
-- sent, sockets that wait, server of which nothing is left…}. A socket waits while an event of
-- it is on a list, delayed or leased; what was done is bounded by BUDGET a call.

local silent_ms
local BUDGET = 2500  -- each call looks for all events under way anew, which takes longer than these
local MAX_SERVERS = 100
local MAX_GROUPS = 10
local DISCONNECT = 'websocket.disconnect'
local EVENTS = {'websocket.connect', 'websocket.receive', DISCONNECT}
local MAX_REFUSAL = 64
-- {"accept": false} as msgpack, wherever it stands in a short reply.
local REFUSAL = '\166accept\194'
local spent, disconnects, waiting, gone, under_way

-- The servers without a sign of life; reading the inbox is one that the registry hears of later.
local function silent_servers()
  local found = {}
  notice_pause(silent_ms)
  if now - up_since() <= silent_ms then return found end
  local oldest = '(' .. text(now - silent_ms)
  for _, list in ipairs(call('ZRANGEBYSCORE', base .. 'servers', '-inf', oldest, 'LIMIT', 0,
    MAX_SERVERS)) do
    local read = state(list).read
    if now - read > silent_ms then
      found[#found + 1] = list
    else
      call('ZADD', base .. 'servers', read, list)
    end
  end
  return found
end

-- Where an event under way will be receipted; looked up once a call.
local function channels_under_way()
  if under_way then return under_way end
  under_way = {}
  for _, list in ipairs(EVENTS) do
    each_entry(list, function(entry) under_way[receipt_of(entry)] = true end)
  end
  each_delayed('websocket.*', function(_, entry) under_way[receipt_of(entry)] = true end)
  each_lease(function(item) under_way[receipt_of(item.entry)] = true end)
  return under_way
end

-- Sockets whose handshake was refused, which the server did not come to read: they never were.
local function refused_in(list)
  local refused = {}
  each_entry(list, function(entry)
    local payload = payload_of(entry)
    if #payload <= MAX_REFUSAL and header_of(entry).kind == MESSAGE
      and string.find(payload, REFUSAL, 1, true) then
      refused[channel_in(entry)] = true
    end
  end)
  return refused
end

-- Marks the process as taken for dead; should it come back, it learns that at its next reading.
local function mark(list)
  local known = call('GET', base .. 'reaped:' .. list)
  -- An epoch says that it learned of a reaping before this one.
  if known ~= '1' and known ~= 'retired' then
    call('SET', base .. 'reaped:' .. list, '1', 'PX', DAY_MS)
    local l = state(list)
    l.generation, l.dirty = 0, true
    -- Who is there after all and waits for entries hears of it now.
    wake(list)
  end
end

-- Gives whether sockets remain.
local function reap_sockets(list)
  local sockets = base .. 'sockets:' .. list
  local channels = call('HKEYS', sockets)
  if #channels == 0 then return false end
  local busy, refused, left = channels_under_way(), nil, 0
  for _, channel in ipairs(channels) do
    if busy[channel] then
      waiting, left = waiting + 1, left + 1
    elseif spent >= BUDGET then
      left = left + 1
    else
      refused = refused or refused_in(list)
      local farewell = call('HGET', sockets, channel)
      call('HDEL', sockets, channel)
      spent = spent + 1
      mark(list)
      if not refused[channel] then
        append(DISCONNECT, MESSAGE, tail_of(DISCONNECT, farewell), 0, DAY_MS)
        disconnects = disconnects + 1
      end
    end
  end
  return left > 0
end

-- Ends the memberships of a list in one group, as far as the budget goes.
local function reap_group(list, group)
  spent = spent + 1
  if forget_server(group, list) then return end
  local members = call('ZRANGE', members_key(group, list), 0, max(0, BUDGET - spent))
  for _, channel in ipairs(members) do forget_member(group, channel, true) end
  spent = spent + #members
  if call('EXISTS', members_key(group, list)) == 0 then
    call('SREM', groups_key(list), group)
  end
end

-- Gives whether memberships remain.
local function reap_members(list)
  if spent >= BUDGET then return call('EXISTS', groups_key(list)) == 1 end
  local groups = call('SRANDMEMBER', groups_key(list), BUDGET - spent)
  if #groups > 0 then mark(list) end
  for _, group in ipairs(groups) do
    if spent < BUDGET then reap_group(list, group) end
  end
  return call('EXISTS', groups_key(list)) == 1
end

-- What was not read dies with its time: its reader may live after all, and is told of the reaping
-- behind replies without a hole. One that ended in order reads no more.
local function forget_inbox(list)
  mark(list)
  if call('GET', base .. 'reaped:' .. list) == 'retired' then
    call('UNLINK', base .. 'list:' .. list, base .. 'meta:' .. list)
    lists[list] = nil
  end
  call('ZREM', base .. 'servers', list)
  gone[#gone + 1] = list
end

-- Memberships of users end in time also where nothing is sent to their group.
local function forget_old_devices()
  local groups = call('ZRANGEBYSCORE', base .. 'present', '-inf', now, 'LIMIT', 0, MAX_GROUPS)
  for _, group in ipairs(groups) do
    local next_ms = now + group_expiry_ms
    for _, list in ipairs(call('ZRANGE', servers_key(group), 0, -1)) do
      spent = spent + forget_old_members(group, list)
      local oldest = call('ZRANGE', members_key(group, list), 0, 0, 'WITHSCORES')
      if oldest[2] then next_ms = math.min(next_ms, tonumber(oldest[2]) + group_expiry_ms + 1) end
    end
    if call('EXISTS', users_key(group)) == 1 then
      call('ZADD', base .. 'present', next_ms, group)
    else
      call('ZREM', base .. 'present', group)
    end
  end
end

function functions.reap()
  silent_ms = args[5]
  spent, disconnects, waiting, gone, under_way = 0, 0, 0, {}, nil
  forget_old_devices()
  local more = false
  for _, list in ipairs(silent_servers()) do
    local has_members = reap_members(list)
    local has_sockets = reap_sockets(list)
    if has_members or has_sockets then
      more = more or has_members or spent >= BUDGET
    else
      forget_inbox(list)
    end
  end
  save()
  return {more and 1 or 0, disconnects, waiting, unpack(gone)}
end
