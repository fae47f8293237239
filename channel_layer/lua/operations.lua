-- The operations of layer.py.
-- One that begins with a NUL is an entry that lacks only its stamp (sends.lua). Any other is a
-- msgpack array whose first item says which. A capacity of 0 means: no bound.
--
--   {1, list, entry without stamp, ttl ms, delay ms, capacity, capacity bytes}  Send
--   {2, group, payload}                                          SendGroup with all else as usual
--   {3, group, channel, capacity, capacity bytes of its list, 0 for the usual,
--    1 when the owner of the list knows already, 2 when it only refreshes what the layer knows
--    too, else 0}                                                     Join with all else as usual
--   {4, group, channel}                                                         Leave
--   {5, receipt without stamp, farewell}                                        SendReceipt
--   {6, list}                                                                   Drop
--   {8, group, payload, excluded channels, messages kept or 0, their ttl ms}    SendGroup
--   {9, the next five as in 3, 1 with since, its epoch, its offset, user, presence}  Join
--   {10, channel, farewell}                                                     OpenSocket
--   {11, channel, a Send or nothing, with it the server's epoch or nothing}     CloseSocket
--   {12, inbox}                                        a sign of life of the process that owns it
--   {13, inbox}                                        that process ended in order
--   {14, channel, farewell}                            what a receipt of a bundle came with
--
-- Each gives a number: group entries that were not placed, so 0 where all went well; or the name
-- of the full channel.

-- What came packed whole has the code 0, in a bundle with the bounds of its list behind it.
local function decoded(op)
  if byte(op) > 0 then return cmsgpack.unpack(op) end
  return {0, nil, op}
end

-- The entry without stamp that a send places; nil for what is no send.
local function sent_by(op)
  if op[1] == 1 or op[1] == 0 and byte(op[3], 11) == MESSAGE then return op[3] end
  return nil
end

local function channel_of(unstamped) return sub(unstamped, 14, 13 + byte(unstamped, 13)) end

local function list_of_send(op) return op[2] or list_of(channel_of(op[3])) end

-- The bounds that a send heeds, in entries and bytes; 0 for none.
local function bounds_of(op)
  if op[1] == 0 then return op[4] or usual_entries, op[5] or usual_bytes end
  return op[6], op[7]
end

local function send(op)
  local list, unstamped, ttl_ms, delay_ms = op[2], op[3], op[4], op[5]
  local l, size = state(list), STAMP + #unstamped
  if heeds_bounds and is_full(l, 1, size, op[6], op[7]) then
    count_full(l)
    return channel_of(unstamped)
  end
  if delay_ms == 0 then
    put(l, unstamped, ttl_ms)
    return 0
  end
  delay(list, pack('>I8I8I8', next_id(), now, now + delay_ms + ttl_ms) .. unstamped, now + delay_ms)
  count_sent(l, 1)
  return 0
end

-- More entries and bytes than this call can put on any list: each entry takes more than 12 of its bytes.
local function most_of_call()
  if not found_out.most then
    local bytes = 0
    for i = 1, #argv do bytes = bytes + #argv[i] end
    found_out.most, found_out.most_bytes = bytes / 12, bytes + HEADER * bytes / 12
  end
  return found_out.most, found_out.most_bytes
end

-- The first channel that cannot take what all `ops` together put on it; nil when all fit. Where all
-- that this call brings would fit, nothing need be added up.
local function first_full(ops)
  local more, most, most_bytes = {}, most_of_call()
  for _, op in ipairs(ops) do
    local unstamped = sent_by(op)
    local list = unstamped and list_of_send(op)
    if list and is_full(state(list), most, most_bytes, bounds_of(op)) then
      local l, m = state(list), more[list] or {0, 0}
      m[1], m[2] = m[1] + 1, m[2] + STAMP + #unstamped
      more[list] = m
      if is_full(l, m[1], m[2], bounds_of(op)) then
        count_full(l)
        return channel_of(unstamped)
      end
    end
  end
  return nil
end

local function drop(list)
  call('DEL', base .. 'list:' .. list, base .. 'meta:' .. list, base .. 'wake:' .. list)
  lists[list] = nil
  on_list = {}
  return 0
end
