-- Who is in a group and with how many devices, after those whose time is over were counted down.
--
-- [5] group. Gives {1 when more have to be counted down first, user, devices, user, devices…}.

function functions.members()
  local group, more = args[5], 0
  for _, list in ipairs(call('ZRANGE', servers_key(group), 0, -1)) do
    if forget_old_members(group, list) == MAX_PRUNE then more = 1 end
  end
  save()
  local answer = call('HGETALL', devices_key(group))
  table.insert(answer, 1, more)
  return answer
end
