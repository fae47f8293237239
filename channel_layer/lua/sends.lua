-- Sends that came packed whole, as most do; operations.lua tells of the others. Such an operation is an
-- entry that lacks only its stamp: a message with the usual life and bounds, or a receipt.

-- Whether a send heeds the bounds of its list; it need not where that was looked at before.
local heeds_bounds

-- Gives 0, or the name of the channel whose list is full.
local function place(unstamped)
  local kind, _, length = byte(unstamped, 11, 13)
  local channel = sub(unstamped, 14, 13 + length)
  local l = on_list[channel]
  if not l then
    l = state(list_of(channel))
    on_list[channel] = l
  end
  if kind == RECEIPT then
    put(l, unstamped, 0)
  elseif heeds_bounds and is_full(l, 1, STAMP + #unstamped, usual_entries, usual_bytes) then
    count_full(l)
    return channel
  else
    put(l, unstamped, expiry_ms)
  end
  return 0
end
