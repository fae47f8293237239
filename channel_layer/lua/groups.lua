-- Who is in which group, and whose devices the members are.

local MAX_PRUNE = 100        -- old memberships ended by one call

-- Longer than any membership: none ends untold.
local function group_life_ms() return 2 * group_expiry_ms end

-- The keys of members that this call knows to be registered and to live long enough.
local function kept_members()
  found_out.kept_members = found_out.kept_members or {}
  return found_out.kept_members
end

local function members_key(group, list) return base .. 'members:' .. group .. ':' .. list end
local function servers_key(group) return base .. 'servers:' .. group end
local function groups_key(list) return base .. 'groups:' .. list end
local function users_key(group) return base .. 'users:' .. group end
local function devices_key(group) return base .. 'devices:' .. group end

-- The bounds that group entries heed; a join may have told those of its list.
local function bounds_of_group(l)
  if l.capacity > 0 then return l.capacity, l.capacity_bytes end
  return usual_entries, usual_bytes
end

-- Where nobody takes what is told, it ends with the list's bounds; who is present is known all the
-- same.
local function tell_presence(presence, group, user, event, devices)
  if presence == '' then return end
  local message = '\132'
    .. cmsgpack.pack('group', group, 'user', user, 'event', event, 'devices', devices)
  local tail, l = tail_of(presence, message), state(presence)
  if is_full(l, 1, HEADER + #tail, bounds_of_group(l)) then return count_full(l) end
  append(presence, MESSAGE, tail, 0, DAY_MS)
end

-- The channel is nobody's device from here on.
local function forget_device(group, channel)
  local known = call('HGET', users_key(group), channel)
  if not known then return end
  local presence, user = match(known, '^([^%z]*)%z(.*)$')
  call('HDEL', users_key(group), channel)
  if call('HINCRBY', devices_key(group), user, -1) <= 0 then
    call('HDEL', devices_key(group), user)
    tell_presence(presence, group, user, 'leave', 0)
  end
end

-- Lets who is present live as long as any member may.
local function keep_devices(group)
  keep(users_key(group), group_life_ms())
  keep(devices_key(group), group_life_ms())
end

-- With `keeps_known`, whose device it is already is not changed.
local function count_device(group, channel, user, presence, keeps_known)
  local known = call('HGET', users_key(group), channel)
  local mine = presence .. '\0' .. user
  if known and (keeps_known or match(known, '%z(.*)$') == user) then
    if known ~= mine and not keeps_known then call('HSET', users_key(group), channel, mine) end
  else
    if known then forget_device(group, channel) end
    call('HSET', users_key(group), channel, mine)
    if call('HINCRBY', devices_key(group), user, 1) == 1 then
      tell_presence(presence, group, user, 'join', 1)
    end
  end
  keep_devices(group)
  call('ZADD', base .. 'present', 'NX', now + group_expiry_ms, group)
end

-- The members of a dead process are not told that they leave: nobody would read it.
local function forget_member(group, channel, is_dead)
  local list = list_of(channel)
  local members, inbox = members_key(group, list), is_inbox(list)
  if call('ZREM', members, channel) == 0 then return end
  if call('EXISTS', members) == 0 then
    kept_members()[members] = nil
    call('ZREM', servers_key(group), list)
    if inbox then call('SREM', groups_key(list), group) end
  end
  if inbox and not is_dead then append(list, LEAVE, tail_of(channel, group), 0, 0) end
  forget_device(group, channel)
end

local function forget_old_members(group, list)
  local old = call('ZRANGEBYSCORE', members_key(group, list), '-inf',
    '(' .. text(now - group_expiry_ms), 'LIMIT', 0, MAX_PRUNE)
  for _, channel in ipairs(old) do forget_member(group, channel) end
  return #old
end

-- Ends all memberships of one list in a group; those of devices must be counted one by one, which
-- is the reaper's work.
local function forget_server(group, list)
  kept_members()[members_key(group, list)] = nil
  call('ZREM', servers_key(group), list)
  if call('EXISTS', users_key(group)) == 1 then return false end
  call('UNLINK', members_key(group, list))
  call('SREM', groups_key(list), group)
  return true
end

-- An inbox that nobody read for so long belongs to a process that is gone: its members are too.
-- Should it come back, inbox.lua gives it another epoch, and it joins its members again.
local function is_gone(l)
  return l.read > 0 and now - l.read > gone_ms and now - up_since() > gone_ms
end
