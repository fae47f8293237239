-- Which awaited events are nowhere any more, after the broker may have lost something.
--
-- [5] inbox of the process that awaits; [6] {list, channel, order} of each event. Gives the numbers,
-- from 1, of those that are not on their list, not delayed, held by no worker, and not answered in
-- the inbox: a socket's event by the receipt of its order, since others may send to a socket what
-- they like; a request by whatever came for its channel.

function functions.find_lost()
  local inbox, awaited = args[5], args[6]
  local there, answered, receipted, looked = {}, {}, {}, {}

  local function see(entry)
    local receipt = receipt_of(entry)
    if receipt ~= '' then there[receipt .. ' ' .. text(header_of(entry).order)] = true end
  end

  for _, one in ipairs(awaited) do
    if not looked[one[1]] then
      looked[one[1]] = true
      each_entry(one[1], see)
    end
  end
  -- The broker itself finds those of few lists among very many.
  local lists_asked = 0
  for _ in pairs(looked) do lists_asked = lists_asked + 1 end
  if lists_asked <= 4 then
    for list in pairs(looked) do each_delayed(list .. '\0*', function(_, entry) see(entry) end) end
  else
    each_delayed('*', function(list, entry) if looked[list] then see(entry) end end)
  end
  each_lease(function(item) see(item.entry) end)
  each_entry(inbox, function(entry)
    local h, channel = header_of(entry), channel_in(entry)
    if h.kind == MESSAGE or h.kind == RECEIPT then answered[channel] = true end
    if h.kind == RECEIPT then receipted[channel .. ' ' .. text(h.order)] = true end
  end)

  local lost = {}
  for i, one in ipairs(awaited) do
    local event = one[2] .. ' ' .. text(one[3])
    local is_socket = sub(one[1], 1, 10) == 'websocket.'
    local has_answer = receipted[event] or not is_socket and answered[one[2]]
    if not there[event] and not has_answer then lost[#lost + 1] = i end
  end
  return lost
end
