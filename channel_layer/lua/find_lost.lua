-- Which awaited events are nowhere any more, after the broker may have lost something.
--
-- [5] inbox of the process that awaits; [6] {list, channel, order} of each event. Gives the numbers,
-- from 1, of those that are not on their list, not delayed, held by no worker, and for whose channel
-- nothing lies in the inbox.

local inbox, awaited = args[5], args[6]
local there, answered, looked = {}, {}, {}

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
each_delayed('*', function(_, entry) see(entry) end)
each_lease(function(item) see(item.entry) end)
each_entry(inbox, function(entry)
  local kind = header_of(entry).kind
  if kind == MESSAGE or kind == RECEIPT then answered[channel_in(entry)] = true end
end)

local lost = {}
for i, one in ipairs(awaited) do
  if not there[one[2] .. ' ' .. text(one[3])] and not answered[one[2]] then lost[#lost + 1] = i end
end
return lost
