-- The operations of layer.py, each as an array whose first item says which; behind sends.lua and
-- rare_operations.lua in the scripts that perform them. A capacity of 0 means: no bound.
--
--   {1, list, tail, order, flags, ttl ms, delay ms, capacity, capacity bytes,
--    attempt, nothing for the first}                                            Send
--   {2, group, payload}                                          SendGroup with all else as usual
--   {3, group, channel, capacity, capacity bytes of its list, 0 for the usual,
--    1 when the owner of the list knows already, 2 when it only refreshes what the layer knows
--    too, else 0}                                                     Join with all else as usual
--   {4, group, channel}                                                         Leave
--   {5, list, tail, order, farewell, nothing to leave it}                       SendReceipt
--   {6, list}                                                                   Drop
--   {7, list, tail}                                    Send with all else as usual: most replies
--   {8, group, payload, excluded channels, messages kept or 0, their ttl ms}    SendGroup
--   {9, the next five as in 3, 1 with since, its epoch, its offset, user, presence}  Join
--   {10, channel, farewell}                                                     OpenSocket
--   {11, channel, a Send or nothing, with it the server's epoch or nothing}     CloseSocket
--   {12, inbox}                                        a sign of life of the process that owns it
--   {13, inbox}                                        that process ended in order
--
-- Each gives a number: group entries that were not placed, so 0 where all went well; or the name
-- of the full channel.

local perform_rare = nil
local function perform(op)
  local code = op[1]
  if code == 7 or code == 1 then return send(op) end
  if code == 5 and not op[5] then append(op[2], RECEIPT, op[3], op[4], 0, 0) return 0 end
  perform_rare = perform_rare or open_rare()
  return perform_rare(op)
end
